"""Model folders in the roles: what they state, what they lack, and a random model that plays, badly but properly."""

import asyncio
import builtins
import json
import shutil
from pathlib import Path

import pytest
from graph_fakes import Adds, First, Sentences, bank, said
from tiny_models import make_model

from memory_r1.graphs import Limits, ModelOptions, Patience, Roles, build_agent, load_limits, load_model, load_roles
from memory_r1.graphs.chat_roles import ChatAnswerer, ChatManager
from memory_r1.graphs.local import completer
from memory_r1.graphs.local.completer import LocalCompleter
from memory_r1.graphs.local.folder import TINY_FOLDER, FolderLimits, find_folder, read_limits
from memory_r1.graphs.models import learned
from memory_r1.memory.errors import MalformedOutputError, MissingExtraError, SettingsError
from memory_r1.memory.stores.memory import InMemoryStore

pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
ASKED = [{"role": "system", "content": "question"}, {"role": "user", "content": "answer"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model with room for the prompts of the roles."""
    folder = make_model(tmp_path_factory.mktemp("local") / "model", hidden=16, layers=1, positions=4_096)
    FolderLimits(hits=3, candidates=2, answer_chars=200, max_tokens=6).save(folder)
    return folder


@pytest.fixture
def copy(model: Path, tmp_path: Path) -> Path:
    """The model, to be damaged."""
    return Path(shutil.copytree(model, tmp_path / "copy"))


async def test_a_folder_completes_by_its_own_chat_template_and_is_the_same_each_time(model: Path):
    local = LocalCompleter(model, max_tokens=50)
    first, second = await asyncio.gather(local.complete(ASKED), local.complete(ASKED))
    await local.aclose()
    again = await local.complete(ASKED)
    await local.aclose()
    assert first.token_ids == second.token_ids == again.token_ids and first.text == again.text
    assert first.log_probs == pytest.approx(again.log_probs, abs=1e-4) and len(first.log_probs) <= 6
    assert len(first.token_ids) == len(first.log_probs)
    from transformers import AutoTokenizer

    shown = AutoTokenizer.from_pretrained(model).decode(first.prompt_ids)
    assert (
        shown == "<|im_start|>system\nquestion<|im_end|>\n<|im_start|>user\nanswer<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "<|im_" not in first.text and all(p <= 0 for p in first.log_probs)


def test_a_folder_s_limits_are_read_and_written(tmp_path: Path):
    assert read_limits(tmp_path) == FolderLimits()
    limits = FolderLimits(hits=12, candidates=5, answer_chars=2_000, max_tokens=96, repair=False)
    limits.save(tmp_path)
    assert read_limits(tmp_path) == limits
    assert json.loads((tmp_path / "memory_r1.json").read_text()) == {
        "hits": 12, "candidates": 5, "answer_chars": 2_000, "max_tokens": 96, "repair": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wrong"), [("{", "JSON"), ('{"hits": "12"}', "hits"), ('{"hits": 0}', "hits"), ('{"hit": 1}', "hit")]
)
def test_limits_that_can_t_be_read_are_refused_by_name(tmp_path: Path, text: str, wrong: str):
    (tmp_path / "memory_r1.json").write_text(text)
    with pytest.raises(SettingsError, match=rf"memory_r1.json.*{wrong}.*answer_chars"):
        read_limits(tmp_path)


def test_limits_come_from_the_folder_of_the_role_that_they_bind(model: Path):
    name = f"local:{model}"
    assert load_limits("rules") == load_limits("openai:m@http://127.0.0.1:9/v1") == Limits()
    both = load_limits(name, Limits(context=1))
    assert (both.context, both.candidates, both.hits, both.per_speaker) == (1, 2, 3, 30)
    one = load_limits({"default": "rules", "manager": name})
    assert (one.candidates, one.hits) == (2, 60)
    roles = load_roles({"default": "rules", "answerer": name}, ModelOptions(answer_chars=9_000))
    assert roles.answerer.chars == 200


def test_a_role_that_a_policy_has_not_learned_is_not_given_to_it(copy: Path):
    FolderLimits(roles=("manager", "answerer")).save(copy)
    assert learned(f"local:{copy}") == ("manager", "answerer") and "extractor" in learned("rules")
    with pytest.raises(SettingsError, match=r"plays no extractor, but manager and answerer: name another"):
        load_roles(f"local:{copy}")
    assert load_roles({"default": f"local:{copy}", "extractor": "rules"}).manager


LACKS = {
    "config.json": "config.json", "model.safetensors": "weights", "tokenizer.json": "tokenizer.json",
    "chat_template.jinja": "chat template",
}  # fmt: skip


@pytest.mark.parametrize("file", LACKS)
def test_a_folder_that_lacks_something_says_what(copy: Path, file: str):
    (copy / file).unlink()
    with pytest.raises(SettingsError, match=LACKS[file]):
        load_model(f"local:{copy}")


def test_a_folder_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SettingsError, match=r"there is no folder .*nowhere"):
        load_roles(f"local:{tmp_path / 'nowhere'}")
    with pytest.raises(SettingsError, match="'local:' names no folder"):
        load_model("local:")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_folder("local:~/models") == tmp_path / "models" and find_folder("rules") is None
    assert find_folder("tiny") == TINY_FOLDER


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
async def test_a_damaged_file_is_an_error_of_settings_when_the_model_is_asked(copy: Path, file: str):
    (copy / file).write_bytes(b"damaged")
    manager = ChatManager(load_model(f"local:{copy}"), Patience(tries=1))
    agent = build_agent(InMemoryStore(), roles=Roles(Sentences(), manager, First()))
    with pytest.raises(SettingsError, match=r"can't be loaded"):
        await agent.learn(said("I have a dog."), "ann")


def test_a_missing_package_names_the_extra(model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(completer, "find_spec", lambda name: None if name == "transformers" else builtins)
    with pytest.raises(MissingExtraError, match=r"transformers is not installed: pip install 'memory-r1\[local\]'"):
        load_model(f"local:{model}")


async def test_a_random_model_plays_all_roles_and_each_malformed_reply_is_counted(model: Path):
    agent = build_agent(InMemoryStore(), models=f"local:{model}")
    done = await agent.learn(said("I have a dog called Rex."), "ann")
    assert [(f.role, f.kind) for f in done.failures] == [("extractor", "malformed")]
    assert done.usage.calls == 2 and done.usage.reply_tokens > 0
    assert [turn.id for turn in await agent.store.turns("ann")] == ["s1:0"]
    await agent.close()


async def test_roles_share_the_model_and_what_a_policy_sees_is_what_its_folder_states(model: Path):
    roles = load_roles(f"local:{model}")
    assert len(roles.owned) == 1
    known = build_agent(InMemoryStore(), roles=Roles(Sentences(), Adds(), First()))
    for number in range(9):
        await known.learn(said(f"I have dog number {number}.", number), "ann")
    models = {"default": "rules", "answerer": f"local:{model}"}
    agent = build_agent(known.store, models=models)
    found = await agent.answer.ainvoke({"question": "Which dogs?", "asked": None}, bank())
    assert len(found["hits"]) == 3 and [f["role"] for f in found["failures"]] == ["answerer"]
    await agent.close()
    await roles.close()


async def test_a_prompt_over_the_model_s_length_is_a_counted_failure_and_the_turn_is_kept(tmp_path: Path):
    small = make_model(tmp_path / "small", hidden=16, layers=1, positions=64)
    local = load_model(f"local:{small}")
    agent = build_agent(InMemoryStore(), roles=Roles(Sentences(), ChatManager(local), First()))
    done = await agent.learn(said("I have a dog called Rex."), "ann")
    assert "tokens can't be answered: this model takes 1 to 63" in done.failures[0].detail and done.usage.calls == 1
    assert await agent.store.turns("ann")
    with pytest.raises(MalformedOutputError):
        await local.complete([{"role": "user", "content": "word " * 99}])
    await local.aclose()


@pytest.mark.parametrize("repair", [True, False])
async def test_a_folder_says_whether_its_model_can_repair(copy: Path, repair: bool):
    FolderLimits(max_tokens=4, repair=repair).save(copy)
    agent = build_agent(InMemoryStore(), models={"default": "rules", "extractor": f"local:{copy}"})
    assert (await agent.learn(said("I have a dog."), "ann")).usage.calls == 1 + repair
    await agent.close()


@pytest.mark.parametrize("distil", [True, False])
def test_a_folder_says_whether_its_model_selects_before_it_answers(copy: Path, distil: bool):
    FolderLimits(distil=distil).save(copy)
    answerer = load_roles(f"local:{copy}").answerer
    assert isinstance(answerer, ChatAnswerer) and answerer.distil is distil
