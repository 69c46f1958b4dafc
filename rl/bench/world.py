"""How well the synthetic world tells operations apart: what one wrong operation changes in the answers."""

from __future__ import annotations

import time

from memory_r1.rl.bench.made import Table
from memory_r1.rl.world.make import make_world
from memory_r1.rl.world.mistakes import Outcome, by_mistake, outcomes

COLUMNS = (
    "right",
    "instead",
    "cases",
    "seen_at_once",
    "seen_at_end",
    "seen_by_linked",
    "wrong_at_once",
    "wrong_at_end",
)


async def world(worlds: int = 20, seed: int = 0) -> Table:
    """Put every possible mistake into each of the first `worlds` worlds of split "test", one at a time.

    In percent. `seen_…`: of the cases, those in which an answer comes out wrong: of the questions after the turn; of
    those at the end of the conversation, when the oracle has gone on; of those among them whose evidence is the turn
    (cases without such a question count as unseen). `wrong_…`: of the questions.
    """
    began = time.process_time()
    made = [make_world(seed, "test", number) for number in range(worlds)]
    rate = sum(len(one.conversation.turns) for one in made) / (time.process_time() - began)
    found = [outcome for one in made for outcome in outcomes(one)]
    rows: list[tuple[str | int | float, ...]] = [
        (right, mistake, *_shares(part)) for (right, mistake), part in by_mistake(found).items()
    ]
    note = f"one wrong operation in {worlds} worlds, percent; worlds are made at {rate:,.0f} turns per second"
    return Table("world", note, COLUMNS, rows)


def _shares(part: list[Outcome]) -> tuple[int | float, ...]:
    columns = (
        [one.at_once > 0 for one in part],
        [one.at_end > 0 for one in part],
        [bool(one.linked) for one in part],
        [one.at_once for one in part],
        [one.at_end for one in part],
    )
    return (len(part), *(round(100 * sum(column) / len(part), 1) for column in columns))
