"""Nothing leaks into training: no turn of the future, no question before its evidence, no dialogue of another split.

`data build` checks every row against its conversation before a file is written; a training run checks its files again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Turn
from memory_r1.rl.rollouts.types import AnswererRow, ManagerRow, Row, Step
from memory_r1.rl.tasks.types import Conversation, Question
from memory_r1.rl.training.rows import read_rows
from memory_r1.rl.training.tuples import Link
from memory_r1.rl.world.chance import split_of
from memory_r1.rl.world.task import NAME, read_options

LONG = 8
"""Words from which on two turns that say the same are one dialogue, not chance. LoCoMo's conversations share none."""


class LeakError(InputError):
    """A training row knows what it must not know. `details`: the row's id."""


def check_rows(rows: Iterable[Row], conversations: Iterable[Conversation] = (), link: Link = "last") -> None:
    """Check each row by itself, and against its conversation where `conversations` has it.

    No turn of the bank comes after the step, no memory rests on a turn that the bank lacks, no question's evidence lies
    ahead (with `link` "any": not all of it) or is no turn at all, and made names belong to the row's split. Raises
    LeakError naming row and reason.
    """
    known = {one.id: one for one in conversations}
    for row in rows:
        _check_bank(row)
        _check_names(row)
        conversation = known.get(row.conversation)
        if known and conversation is None:
            raise _leak(row, f"conversation {row.conversation!r} is none of split {row.split!r}")
        if isinstance(row, ManagerRow):
            _check_steps(row, conversation, link)
        elif conversation is not None:
            _check_places(row, conversation, row.bank.turns)
            _check_evidence(row, row.question, _places(conversation), len(conversation.turns))


def check_apart(train: Sequence[Row], held: Iterable[Row]) -> None:
    """Check that nothing of `train` stands in `held`, the rows to validate or test with.

    No conversation by its id, no dialogue by what is said: a turn of at least `LONG` words. (The synthetic world puts
    things alike; there the names tell splits apart.) Raises LeakError naming the row of `train`.
    """
    others = list(held)
    conversations = {row.conversation: row for row in others}
    said = {text: row for row in others for text in _said(row)}
    for row in train:
        other = conversations.get(row.conversation)
        if other is not None:
            raise _leak(row, f"conversation {row.conversation!r} is also in row {other.id!r} of split {other.split!r}")
        for text in _said(row):
            if text in said:
                raise _leak(row, f"what is said in it stands in row {said[text].id!r}, too: {text[:80]!r}")


def check_files(train: Path, held: Iterable[Path] = ()) -> None:
    """Check the files of a training run: all rows by themselves, those of `train` against those of `held`.

    Raises LeakError, and FileFormatError for a file that can't be read.
    """
    rows = read_rows(train)
    others = [row for path in held for row in read_rows(path)]
    check_rows([*rows, *others])
    wrong = next((row for row in rows if row.split != "train"), None)
    if wrong is not None:
        raise _leak(wrong, f"it is of split {wrong.split!r}, and {str(train)!r} is to train on")
    check_apart(rows, others)


def _leak(row: Row, reason: str) -> LeakError:
    return LeakError(f"training row {row.id!r}: {reason}", row=row.id)


def _check_bank(row: Row) -> None:
    """The bank's memories rest on its turns; of a manager's row, these come before the first step."""
    sources = {turn.id: turn for turn in row.bank.turns}
    for memory in row.bank.memories:
        missing = next((id for id in memory.turns if id not in sources), None)
        if missing is not None:
            raise _leak(row, f"memory {memory.id!r} rests on turn {missing!r}, which its bank doesn't have")
    if isinstance(row, AnswererRow):
        asked = row.question.asked
        late = next((turn for turn in row.bank.turns if asked is not None and turn.time > asked), None)
        if late is not None:
            raise _leak(row, f"turn {late.id!r} of its bank was said after the question was asked")
        return
    if not row.steps:
        raise _leak(row, "it has no step")
    for turn in row.bank.turns:
        if not _precedes(turn, row.steps[0].turn):
            raise _leak(row, f"turn {turn.id!r} of its bank doesn't come before turn {row.steps[0].turn.id!r}")


