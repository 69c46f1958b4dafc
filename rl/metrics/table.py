"""Answers of any system, row by row, and their means: what `memory-r1 score` reads and prints."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from memory_r1.memory.errors import FileFormatError
from memory_r1.rl.tasks.fields import get
from memory_r1.rl.tasks.locomo import CATEGORIES, PAPER

from .answers import CONVENTIONS, scores
from .bootstrap import from_sums
from .locomo import ADVERSARIAL

Scored = Mapping[str, Mapping[str, float]]

_NUMBERS = {name: number for number, name in CATEGORIES.items()}
_TEXTS = {str(number): name for number, name in CATEGORIES.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """One answer to score. `category`: its official name, "" where the row has none; `conversation` likewise."""

    prediction: str
    gold: str
    category: str = ""
    conversation: str = ""

    def scores(self) -> Scored:
        """Its scores by both conventions (see `answers.scores`)."""
        return scores(self.prediction, self.gold, self.category)


def read_row(values: Mapping[str, Any], place: str) -> Row:
    """The row that a JSON object holds: question, gold, prediction; category and conversation if it has them.

    Numbers are read as texts. A gold answer may lack only where the category is LoCoMo's adversarial. `category`:
    LoCoMo's number, or a name; case and "_" or a space for "-" make no difference to LoCoMo's own names. Raises
    FileFormatError, naming `place`, for what is missing or of another type.
    """
    get(values, "question", str, place)
    category = _category(values.get("category"), place)
    if category == ADVERSARIAL and values.get("gold") is None:
        values = {**values, "gold": ""}
    conversation = _text(values, "conversation", place) if values.get("conversation") is not None else ""
    return Row(_text(values, "prediction", place), _text(values, "gold", place), category, conversation)


def shown(found: Scored) -> dict[str, dict[str, float | None]]:
    """Scores with every measure of both conventions, null where a convention leaves the question out."""
    return {name: {one: found.get(name, {}).get(one) for one in measures} for name, measures in CONVENTIONS.items()}


@dataclass(slots=True)
class _Cell:
    """The sums of one conversation's answers in one category, by convention and measure."""

    questions: int = 0
    sums: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))


class Totals:
    """Adds up scored rows, so that any number of them needs no more memory than its categories.

    `clustered`: also by conversation, for intervals.
    """

    def __init__(self, clustered: bool = False) -> None:
        self._clustered = clustered
        self._cells: defaultdict[str, defaultdict[str, _Cell]] = defaultdict(lambda: defaultdict(_Cell))

    def add(self, row: Row, found: Scored) -> None:
        """Count one row with its scores."""
        cell = self._cells[row.category][row.conversation if self._clustered else ""]
        cell.questions += 1
        for name, measures in found.items():
            for one, value in measures.items():
                cell.sums[name, one] += value

    @property
    def questions(self) -> int:
        """How many rows were counted."""
        return sum(cell.questions for clusters in self._cells.values() for cell in clusters.values())

    def line(self) -> dict[str, Any]:
        """The means over all rows and by category, with the number of questions that each is taken over.

        LoCoMo's overall mean holds its category 5, Mem0's doesn't. Rows without a category stand in the overall only.
        """
        named = [name for name in CATEGORIES.values() if name in self._cells]
        named += sorted(name for name in self._cells if name and name not in _NUMBERS)
        by_category = {name: {**_label(name), **self._means([name])} for name in named}
        return {"overall": self._means(list(self._cells)), "by_category": by_category}

    def _means(self, categories: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        intervals: dict[str, Any] = {}
        for name, measures in CONVENTIONS.items():
            counted = [one for one in categories if name != "mem0" or one != ADVERSARIAL]
            clusters = sorted({conversation for one in counted for conversation in self._cells[one]})
            counts = [sum(cell.questions for cell in self._of(counted, cluster)) for cluster in clusters]
            for one in measures:
                sums = [sum(cell.sums[name, one] for cell in self._of(counted, cluster)) for cluster in clusters]
                result = from_sums(sums, counts) if clusters else None
                found.setdefault(name, {})[one] = result and result.mean
                both = None if result is None or result.low is None else [result.low, result.high]
                intervals.setdefault(name, {})[one] = both
        found["questions"] = sum(cell.questions for one in categories for cell in self._cells[one].values())
        return {**found, "interval": intervals} if self._clustered else found

    def _of(self, categories: Iterable[str], cluster: str) -> list[_Cell]:
        return [self._cells[one][cluster] for one in categories if cluster in self._cells[one]]


def _label(name: str) -> dict[str, Any]:
    """LoCoMo's number of a category, and its column in Memory-R1's tables."""
    return {"category": _NUMBERS[name], "paper": PAPER[name]} if name in _NUMBERS else {}


def _category(value: Any, place: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        name = value.strip().lower().replace("_", "-").replace(" ", "-")
        return _TEXTS.get(name, name if name in _NUMBERS else value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool) and value in CATEGORIES:
        return CATEGORIES[int(value)]
    raise FileFormatError(f"{place}: category {value!r:.80} should be LoCoMo's number, 1 to 5, or a name")


def _text(values: Mapping[str, Any], key: str, place: str) -> str:
    value = get(values, key, object, place)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FileFormatError(f'{place}: {key} should be a text, not {value!r:.80}; write "" for an empty one')
    return str(value)
