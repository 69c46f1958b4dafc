"""`bench train`: a step taken apart, and real steps of verl."""

import asyncio
import json
from pathlib import Path

import pytest

from memory_r1.memory.errors import InputError
from memory_r1.rl.bench.train import COLUMNS, PHASES, row, train
from memory_r1.rl.trainer.progress import Step


def step(number: int, scale: float = 1.0) -> Step:
    seconds = {f"memory_r1/seconds/{phase}": scale * (at + 1) / 10 for at, phase in enumerate(PHASES)}
    told = {"seconds/environment_cpu": 0.2, "decisions": 48.0, "response_tokens": 10.0}
    return Step(number, {**seconds, **{f"memory_r1/{name}": value for name, value in told.items()}})


def test_a_line_leaves_out_the_first_step():
    made = dict(zip(COLUMNS, row("grpo", [step(1, 99.0), step(2), step(3)]), strict=True))
    assert made == {
        "algorithm": "grpo", "steps": 2, "decisions": 48, "step_s": 1.0, "generation_s": 0.1, "answering_s": 0.2,
        "environment_s": 0.3, "update_s": 0.4, "environment_percent": 30.0, "environment_cpu_s": 0.2,
        "tokens_per_s": 480,
    }  # fmt: skip


def test_a_run_that_tells_too_little_is_no_figure():
    with pytest.raises(InputError, match="two are the least"):
        row("ppo", [step(1)])
    with pytest.raises(InputError, match="decisions"):
        row("ppo", [step(1), Step(2, {f"memory_r1/seconds/{phase}": 1.0 for phase in PHASES})])


def test_what_can_t_be_measured_is_refused():
    with pytest.raises(InputError, match="steps=1"):
        asyncio.run(train("tiny", "tiny", 1))
    with pytest.raises(InputError, match="'sft'"):
        asyncio.run(train("tiny", "tiny", 2, ["sft"]))


@pytest.mark.slow
@pytest.mark.ray
def test_real_steps_are_taken_apart(tmp_path: Path):
    pytest.importorskip("verl")
    from memory_r1.rl.tiny.make import make

    make(tmp_path / "policy")
    table = asyncio.run(train(str(tmp_path / "policy"), "oracle", 2, ["grpo"]))
    (measured,) = [dict(zip(table.columns, line, strict=True)) for line in table.rows]
    assert measured["decisions"] == 48
    assert measured["step_s"] == pytest.approx(sum(measured[f"{phase}_s"] for phase in PHASES), abs=0.05)
    json.dumps(table.rows)
