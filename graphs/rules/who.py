"""Answers to "who": the one who did it, the relative of a name, the name of a relative."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from memory_r1.graphs.rules.fits import PEOPLE
from memory_r1.graphs.rules.lexis import AUXILIARIES, BE, meanings, root
from memory_r1.graphs.rules.passage import EARLIER, split
from memory_r1.graphs.rules.question import Asked
from memory_r1.graphs.rules.text import CHIT_CHAT, FUNCTION_WORDS, INTERJECTIONS, sentences, words
from memory_r1.memory.days import DAYS, MONTHS
from memory_r1.memory.types import Hit, Memory

_LOOKED_AT = 12
_DID = re.compile(r"^who (?:(?:is|was|has|had|are|were|will|also) )?(?P<deed>[a-z]+)")
_ASIDE = frozenset(
    "did do does is was are were has have had will would can could should may in on at of with about".split()
) | frozenset("the a an my our his her their your this that".split())
_IS_NAME = re.compile(r"^who(?: is|['’]s|s) (?P<name>[A-Z][\w-]+)\?*$", re.IGNORECASE)
_IS_KIN = re.compile(
    r"^who(?: is|['’]s|s) (?:(?P<owner>[\w-]+)['’]s?|my|the) (?P<kin>[\w-]+)(?: of (?P<of>\w+))?\?*$", re.I
)
_MINE = re.compile(
    r"\b(?:my|our) (?:\w+ )?(?P<kin>[\w-]+),? (?P<name>[A-Z][\w-]+)|(?P<name2>[A-Z][\w-]+) is my (?P<kin2>\w+)", re.I
)
_DENIED = re.compile(r"\b(?:not|never|no longer|\w+n['’]t)\b", re.IGNORECASE)
_ADVERBS = frozenset(
    "also really just still already always often usually even actually recently finally once never".split()
)
Found = tuple[str, list[Memory]]


def who(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """The doer, for "Who painted the sign?"; "Ravi's sister", for "Who is Leena?"; "Leena", for "… Ravi's sister?".

    None when the question is of another form, or no sentence tells.
    """
    return _related(asked, hits) or _doer(asked, hits)


def _told(hits: Sequence[Hit]) -> Iterator[tuple[str, str, Memory]]:
    """The sentences that the first hits say to hold, with who says them; pictures left out."""
    for hit in hits[:_LOOKED_AT]:
        speaker, _, body, photo = split(hit.memory)
        for sentence in () if photo else sentences(body.partition(EARLIER)[0]):
            yield speaker, sentence, hit.memory


def _related(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    text = asked.text.strip()
    by_name, by_kin = _IS_NAME.match(text), _IS_KIN.match(text)
    for speaker, sentence, memory in _told(hits) if by_name or by_kin else ():
        for match in _MINE.finditer(sentence):
            name, kin = match["name"] or match["name2"], match["kin"] or match["kin2"]
            if not name[0].isupper() or not meanings(root(kin)) & PEOPLE:
                continue
            if by_name and name.lower() == by_name["name"].lower():
                return f"{speaker}'s {kin.lower()}", [memory]
            owner = (by_kin["owner"] or by_kin["of"] or "").lower() if by_kin else ""
            if by_kin and root(kin) == root(by_kin["kin"]) and owner in ("", speaker.lower().split(" ")[0]):
                return name, [memory]
    return None


def _doer(asked: Asked, hits: Sequence[Hit]) -> Found | None:
    """The name before the verb, or the speaker who says "I painted"."""
    match = _DID.match(asked.text.lower().strip())
    if not match or match["deed"] in _ASIDE or not asked.roots:
        return None
    for speaker, sentence, memory in _told(hits):
        whole = asked.roots <= {root(word) for word in words(sentence)} and not _DENIED.search(sentence)
        if whole and (found := _before(sentence, root(match["deed"]), speaker)):
            return found, [memory]
    return None


def _before(sentence: str, deed: str, speaker: str) -> str:
    """The person right before the word `deed`; "" for none."""
    found = words(sentence)
    at = next((i for i, word in enumerate(found) if root(word) == deed), len(found))
    for before in range(at - 1, -1, -1):
        low = found[before].lower().replace("’", "'")
        if re.match(r"(?:i|we)(?:'|$)", low):
            return speaker
        if low not in AUXILIARIES | BE | _ADVERBS:
            return _named(found, before, speaker)
    return ""


def _named(found: Sequence[str], at: int, speaker: str) -> str:
    """The name, or the relative with its owner, that ends at `found[at]`; "" for anything else."""
    first = at
    while first >= 0 and found[first][0].isupper() and not _plain(found[first]):
        first -= 1
    if first < at:
        return " ".join(found[first + 1 : at + 1])
    if not meanings(root(found[at])) & PEOPLE:
        return ""
    mine = at and found[at - 1].lower() in ("my", "our")
    return f"{speaker}'s {found[at]}" if mine else found[at]


def _plain(word: str) -> bool:
    return word.lower() in FUNCTION_WORDS | INTERJECTIONS | CHIT_CHAT or word in DAYS or word in MONTHS
