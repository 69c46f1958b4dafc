"""The nouns of experiments: a run is trained, a test measures a policy, an experiment compares.

Run         one way to train: role, algorithm, steps, what it changes in the config; made once for each seed
Test        the held-out rows that a policy plays greedily, once before and once after training
Experiment  a claim of the paper, and the runs that tell
Setup       what all runs of a folder share: the policies that they start from, the worlds, the sizes
Scored      what a policy earned on one held-out row
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["manager", "answerer"]
Algorithm = Literal["grpo", "ppo", "sft"]
TestName = Literal["manager", "answerer", "session", "together"]


@dataclass(frozen=True, slots=True)
class Run:
    """One way to train. `settings`: overrides of the config, as `--set` takes them. `rows`: of each step. `rewards`: as
    `--reward` takes them; "" as the config says.

    `turns`: of a training row; several make it a session. `natural`: rows as the worlds give them, in place of all
    kinds of operations alike. `distil`: whether the answerer selects memories before it answers. `early`: an answerer
    that starts from the policy that managers start from, which plays both roles.
    """

    name: str
    role: Role
    algorithm: Algorithm
    steps: int
    rows: int
    settings: tuple[str, ...] = ()
    rewards: str = ""
    turns: int = 1
    natural: bool = False
    distil: bool = True
    early: bool = False


@dataclass(frozen=True, slots=True)
class Experiment:
    """A claim, the names of the runs that tell whether it holds here, and the tests that they take.

    `cost`: what a wrong answer (`rewards.functions.wrong`) takes off the figures: 0.0, they are exact match.
    `pairs`: the manager and the answerer that play together, by the names of their runs, START for the policies that
    training started from; for experiments on how roles go together. `caution`: what the figures can't tell.
    """

    name: str
    claim: str
    tests: tuple[TestName, ...]
    runs: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    caution: str = ""
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What all runs of a folder share; figures of other setups don't compare with them.

    `policy`, `answerer_policy`: folders that training starts from, for the manager and for the answerer. `answerer`:
    the model string of the frozen answerer. `world`: as a task is named. `held`: rows of the manager's and of the
    answerer's test; those of sessions have a part of it (`rows.PARTS`). `questions`, `guards`: of a manager's row
    (`world_rows.Choice`), of which those are kept that the answerer gets right about the right bank; all of them where
    both roles are put together. `settings`: of every RL run, where it has none of its own. `digests`: of the model
    files, by field.
    """

    policy: str
    answerer_policy: str
    answerer: str
    world: str = "world:names=120"
    held: int = 200
    questions: int = 2
    guards: int = 2
    scale: float = 1.0
    settings: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict[str, str])

    def start(self, role: Role, early: bool = False) -> str:
        """The folder of the policy that `role` starts from. `early`: as of `Run`."""
        return self.answerer_policy if role == "answerer" and not early else self.policy


@dataclass(frozen=True, slots=True)
class Scored:
    """One held-out row. `cluster`: its conversation; `kind`: its rarest right operation, or the question's category.

    `noop`, `oracle`: what always-NOOP and the oracle earn on it, None where unknown. `em`: exact match, whatever the
    reward in training was; `wrong`: of an answerer's row, whether it told something wrong, 1.0 or 0.0.
    """

    row: str
    cluster: str
    kind: str
    em: float
    malformed: int = 0
    noop: float | None = None
    oracle: float | None = None
    wrong: float = 0.0

    def figure(self, cost: float = 0.0) -> float:
        """Exact match, less `cost` for a wrong answer."""
        return self.em - cost * self.wrong
