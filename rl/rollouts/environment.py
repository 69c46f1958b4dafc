"""The compiled graphs as an environment: a row and a policy in, an episode with its rewards out.

    manage    facts of a turn → operations, by the policy → the turn's questions, by the frozen answerer → reward
    answer    question and candidates → selection and answer, by the policy → reward
    session   several turns in a row, each decision compared with others from the same state

The manager plays through the compiled `remember` graph, the answerer through `answer`: the graphs that the apps run.
Every rollout gets a fork of its row's bank, so the members of a group start alike and none sees another's.
"""

from __future__ import annotations

import logging

from memory_r1.graphs.completers import Completer
from memory_r1.graphs.roles import Answerer
from memory_r1.memory.embedders.base import Embedder
from memory_r1.rl.rewards.compose import Rewards
from memory_r1.rl.rollouts.baselines import Baselines, answerable, measure
from memory_r1.rl.rollouts.clocks import Ledger
from memory_r1.rl.rollouts.floor import Floor
from memory_r1.rl.rollouts.play import LOST, Player, Rules, whole
from memory_r1.rl.rollouts.recent import Once
from memory_r1.rl.rollouts.session import Session, broadcast, rerolled
from memory_r1.rl.rollouts.types import AnswererRow, Episode, ManagerRow, Row, Step

__all__ = ["Baselines", "Environment", "Rules", "Session"]

log = logging.getLogger(__name__)


class Environment:
    """Plays episodes: any number at once, on one event loop at a time.

    `answerer` is the frozen one. It must always answer the same question about the same memories alike: an answer is
    asked for once, also for members of a group whose operations agree.
    """

    def __init__(self, embedder: Embedder, answerer: Answerer, rewards: Rewards, rules: Rules = Rules()) -> None:  # noqa: B008
        self._player = Player(embedder, answerer, rewards, rules)
        self._baselines: Once[tuple[str, str, tuple[Step, ...]], Baselines] = Once(rules.snapshots)

    @property
    def floor(self) -> Floor:
        """Where rollouts take turns in computing; who has more to do than an episode takes a seat around it."""
        return self._player.floor

    @property
    def banks(self) -> int:
        """How many banks were built so far: one for each content, whatever rows and rollouts share it."""
        return self._player.snapshots.made

    @property
    def plays(self) -> int:
        """How many different decisions and answers were played through the graphs: equal replies are played once."""
        return self._player.decided.made + self._player.answered.made

    async def manage(self, row: ManagerRow, policy: Completer) -> Episode:
        """Let `policy` manage the turns of `row`, one decision each, rewarded by the questions of its own step.

        Decisions that met the same bank are of one group: the first ones of all episodes of the row; later ones where
        the operations before agree. Raises RolloutLostError, and InputError for a row that can't be played.
        """
        ledger = Ledger()
        decisions = await self._player.kept(row, ledger, lambda: self._player.through(row, policy, ledger))
        return Episode(row.id, tuple(decisions), whole(decisions), ledger.seconds())

    async def answer(self, row: AnswererRow, policy: Completer) -> Episode:
        """Let `policy` answer the question of `row` from its bank. Raises as `manage`."""
        ledger = Ledger()
        decision = await self._player.kept(row, ledger, lambda: self._player.answer(row, policy, ledger))
        return Episode(row.id, (decision,), decision.reward, ledger.seconds())

    async def session(self, row: ManagerRow, policy: Completer, how: Session = Session()) -> Episode:  # noqa: B008
        """Let `policy` manage the turns of `row`, `how.rolls` times each (`rollouts.session` says why).

        `Decision.group` holds what compares: by credit "decision" the rolls from one bank; by "broadcast" the decisions
        at one turn, each with the reward of its whole session. `Episode.reward`: the mean over the decisions that could
        earn one. Raises as `manage`.
        """
        ledger, play = Ledger(), broadcast if how.credit == "broadcast" else rerolled
        decisions = await self._player.kept(row, ledger, lambda: play(self._player, row, policy, ledger, how))
        return Episode(row.id, tuple(decisions), whole(decisions), ledger.seconds())

    async def baselines(self, row: Row) -> Baselines:
        """What always-NOOP and the oracle earn on `row`, each the mean over its steps, as `Episode.reward`.

        Nothing where it isn't known: the oracle's without `Step.right`, both for an answerer's row, and both (logged,
        and asked for again the next time) when the frozen answerer doesn't answer. Raises InputError for right
        operations that can't be applied.
        """
        if isinstance(row, AnswererRow):
            return Baselines()
        place = await self._player.start(row)
        key = (row.id, place.digest, row.steps)
        try:
            return await self._baselines.get(key, lambda: measure(self._player, row, place))
        except LOST as error:
            log.warning("row %r has no baselines: %s", row.id, error)
            return Baselines()

    async def answerable(self, row: ManagerRow) -> ManagerRow | None:
        """`row` with the questions alone that the frozen answerer gets right about the right bank (`baselines`).

        None where they tell nothing about the manager. Raises InputError for a row that doesn't say what is right, and
        RolloutLostError.
        """
        ledger, player = Ledger(), self._player
        place = await player.start(row)
        return await player.kept(row, ledger, lambda: answerable(player, row, place, ledger))
