"""The extractor without a model: what a turn says, one statement each, so that it stands alone.

A fact reads "Caroline: I went to a support group on 7 May 2023." The speaker is named, relative dates are absolute,
greetings and small talk are gone. A reply to a question carries it: 'Caroline, asked "What pet do you have?": A cat.'
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from memory_r1.graphs.rules.changes import is_change
from memory_r1.graphs.rules.text import (
    FUNCTION_WORDS,
    INTERJECTIONS,
    content_words,
    is_question,
    sentences,
    words,
)
from memory_r1.memory.dates import find_dates, resolve
from memory_r1.memory.days import DAYS, MONTHS
from memory_r1.memory.types import Fact, Turn

_CAPTION = re.compile(
    r"^(?:a |an |the )?(?:close[- ]?up )?(?:photo(?:graphy|graph)?|picture|image|pic) of ", re.IGNORECASE
)
_CLINGS = re.compile(
    r"^(?:it|they|that|this|these|those|he|she|both|plus|and|but|so|which)\b|^(?:it|they|that|he|she)['’]", re.I
)
_TITLE = re.compile(r"[\"“]([^\"“”]{2,60})[\"”]")
_NAME = re.compile(r"[A-Z][\w'’&+-]*(?:(?: (?:of|the|and|de|&))? [A-Z][\w'’&+-]*)*")
_OPENING = re.compile(r"(?P<word>[\w'’]+)")
_CALL = re.compile(r" (?!I\b)[A-Z]\w+(?= *[,!.]|$)")
_CLOSING = re.compile(r",? (?P<word>\w+)(?P<end>[.!?]*)$")
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|myself|we|us|our|ours|ourselves)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your|yours|yourself|yourselves)\b", re.IGNORECASE)
_CHEER = re.compile(
    r"(?:that|this|these|those|it|they|such|what|so|sounds?|looks?|good|great|cool|nice|glad|happy|thanks?|congrats|no"
    r"|keep|do|don|let|can|enjoy|appreciate|excited|oh|poor|best|all the best|take care)\b",
    re.IGNORECASE,
)
_SEPARATORS = " ,.!-–—:;"
_LONGEST = 320


class RulesExtractor:
    """Takes facts from turns by rules alone. Holds no state."""

    async def extract(self, turn: Turn, context: Sequence[Turn] = ()) -> list[Fact]:
        """The facts of `turn`; [] for small talk. `context`: the turns before it in its session, oldest first.

        A question is no fact, but the reply to it carries it. A picture's caption is a fact of its own.
        """
        return extract(turn, context)


def extract(turn: Turn, context: Sequence[Turn] = ()) -> list[Fact]:
    """As `RulesExtractor.extract`, without an event loop."""
    names = {name.lower() for name in (turn.speaker, *(t.speaker for t in context)) for name in name.split()}
    asked = _asked(turn, context)
    texts: list[str] = []
    for sentence in sentences(turn.text):
        plain = strip_address(sentence, names)
        if is_question(plain) or not _tells(plain, names, bool(asked) and not texts):
            continue
        if texts and _CLINGS.match(plain) and len(texts[-1]) + len(plain) < _LONGEST:
            texts[-1] += " " + plain
        else:
            texts.append(plain)
    made = [_fact(turn, text, asked if at == 0 else "") for at, text in enumerate(texts)]
    facts = [fact for at, fact in enumerate(made) if (asked and at == 0) or not _cheers(texts[at], fact)]
    if turn.caption.strip():
        facts.append(_caption(turn))
    return facts


def strip_address(sentence: str, names: set[str]) -> str:
    """The sentence without "Hey Mel!", "Thanks, Caroline," and the like at its ends."""
    text = sentence
    while match := _OPENING.match(text):
        word, rest = match["word"].lower(), text[match.end("word") :]
        ends = re.match(r"\s*([,!.–—-]|$)", rest)
        if not (ends and (word in INTERJECTIONS or _names(word, names))) and not (
            word in INTERJECTIONS and _CALL.match(rest)
        ):
            break
        text = rest.lstrip(_SEPARATORS)
        if not ends and (call := _CALL.match(rest)):
            text = rest[call.end() :].lstrip(_SEPARATORS)
    if (last := _CLOSING.search(text)) and _names(last["word"].lower(), names):
        text = text[: last.start()] + last["end"]
    return text[:1].upper() + text[1:]


def _names(word: str, names: set[str]) -> bool:
    """Whether `word` is one of `names` or short for it ("Mel")."""
    return word in names or (len(word) > 2 and any(name.startswith(word) for name in names))


def _asked(turn: Turn, context: Sequence[Turn]) -> str:
    """The question that the turn before, by somebody else, ended with; "" for none."""
    if not context or context[-1].speaker == turn.speaker or context[-1].session != turn.session:
        return ""
    last = [s for s in sentences(context[-1].text) if is_question(s)]
    names = {name.lower() for name in (turn.speaker, context[-1].speaker)}
    kept = [plain for s in last if content_words(plain := strip_address(s, names))]
    return kept[-1].replace('"', "'") if kept else ""


def _tells(sentence: str, names: set[str], reply: bool) -> bool:
    """Whether a sentence says something: a content word, a date, a number, or a short reply to a question."""
    content = [word for word in content_words(sentence) if word not in names]
    if content:
        return True
    return reply and any(word.lower() not in INTERJECTIONS | FUNCTION_WORDS for word in words(sentence))


def _cheers(text: str, fact: Fact) -> bool:
    """Whether a statement only encourages, praises or greets: short, about "you" or "that", and about nobody,
    no day and no number that a later question could ask for.
    """
    if fact.when or len(fact.entities) > 1 or any(c.isdigit() for c in text) or _FIRST_PERSON.search(text):
        return False
    if is_change(text):
        return False
    count = len(text.split())
    return count <= 2 or (count <= 6 and bool(_CHEER.match(text))) or (count <= 7 and bool(_YOU.search(text)))


def _fact(turn: Turn, text: str, asked: str) -> Fact:
    mentions = find_dates(text, turn.time)
    when = next((m.when for m in mentions if m.when), "")
    who = f'{turn.speaker}, asked "{asked}"' if asked else turn.speaker
    return Fact(f"{who}: {resolve(text, turn.time)}", turn.speaker, (turn.id,), when, entities(text, turn.speaker))


def _caption(turn: Turn) -> Fact:
    subject = _CAPTION.sub("", turn.caption.strip())
    return Fact(f"{turn.speaker} shared a photo of {subject}.", turn.speaker, (turn.id,), "", (turn.speaker,))


def entities(text: str, speaker: str) -> tuple[str, ...]:
    """The speaker, then names and titles in `text`: capitalised words that don't open a sentence, and quotations."""
    found = {speaker: None}
    for match in _TITLE.finditer(text):
        found[match[1].strip(_SEPARATORS)] = None
    for match in _NAME.finditer(_TITLE.sub(lambda title: " " * len(title.group()), text)):
        before = text[: match.start()].rstrip()
        parts = match.group().split()
        while parts and _is_plain(parts[0]):
            parts.pop(0)
        while parts and _is_plain(parts[-1]):
            parts.pop()
        opens = not before or before[-1] in '.!?"“'
        if parts and not (opens and len(parts) == 1):
            found[" ".join(parts).removesuffix("'s").removesuffix("’s")] = None
    return tuple(name for name in found if name)


def _is_plain(word: str) -> bool:
    """Whether a capitalised word names nothing: a function word, an interjection, a day or a month."""
    low = re.split("['’]", word.lower(), maxsplit=1)[0]
    return low in FUNCTION_WORDS or low in INTERJECTIONS or word in DAYS or word in MONTHS
