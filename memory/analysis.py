"""Text into index terms: the one analysis that every store, ranking and embedder of Memory-R1 shares.

A term is a lower-case stem of Unicode letters and digits, so it carries no operator of any query language:
a store may index terms joined by spaces under a whitespace analyser and gets the same matches as every other store.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from functools import lru_cache
from typing import Protocol, cast

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]

from memory_r1.memory.forms import FORMS

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

STOP_WORDS = frozenset(
    """
    a about above after again against all also am an and any are aren as at be because been before being below
    between both but by can could couldn did didn do does doesn doing don down during each few for from further had
    hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself
    just ll let me more most my myself no nor not now of off on once only or other our ours ourselves out over own
    re s same shall she should shouldn so some such t than that the their theirs them themselves then there these
    they this those through to too under until up upon us ve very was wasn we were weren what when where which while
    who whom whose why will with would wouldn you your yours yourself yourselves d m
    """.split()
)
"""English function words, and what an apostrophe leaves of them ("don't" is read as don, t)."""

LONGEST = 64
"""Longer words are cut, so that every store's tokenizer takes them whole."""

_WORD = re.compile(r"[^\W_]+")
_WONT = re.compile(r"\bwon['’]t\b")
_DAY = re.compile(r"(\d{4})(?:-(\d{2}))?")


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


_ENGLISH = cast(_Stemmer, snowballstemmer.stemmer("english"))  # pyright: ignore[reportUnknownMemberType]


def index_text(text: str, speaker: str, when: str, recorded: datetime) -> str:
    """What is indexed and embedded for a memory: its speaker, the months it belongs to, its text.

    The months are that of `recorded` and those of `when` (an ISO day, month, year or interval, or "").
    """
    months = [f"{MONTHS[recorded.month - 1]} {recorded.year}"]
    for year, month in _DAY.findall(when) if when else ():
        named = f"{MONTHS[int(month) - 1]} {year}" if month and 1 <= int(month) <= 12 else year
        if named not in months:
            months.append(named)
    return f"{speaker}, {', '.join(months)}: {text}"


def analyze(text: str) -> tuple[str, ...]:
    """The index terms of `text`, in order, repeats kept; () for text without any."""
    return tuple([term for word in words(text) if (term := stem(word))])


def words(text: str) -> list[str]:
    """The words of `text`: compatibility forms unified, accents off, lower case, cut at `LONGEST` characters.

    "Won't" is read as "will", so that "won" stays a word.
    """
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = text.lower()
    if "won" in text:
        text = _WONT.sub("will", text)
    return [word[:LONGEST] for word in _WORD.findall(text)]


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The stem that stands for the lower-case `word` in every index; "" for a stop word. Leading zeros go: 07 is 7.

    Irregular forms, spellings and numbers as words have the stem of their group (`FORMS`): "bought" that of "buy".
    """
    word = word.lstrip("0") or "0"
    if word in STOP_WORDS:
        return ""
    if not word.isascii():
        return word
    found = _ENGLISH.stemWord(word)
    groups = _groups()
    return groups.get(word) or groups.get(found, found)


@lru_cache(maxsize=1)
def _groups() -> dict[str, str]:
    """Every form in `FORMS`, and its stem, to the stem of its group; made at first use (a few hundred words)."""
    found: dict[str, str] = {}
    for group in FORMS.strip().replace("\n", "|").split("|"):
        forms = group.split()
        head = _ENGLISH.stemWord(forms[0])
        for form in forms:
            found.setdefault(form, head)
            found.setdefault(_ENGLISH.stemWord(form), head)
    return found
