"""One pass over the answers: what was asked, how each system did, and the traces to look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.rl.evaluation.records import AnswerRow, VerdictRow
from memory_r1.rl.judge.judge import answer_key, same_answer
from memory_r1.rl.report.reading import Entry, Evaluation, Run
from memory_r1.rl.report.traces import Traces


@dataclass(frozen=True, slots=True)
class Measure:
    """One score of an answer. `key`: how the page names it; `head`: its column; `title`: in words.

    `convention` and `name` say where an AnswerRow has it; a judge's measure has its name in `judge` instead.
    `shown`: whether the table shows it without being asked.
    """

    key: str
    head: str
    title: str
    convention: str = ""
    name: str = ""
    judge: str = ""
    shown: bool = True


SCORES = (
    Measure("f1", "F1", "F1 of the answer's words, Mem0's convention", "mem0", "f1"),
    Measure("b1", "B1", "BLEU-1, Mem0's convention", "mem0", "bleu1"),
    Measure("em", "EM", "exact match, Mem0's convention", "mem0", "em", shown=False),
    Measure("lf1", "LoCoMo F1", "F1 of the answer's words, LoCoMo's own convention", "locomo", "f1", shown=False),
    Measure("lem", "LoCoMo EM", "exact match, LoCoMo's own convention", "locomo", "em", shown=False),
)
"""What every answer is scored by."""


NOBODY = "nobody"
"""The judge of a column that stays empty."""


def judged(judges: tuple[str, ...]) -> tuple[Measure, ...]:
    """The measure of each judge: the share of answers that it finds CORRECT. Without judges one that has no figures."""
    if not judges:
        return (Measure("j0", "J", "share of answers judged correct; no judge was asked", judge=NOBODY),)
    heads = ["J"] if len(judges) == 1 else [f"J{number}" for number in range(1, len(judges) + 1)]
    return tuple(
        Measure(f"j{at}", head, f"share of answers judged correct by {judge}", judge=judge, shown=at == 0)
        for at, (head, judge) in enumerate(zip(heads, judges, strict=True))
    )


@dataclass(frozen=True, slots=True)
class Asking:
    """A question of the task, as all systems were asked it."""

    conversation: str
    id: str
    text: str
    gold: str
    category: str
    evidence: tuple[str, ...]
    unanswerable: bool
    apart: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """How one system did at one question. `values`: by measure's key, in [0, 1]; `labels`: verdicts by judge."""

    answer: str
    values: Mapping[str, float]
    labels: Mapping[str, str]
    recall: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Collected:
    """All that the report is made of, but for the costs.

    `questions`: by id, in the task's order; `marks`: by row and question id, of rows that aren't complete too;
    `verdicts`: by judge, each naming its row.
    """

    evaluation: Evaluation
    measures: tuple[Measure, ...]
    questions: Mapping[str, Asking]
    marks: Mapping[str, Mapping[str, Mark]]
    verdicts: Mapping[str, Sequence[VerdictRow]]

    @property
    def complete(self) -> list[Entry]:
        """The rows that have figures."""
        return [entry for entry in self.evaluation.entries if entry.complete]


def collect(evaluation: Evaluation, traces: Traces | None = None) -> Collected:
    """Read all answers and verdicts, each file once, and pack what was found into `traces`, if given.

    Raises FileFormatError, InputError where systems disagree about what was asked.
    """
    judges = evaluation.judges
    measures = (*SCORES, *judged(judges))
    questions: dict[str, Asking] = {}
    marks: dict[str, dict[str, Mark]] = {}
    verdicts: dict[str, list[VerdictRow]] = {judge: [] for judge in judges}
    for run in evaluation.runs:
        said = _said(run, judges)
        for entry in (one for one in evaluation.entries if one.run == run):
            marks[entry.name] = found = {}
            for conversation in entry.done:
                rows = list(_checked(entry, conversation, questions))
                told = [_valid(row, said.get((entry.system, row.question_id), {})) for row in rows]
                found.update((row.question_id, _mark(row, measures, one)) for row, one in zip(rows, told, strict=True))
                for judge, verdict in (pair for one in told for pair in one.items()):
                    verdicts[judge].append(replace(verdict, system=entry.name))
                if traces is not None and rows:
                    traces.add(entry.name, conversation, zip(rows, told, strict=True))
    _complete(evaluation, questions, marks)
    order = {name: at for at, name in enumerate(evaluation.info.conversations)}
    ordered = sorted(questions.values(), key=lambda asking: order[asking.conversation])
    return Collected(evaluation, measures, {asking.id: asking for asking in ordered}, marks, verdicts)


def _said(run: Run, judges: Sequence[str]) -> dict[tuple[str, str], dict[str, VerdictRow]]:
    """The verdicts on each system's answers, by system and question, then by judge."""
    found: dict[tuple[str, str], dict[str, VerdictRow]] = {}
    for judge in judges:
        for verdict in run.verdicts(judge):
            found.setdefault((verdict.system, verdict.question_id), {})[judge] = verdict
    return found


def _valid(row: AnswerRow, said: Mapping[str, VerdictRow]) -> dict[str, VerdictRow]:
    """The verdicts on this very answer, by judge: one on an answer given before it doesn't count."""
    key = answer_key(row.question, row.gold, row.answer, row.unanswerable)
    return {judge: verdict for judge, verdict in said.items() if same_answer(verdict.key, key)}


def _complete(evaluation: Evaluation, questions: Mapping[str, Asking], marks: Mapping[str, Mapping[str, Mark]]) -> None:
    for entry in evaluation.entries:
        if entry.complete and len(marks[entry.name]) < len(questions):
            gone = next(id for id in questions if id not in marks[entry.name])
            raise InputError(f"{entry.name!r} has no answer to question {gone!r}: run its evaluation again")


def _checked(entry: Entry, conversation: str, questions: dict[str, Asking]) -> Iterator[AnswerRow]:
    """The rows of one file, after a look that all systems were asked the same."""
    seen: set[str] = set()
    for row in entry.answers(conversation):
        place = f"{entry.name!r}, conversation {conversation!r}, question {row.question_id!r}"
        if row.conversation != conversation or row.question_id in seen:
            raise FileFormatError(f"{place}: it stands twice, or under another conversation")
        seen.add(row.question_id)
        asking = Asking(
            conversation,
            row.question_id,
            row.question,
            row.gold,
            row.category,
            row.evidence,
            row.unanswerable,
            row.apart,
        )
        if questions.setdefault(row.question_id, asking) != asking:
            raise InputError(f"{place}: another system was asked something else under this id: report them apart")
        yield row


def _mark(row: AnswerRow, measures: tuple[Measure, ...], verdicts: Mapping[str, VerdictRow]) -> Mark:
    labels = {judge: verdict.label for judge, verdict in verdicts.items()}
    values: dict[str, float] = {}
    for measure in measures:
        if measure.judge:
            if labels.get(measure.judge) in ("CORRECT", "WRONG"):
                values[measure.key] = float(labels[measure.judge] == "CORRECT")
        elif measure.name in row.scores.get(measure.convention, {}):
            values[measure.key] = row.scores[measure.convention][measure.name]
    return Mark(row.answer, values, labels, row.recall)
