"""The nouns of training: a row says what an episode starts from; an episode, what a policy did and what came of it.

    Row        a bank as it stood, and what comes next: turns to remember (manager) or a question (answerer)
    Episode    one run of a row by a policy through the compiled graphs
    Decision   one call of the trained role in it: what was said, which operations or answer it gave, its reward
    Outcome    what came of a decision: all that a reward may look at
    Record     what a decision reports to the trainer beside its tokens; plain values

A manager's row with one step is the paper's episode (algorithm 1 and 5); with several it is a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from memory_r1.graphs.completers import Completion
from memory_r1.graphs.roles import Failure
from memory_r1.memory.types import Answer, Fact, Memory, Operation, Turn
from memory_r1.rl.tasks.types import Question


@dataclass(frozen=True, slots=True)
class BankState:
    """A temporal bank: the live memories before a turn (history left out), and the turns that they come from."""

    memories: tuple[Memory, ...] = ()
    turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One turn to remember. `facts`: what the frozen extractor took from it.

    `questions`: asked after the turn; those whose evidence names the turn are its own, others guard what the bank held.
    `right`: the oracle's operations, on the bank that the right operations of the steps before leave; None if unknown.
    """

    turn: Turn
    facts: tuple[Fact, ...]
    questions: tuple[Question, ...]
    right: tuple[Operation, ...] | None = None


@dataclass(frozen=True, slots=True)
class ManagerRow:
    """What a manager's episode starts from."""

    id: str
    task: str
    split: str
    conversation: str
    bank: BankState
    steps: tuple[Step, ...]
    kind: Literal["manager"] = "manager"


@dataclass(frozen=True, slots=True)
class AnswererRow:
    """What an answerer's episode starts from. The graph retrieves the candidates itself, as in use."""

    id: str
    task: str
    split: str
    conversation: str
    bank: BankState
    question: Question
    kind: Literal["answerer"] = "answerer"


Row = ManagerRow | AnswererRow


@dataclass(frozen=True, slots=True)
class Reply:
    """A question, and what the answerer made of the bank. A failure leaves an empty answer."""

    question: Question
    answer: Answer
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one decision. `malformed`: failures of the trained role itself; `before`, `after`: memories held."""

    replies: tuple[Reply, ...]
    malformed: int = 0
    before: int = 0
    after: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """One call of the trained role. `call` is None when the graph asked for none (no facts, exact repeats alone).

    `group`: decisions of equal `group` started from the same state, so their rewards compare. `parts`: the reward by
    name of its parts, unweighted. `right`: the oracle's operations on the state that this decision met.
    """

    step: int
    group: str
    call: Completion | None
    outcome: Outcome
    reward: float
    parts: Mapping[str, float] = field(default_factory=dict[str, float])
    operations: tuple[Operation, ...] = ()
    right: tuple[Operation, ...] | None = None
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Seconds:
    """What an episode took: wall seconds of the policy's and of the frozen role's calls, processor seconds of the rest.

    `rollouts.clocks` says how rollouts that run at once share them.
    """

    generation: float = 0.0
    answering: float = 0.0
    environment: float = 0.0


@dataclass(frozen=True, slots=True)
class Episode:
    """One run of a row. `reward`: of the episode as a whole (the mean of its decisions' rewards)."""

    row: str
    decisions: tuple[Decision, ...]
    reward: float
    seconds: Seconds = field(default_factory=Seconds)


@dataclass(frozen=True, slots=True)
class Record:
    """What one training sample (a decision) reports to the trainer; travels as a plain dict (`dataclasses.asdict`).

    `operations`, `right`: kinds ("add", …), () for an answerer or where unknown. `category`: of the questions, "" for
    several. `rewarded`: False where nothing was asked after the decision, so that it could earn nothing.
    `noop_reward`, `oracle_reward`: what always-NOOP and the oracle earn on the same row, None where not asked for.
    `lost`: the infrastructure failed for good: no reward, the sample is masked. Seconds: `Seconds`'s, of a whole
    episode only on its first decision, so that sums are right.
    """

    row: str
    group: str
    reward: float
    parts: dict[str, float] = field(default_factory=dict[str, float])
    operations: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    category: str = ""
    malformed: int = 0
    truncated: bool = False
    lost: bool = False
    rewarded: bool = True
    noop_reward: float | None = None
    oracle_reward: float | None = None
    generation_s: float = 0.0
    answering_s: float = 0.0
    environment_s: float = 0.0
