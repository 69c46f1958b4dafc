"""The engine's tokens and log probabilities are the model's own, whoever else is in the batch."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory_r1.graphs.local.engine import Engine, Generation, Sampling
from memory_r1.memory.errors import InputError, MalformedOutputError, MissingExtraError, ModelUnavailableError
from tests.tiny_models import make_model

torch = pytest.importorskip("torch", reason="pip install 'memory-r1[local]'")
POSITIONS = 96
PROMPTS = ([5, 9, 40], [7] * 30, [5, 9, 40], list(range(10, 70)), [200])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"), positions=POSITIONS)


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    made = Engine.load(folder, seed=3)
    yield made
    made.close()


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()


def logits_behind(model: Any, prompt: list[int], reply: Generation) -> Any:
    """(tokens of the reply, vocabulary): what the model says at each of them, read in one piece."""
    ids = torch.tensor([[*prompt, *reply.token_ids]])
    with torch.inference_mode():
        return model(input_ids=ids).logits[0, len(prompt) - 1 : -1].double()


async def all_of(engine: Engine, prompts: Any, sampling: Sampling) -> list[Generation]:
    return await asyncio.gather(*(engine.generate(prompt, sampling) for prompt in prompts))


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
async def test_log_probs_are_those_of_the_model_reading_the_reply(
    engine: Engine, model: Any, temperature: float
) -> None:
    replies = await all_of(engine, PROMPTS, Sampling(temperature=temperature, max_tokens=20))
    for prompt, reply in zip(PROMPTS, replies, strict=True):
        expected = (logits_behind(model, prompt, reply) / (temperature or 1.0)).log_softmax(-1)
        assert len(reply.token_ids) == len(reply.log_probs) == 20
        at_reply = expected.gather(-1, torch.tensor(reply.token_ids)[:, None])[:, 0]
        assert at_reply.tolist() == pytest.approx(reply.log_probs, abs=1e-5)
        if temperature == 0:
            assert expected.argmax(-1).tolist() == list(reply.token_ids)


async def test_cuts_draw_from_what_is_left_and_say_its_probability(engine: Engine, model: Any) -> None:
    for sampling in (Sampling(top_k=3, max_tokens=8), Sampling(top_p=0.05, max_tokens=8)):
        for prompt, reply in zip(PROMPTS, await all_of(engine, PROMPTS, sampling), strict=True):
            for logits, token, found in zip(
                logits_behind(model, prompt, reply), reply.token_ids, reply.log_probs, strict=True
            ):
                probs, order = logits.softmax(-1).sort(descending=True)
                enough = 3 if sampling.top_k else int((probs.cumsum(-1) < sampling.top_p).sum()) + 1
                kept = order[:enough].tolist()
                assert token in kept
                share = probs[kept.index(token)] / probs[:enough].sum()
                assert found == pytest.approx(float(share.log()), abs=1e-4)


async def test_tokens_come_as_often_as_the_model_says(engine: Engine, model: Any) -> None:
    sampling = Sampling(temperature=0.05, max_tokens=1)
    drawn = Counter(reply.token_ids[0] for reply in await all_of(engine, [PROMPTS[0]] * 2000, sampling))
    logits = logits_behind(model, PROMPTS[0], Generation((0,), (0.0,), False))[0]
    probs = (logits / 0.05).softmax(-1)
    assert len(drawn) > 3
    for token in range(len(probs)):
        expected = float(probs[token])
        assert abs(drawn[token] / 2000 - expected) < 5 * (expected / 2000) ** 0.5 + 1e-3


async def test_a_seed_decides_the_draws_whoever_else_is_in_the_batch(engine: Engine) -> None:
    alone = await engine.generate(PROMPTS[1], Sampling(max_tokens=24, seed=11))
    among = await asyncio.gather(
        *(engine.generate(prompt, Sampling(max_tokens=12, seed=1)) for prompt in PROMPTS),
        engine.generate(PROMPTS[1], Sampling(max_tokens=24, seed=11)),
        engine.generate(PROMPTS[1], Sampling(max_tokens=24, seed=12)),
    )
    assert among[-2].token_ids == alone.token_ids != among[-1].token_ids


async def test_equal_arrival_gives_equal_replies_and_members_of_a_group_differ(folder: Path) -> None:
    runs = []
    for batch in (64, 3):
        engine = Engine.load(folder, seed=5, batch=batch)
        runs.append(await all_of(engine, [PROMPTS[0]] * 4, Sampling(max_tokens=16)))
        engine.close()
    assert [one.token_ids for one in runs[0]] == [one.token_ids for one in runs[1]]
    assert len({one.token_ids for one in runs[0]}) == 4


async def test_a_stop_token_ends_a_reply_and_belongs_to_it(engine: Engine) -> None:
    free = await engine.generate(PROMPTS[3], Sampling(temperature=0.0, max_tokens=10))
    assert not free.ended
    stop = free.token_ids[4]
    stopped, other = await asyncio.gather(
        engine.generate(PROMPTS[3], Sampling(temperature=0.0, max_tokens=10, stop=(stop, 1_000_000))),
        engine.generate(PROMPTS[3], Sampling(temperature=0.0, max_tokens=10)),
    )
    assert stopped.ended
    assert stopped.token_ids == free.token_ids[: free.token_ids.index(stop) + 1]
    assert other == free


async def test_rows_that_end_early_leave_the_others_alone(engine: Engine) -> None:
    sampling = [Sampling(max_tokens=length, seed=9) for length in (1, 2, 3, 40, 5, 6)]
    replies = await asyncio.gather(*(engine.generate(PROMPTS[1], one) for one in sampling))
    assert [len(reply.token_ids) for reply in replies] == [1, 2, 3, 40, 5, 6]
    longest = replies[3]
    for reply in replies:
        assert reply.token_ids == longest.token_ids[: len(reply.token_ids)]
        assert reply.log_probs == pytest.approx(longest.log_probs[: len(reply.log_probs)], abs=1e-5)


async def test_a_reply_takes_the_room_that_the_prompt_leaves(engine: Engine) -> None:
    assert engine.positions == POSITIONS
    reply = await engine.generate([7] * (POSITIONS - 4), Sampling(max_tokens=50))
    assert (len(reply.token_ids), reply.ended) == (4, False)


@pytest.mark.parametrize("prompt", [[], [7] * POSITIONS, [7] * 1000])
async def test_a_prompt_without_room_is_refused(engine: Engine, prompt: list[int]) -> None:
    with pytest.raises(MalformedOutputError, match=f"prompt of {len(prompt)} tokens.*1 to {POSITIONS - 1}"):
        await engine.generate(prompt, Sampling())


async def test_unknown_ids_are_refused_before_they_reach_the_batch(engine: Engine) -> None:
    with pytest.raises(InputError, match="token ids run from 0 to"):
        await engine.generate([3, 1_000_000], Sampling())
    with pytest.raises(InputError, match="-1"):
        await engine.generate([-1], Sampling())


@pytest.mark.parametrize("wrong", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": -1}, {"max_tokens": 0}])
def test_what_cannot_be_sampled_from_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="can't be sampled from"):
        Sampling(**wrong)


async def test_a_failing_model_fails_its_batch_and_serves_the_next(engine: Engine) -> None:
    def explode(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory")

    handle = engine._model.register_forward_pre_hook(explode)
    results = await asyncio.gather(
        *(engine.generate(prompt, Sampling(max_tokens=2)) for prompt in PROMPTS), return_exceptions=True
    )
    assert [type(one) for one in results] == [ModelUnavailableError] * len(PROMPTS)
    assert len({id(one) for one in results}) == len(PROMPTS)
    assert "out of memory" in str(results[0])
    handle.remove()
    assert len((await engine.generate(PROMPTS[0], Sampling(max_tokens=2))).token_ids) == 2


async def test_a_cancelled_caller_disturbs_nobody(engine: Engine) -> None:
    sampling = Sampling(max_tokens=30, seed=4)
    expected = await engine.generate(PROMPTS[1], sampling)
    tasks = [asyncio.create_task(engine.generate(PROMPTS[1], sampling)) for _ in range(6)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0.01)  # the batch runs by now
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(one) for one in results].count(asyncio.CancelledError) == 2
    assert [one.token_ids for one in results if isinstance(one, Generation)] == [expected.token_ids] * 4


async def test_new_weights_are_taken_whole_and_only_by_the_batches_after(engine: Engine, folder: Path) -> None:
    greedy = Sampling(temperature=0.0, max_tokens=12)
    other = Engine.load(make_model(folder / "other", positions=POSITIONS, seed=1))
    weights = {name: tensor.clone() for name, tensor in other._model.state_dict().items()}
    wanted, old = await other.generate(PROMPTS[3], greedy), await engine.generate(PROMPTS[3], greedy)
    other.close()
    assert wanted.log_probs != old.log_probs
    before = asyncio.create_task(engine.generate(PROMPTS[3], greedy))
    await asyncio.sleep(0)
    assert await engine.load_weights(weights) == len(weights)
    assert await engine.generate(PROMPTS[3], greedy) == wanted
    assert await before == old
    tied = {name: tensor for name, tensor in weights.items() if name != "lm_head.weight"}
    assert await engine.load_weights(tied) == len(weights) - 1


async def test_weights_of_another_model_change_nothing(engine: Engine) -> None:
    own = {name: tensor.clone() for name, tensor in engine._model.state_dict().items()}
    expected = await engine.generate(PROMPTS[0], Sampling(temperature=0.0, max_tokens=8))
    zeros = {name: torch.zeros_like(tensor) for name, tensor in own.items()}
    norm = "model.norm.weight"
    for kind, wrong in {
        "unexpected: bias": zeros | {"bias": torch.zeros(1)},
        f"missing: {norm}": {name: tensor for name, tensor in zeros.items() if name != norm},
        f"misshapen: {norm}": zeros | {norm: torch.zeros(1)},
    }.items():
        with pytest.raises(InputError, match=kind):
            await engine.load_weights(wrong)
    assert await engine.generate(PROMPTS[0], Sampling(temperature=0.0, max_tokens=8)) == expected


def test_callers_in_several_event_loops_are_served(folder: Path) -> None:
    engine = Engine.load(folder)
    sampling = Sampling(temperature=0.0, max_tokens=4)
    assert asyncio.run(engine.generate(PROMPTS[0], sampling)) == asyncio.run(engine.generate(PROMPTS[0], sampling))
    engine.close()
    engine.close()
    with pytest.raises(ModelUnavailableError, match="closed"):
        asyncio.run(engine.generate(PROMPTS[0], sampling))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        Engine.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "unheard of"}')
    with pytest.raises(InputError, match="can't be loaded"):
        Engine.load(tmp_path)


def test_importing_the_engine_loads_no_torch_and_a_missing_one_is_named() -> None:
    code = (
        "import sys, memory_r1.graphs.local.engine as e; assert 'torch' not in sys.modules\n"
        "sys.modules['torch'] = None\n"
        "try: e.Engine.load('x')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout
    assert found.startswith(MissingExtraError.__name__)
    assert "memory-r1[local]" in found
