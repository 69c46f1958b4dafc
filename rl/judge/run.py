"""Judges many answers: several at once, none twice, and what was judged is kept whatever happens."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.rl.evaluation.records import AnswerRow, VerdictRow
from memory_r1.rl.judge.judge import UNUSABLE, Judge, Verdict
from memory_r1.rl.judge.verdicts import VerdictFile

CONCURRENCY = 8
"""Answers judged at once."""

OnVerdict = Callable[[VerdictRow], None]
Group = list[tuple[str, AnswerRow]]
"""Answers that one verdict holds for: the same question, gold answer and answer, of several systems."""


async def judge_answers(
    judge: Judge, answers: Iterable[tuple[str, AnswerRow]], path: Path, on_verdict: OnVerdict | None = None, *,
    concurrency: int = CONCURRENCY, retry: bool = False,
) -> list[VerdictRow]:  # fmt: skip
    """The verdict on each of `answers` (system, row), in their order; what isn't in the file `path` yet is asked.

    A verdict is in the file before `on_verdict` is told of it, which hears of every answer once. Whatever stops this
    loses only the `concurrency` calls under way; called again, it goes on there, and a finished run costs no call.
    `retry`: ask again where the verdict is UNUSABLE. Raises ModelUnavailableError, InputError for a question that a
    system answers twice, and what `VerdictFile` raises.
    """
    wanted = list(answers)
    _once(wanted)
    keys = [judge.key(row.question, row.gold, row.answer, row.unanswerable) for _, row in wanted]
    groups: dict[str, Group] = {}
    for key, answer in zip(keys, wanted, strict=True):
        groups.setdefault(key, []).append(answer)
    with VerdictFile(path) as file:
        book = _Book(judge.name, file, on_verdict)
        todo = book.known(groups, retry)
        await _ask(judge, todo, book, concurrency)
        return [file.last[system, row.question_id] for system, row in wanted]


def _once(wanted: Group) -> None:
    counts = Counter((system, row.question_id) for system, row in wanted)
    twice = [place for place, count in counts.items() if count > 1]
    if twice:
        system, question = twice[0]
        raise InputError(f"system {system!r} answers question {question!r} twice: judge one answer of each")


class _Book:
    """Enters verdicts into the file and tells of them."""

    def __init__(self, judge: str, file: VerdictFile, on_verdict: OnVerdict | None) -> None:
        self.judge = judge
        self.file = file
        self.on_verdict = on_verdict

    def known(self, groups: dict[str, Group], retry: bool) -> list[tuple[str, Group]]:
        """Enter what is known by its key; returns what is not."""
        rows: list[VerdictRow] = []
        todo: list[tuple[str, Group]] = []
        for key, group in groups.items():
            old = self.file.known.get(key)
            if old is None or (retry and old.label == UNUSABLE):
                todo.append((key, group))
            else:
                rows += self._rows(key, group, Verdict(old.label, old.reason))
        self._enter(rows)
        return todo

    def enter(self, key: str, group: Group, verdict: Verdict) -> None:
        """Enter `verdict` for each answer of `group`."""
        self._enter(self._rows(key, group, verdict))

    def _rows(self, key: str, group: Group, verdict: Verdict) -> list[VerdictRow]:
        return [
            VerdictRow(key, self.judge, system, row.question_id, verdict.label, verdict.reason) for system, row in group
        ]

    def _enter(self, rows: Sequence[VerdictRow]) -> None:
        self.file.append([row for row in rows if self.file.last.get((row.system, row.question_id)) != row])
        for row in rows:
            if self.on_verdict is not None:
                self.on_verdict(row)


async def _ask(judge: Judge, todo: Sequence[tuple[str, Group]], book: _Book, concurrency: int) -> None:
    queue = iter(todo)
    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(concurrency, len(todo))):
                tasks.create_task(_work(judge, queue, book))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from group


async def _work(judge: Judge, queue: Iterator[tuple[str, Group]], book: _Book) -> None:
    for key, group in queue:
        row = group[0][1]
        book.enter(key, group, await judge.verdict(row.question, row.gold, row.answer, row.unanswerable))