def _precedes(first: Turn, second: Turn) -> bool:
    if first.time != second.time:
        return first.time < second.time
    return first.session != second.session or first.index < second.index


def _check_steps(row: ManagerRow, conversation: Conversation | None, link: Link) -> None:
    """Steps go forward; their facts and questions know nothing of later turns."""
    for earlier, later in zip(row.steps, row.steps[1:], strict=False):
        if not _precedes(earlier.turn, later.turn):
            raise _leak(row, f"step {later.turn.id!r} doesn't come after step {earlier.turn.id!r}")
    for number, step in enumerate(row.steps, 1):
        _check_ahead(row, step, {later.turn.id for later in row.steps[number:]}, link)
    if conversation is not None:
        _check_places(row, conversation, (*row.bank.turns, *(step.turn for step in row.steps)))
        places = _places(conversation)
        for step in row.steps:
            _check_step(row, step, places, link)


def _check_ahead(row: ManagerRow, step: Step, ahead: Set[str], link: Link) -> None:
    """A step knows nothing of the turns `ahead`."""
    for fact in step.facts:
        if not ahead.isdisjoint(fact.turns):
            raise _leak(row, f"a fact of turn {step.turn.id!r} rests on a later turn: {fact.text[:80]!r}")
    for question in step.questions:
        if link == "last" and not ahead.isdisjoint(question.evidence):
            raise _leak(row, f"question {question.id!r} at turn {step.turn.id!r} has evidence in a later turn")


def _check_step(row: ManagerRow, step: Step, places: Mapping[str, int], link: Link) -> None:
    at = places[step.turn.id]
    late = next((turn.id for turn in row.bank.turns if places[turn.id] >= at), None)
    if late is not None:
        raise _leak(row, f"turn {late!r} of its bank doesn't come before turn {step.turn.id!r}")
    for fact in step.facts:
        if any(id not in places or places[id] > at for id in fact.turns):
            raise _leak(row, f"a fact of turn {step.turn.id!r} rests on a later turn: {fact.text[:80]!r}")
    for question in step.questions:
        if link == "last" or step.turn.id not in question.evidence:
            _check_evidence(row, question, places, at + 1)


def _check_evidence(row: Row, question: Question, places: Mapping[str, int], end: int) -> None:
    """All of a question's evidence stands among the first `end` turns of the conversation."""
    for id in question.evidence:
        if id not in places:
            raise _leak(row, f"question {question.id!r} has evidence {id!r}, which is no turn of its conversation")
        if places[id] >= end:
            raise _leak(row, f"question {question.id!r} has evidence {id!r}, which was not said by then")


def _check_places(row: Row, conversation: Conversation, turns: Iterable[Turn]) -> None:
    """`turns` are the conversation's."""
    real = {turn.id: turn for turn in conversation.turns}
    for turn in turns:
        if real.get(turn.id) != turn:
            raise _leak(row, f"turn {turn.id!r} is none of conversation {conversation.id!r}")


def _places(conversation: Conversation) -> dict[str, int]:
    return {turn.id: number for number, turn in enumerate(conversation.turns)}


def _check_names(row: Row) -> None:
    """The names of a made row with an open vocabulary belong to its split."""
    if not _made(row) or read_options(row.task.partition(":")[2]).size.names:
        return
    steps = row.steps if isinstance(row, ManagerRow) else ()
    names = {turn.speaker for turn in (*row.bank.turns, *(step.turn for step in steps))}
    for name in names.union(*(fact.entities for step in steps for fact in step.facts)):
        if split_of(name) != row.split:
            raise _leak(row, f"the name {name!r} belongs to split {split_of(name)!r}, not to {row.split!r}")


def _made(row: Row) -> bool:
    return row.task.partition(":")[0] == NAME


def _said(row: Row) -> Iterable[str]:
    """What the row's long turns say, in small letters and single spaces; nothing of what is made."""
    if _made(row):
        return
    steps = row.steps if isinstance(row, ManagerRow) else ()
    for turn in (*row.bank.turns, *(step.turn for step in steps)):
        words = turn.text.lower().split()
        if len(words) >= LONG:
            yield " ".join(words)
