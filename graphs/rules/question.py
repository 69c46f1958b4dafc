"""What a question asks for: its kind, whom it names, the words to look for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from memory_r1.graphs.rules.lexis import light_roots, meanings, root
from memory_r1.graphs.rules.text import FUNCTION_WORDS, words

Kind = Literal["when", "long", "many", "often", "yes-no", "who", "where", "why", "how", "what"]
Shape = Literal["noun", "deed", "why", "how"]

_KINDS: dict[Kind, re.Pattern[str]] = {
    "when": re.compile(
        r"^when\b|\bwhen (?:did|was|is|does|has|will|were|are)\b|^(?:in |on |around |during )?(?:what|which) "
        r"(?:date|day|month|year|week|time)\b|^what (?:was|is) the date\b"
    ),
    "long": re.compile(r"\bhow long\b"),
    "many": re.compile(r"\bhow (?:many|much|old)\b"),
    "often": re.compile(r"\bhow (?:often|frequently)\b"),
    "yes-no": re.compile(r"^(?:did|does|do|is|was|were|are|has|have|had|would|could|can|will|should)\b"),
    "who": re.compile(r"^(?:who|whose|whom)\b|\b(?:with|to|from|by) whom\b"),
    "where": re.compile(
        r"^where\b|\b(?:what|which) (?:city|cities|country|countries|state|places?|town|location|area)\b"
    ),
    "why": re.compile(r"^why\b|\breason\b|^what (?:made|motivated|inspired|prompted|led)\b"),
    "how": re.compile(r"^how\b"),
}
"""What a question of each kind looks like; the first that fits counts, "what" is the rest."""
_DEED = re.compile(r"\bwhat\b.*\b(?:do|doing|happened?|say|think|plans?|advice|feel)\b")
_TITLED = re.compile(
    r"\b(?:book|song|movie|film|game|band|artist|show|series|author|novel|play|piece|named?|called|company|brand)s?\b"
)
_FOCUS = re.compile(
    r"\b(?:what|which)\b(?: (?:kind|type|sort|genre|style|form)s? of| are (?:the |some of )?"
    r"| (?:is|was|were) (?:the )?)?((?: ?[\w'’-]+){1,3})"
)
_OF_A_KIND = re.compile(r"\b(?:kind|type|sort)s? of|^(?:what|which) \w+ (?:did|does|is|was|has|do|are)\b")

_SEVERAL = re.compile(
    r"\b(?:what|which) (?:\w+ ){0,2}?(?!was |is |does |has )\w+[^s\s]s (?:has|have|does|do|did|are|were)\b"
    r"|\bwhat (?:are|were) |\bboth\b|\bways\b"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, read.

    `names`: its capitalised words, lower case. `roots`: what to look for, speakers' names left out. `focus`: the
    roots of what is asked for ("instruments"). `meant`, `focus_meant`: the concepts of both. `titled`: it asks for
    what has a title or a name; `of_a_kind`: for a kind of something; `several`: for more than one thing.
    """

    text: str
    kind: Kind
    shape: Shape
    names: frozenset[str]
    roots: frozenset[str]
    meant: frozenset[str]
    focus: frozenset[str]
    focus_meant: frozenset[str]
    titled: bool
    of_a_kind: bool
    several: bool

    @classmethod
    def read(cls, text: str, speakers: Iterable[str]) -> Asked:
        """Read a question about `speakers`."""
        low, found = text.lower().strip(), words(text)
        kind = _kind(low)
        named = {part for name in speakers for word in name.split() if (part := root(word))}
        roots = frozenset(r for word in found if (r := root(word))) - named - light_roots()
        focus = _focus(low) - named
        return cls(
            text,
            kind,
            _shape(low, kind),
            frozenset(w.lower().removesuffix("'s").removesuffix("’s") for w in found if w[0].isupper()),
            roots,
            _meant(roots),
            focus,
            _meant(focus),
            bool(_TITLED.search(low)),
            bool(_OF_A_KIND.search(low)),
            bool(_SEVERAL.search(low)),
        )


def _kind(low: str) -> Kind:
    for kind, pattern in _KINDS.items():
        if pattern.search(low):
            return kind
    return "what"


def _shape(low: str, kind: Kind) -> Shape:
    if kind in ("why", "how"):
        return kind
    return "deed" if _DEED.search(low) else "noun"


def _focus(low: str) -> frozenset[str]:
    match = _FOCUS.search(low)
    found: set[str] = set()
    for word in match[1].split() if match else ():
        if word in FUNCTION_WORDS:
            break
        found.add(root(word))
    return frozenset(found - {""})


def _meant(roots: Iterable[str]) -> frozenset[str]:
    return frozenset(concept for r in roots for concept in meanings(r))
