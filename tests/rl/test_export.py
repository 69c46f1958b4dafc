# ruff: noqa: E402 - what needs verl is imported where it is there
"""What a checkpoint becomes: a folder that transformers and the agent load, with the weights that were trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("verl", reason="training is an extra: pip install 'memory-r1[train]'")

from transformers import AutoModelForCausalLM, AutoTokenizer

from memory_r1.graphs.local.folder import read_limits
from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.rl.trainer.checkpoints import Checkpoint, chosen, saved
from memory_r1.rl.trainer.export import export, merged
from tests.tiny_models import make_model

CONFIG = """
memory_r1:
  role: manager
  rewards: {{em: 1.0}}
  limits: {{candidates: 5, hits: 7, per_speaker: 7, answer_chars: 900}}
algorithm: {{adv_estimator: grpo_decisions}}
data: {{train_files: /data/rows.parquet, max_response_length: 33}}
actor_rollout_ref: {{model: {{path: '{model}'}}}}
"""


def run(folder: Path) -> tuple[Path, Path]:
    """A run's folder with one checkpoint, at step 3, of a model whose weights are not those that it began with."""
    start = make_model(folder / "start")
    out = folder / "run"
    save(out / "checkpoints" / "global_step_3", start, seed=5)
    (out / "config.yaml").write_text(CONFIG.format(model=start))
    return out, start


def save(folder: Path, start: Path, seed: int) -> None:
    actor = folder / "actor"
    model = AutoModelForCausalLM.from_pretrained(start)
    torch.manual_seed(seed)
    state = {name: value + torch.randn_like(value) for name, value in model.state_dict().items()}
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.config.save_pretrained(actor / "huggingface")
    AutoTokenizer.from_pretrained(start).save_pretrained(actor / "huggingface")
    torch.save(state, actor / "model_world_size_1_rank_0.pt")
    torch.save({}, folder / "data.pt")


def test_the_exported_policy_is_the_checkpoint_in_full_precision(tmp_path: Path) -> None:
    out, _ = run(tmp_path)
    done = export(out, tmp_path / "policy")
    state = torch.load(out / "checkpoints" / "global_step_3" / "actor" / "model_world_size_1_rank_0.pt")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "policy")
    for name, value in loaded.state_dict().items():
        assert torch.equal(value, state[name]), name
    assert done.step == 3
    assert done.parameters == loaded.num_parameters()


def test_the_exported_policy_states_the_limits_that_it_was_trained_within(tmp_path: Path) -> None:
    out, _ = run(tmp_path)
    export(out, tmp_path / "policy")
    limits = read_limits(tmp_path / "policy")
    assert (limits.hits, limits.per_speaker, limits.answer_chars, limits.max_tokens) == (7, 7, 900, 33)
    assert "grpo_decisions of the manager, step 3" in (tmp_path / "policy" / "README.md").read_text()
    assert limits.distil


def test_an_answerer_that_was_trained_to_select_nothing_says_so(tmp_path: Path) -> None:
    out, _ = run(tmp_path)
    config = out / "config.yaml"
    config.write_text(config.read_text().replace("role: manager", "role: answerer\n  distil: false"))
    export(out, tmp_path / "policy")
    assert not read_limits(tmp_path / "policy").distil


def test_exporting_again_replaces_the_policy_and_nothing_else(tmp_path: Path) -> None:
    out, _ = run(tmp_path)
    export(out, tmp_path / "policy")
    export(out, tmp_path / "policy")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds something else"):
        export(out, mine)
    assert (mine / "thesis.txt").is_file()


def test_the_best_checkpoint_is_exported_and_the_last_on_request(tmp_path: Path) -> None:
    out, start = run(tmp_path)
    save(out / "checkpoints" / "best" / "global_step_2", start, seed=6)
    best = {"step": 2, "reward": 0.75, "path": "/elsewhere/checkpoints/best/global_step_2"}
    (out / "best.json").write_text(json.dumps(best))
    assert export(out, tmp_path / "policy").reward == 0.75
    assert export(out, tmp_path / "policy", "last").step == 3
    assert export(out, tmp_path / "policy", "3").step == 3
    with pytest.raises(InputError, match="no checkpoint '9': its steps are 3"):
        export(out, tmp_path / "policy", "9")


def test_where_nothing_beat_the_start_the_start_is_exported(tmp_path: Path) -> None:
    out, start = run(tmp_path)
    (out / "best.json").write_text(json.dumps({"step": 0, "reward": 0.5, "path": str(start)}))
    assert export(out, tmp_path / "policy").step == 0
    assert read_limits(tmp_path / "policy").hits == 7


def test_a_checkpoint_that_was_cut_off_is_not_seen(tmp_path: Path) -> None:
    out, start = run(tmp_path)
    save(out / "checkpoints" / "global_step_4", start, seed=1)
    (out / "checkpoints" / "global_step_4" / "data.pt").unlink()
    assert [one.step for one in saved(out)] == [3]


def test_a_missing_shard_is_told(tmp_path: Path) -> None:
    out, _ = run(tmp_path)
    actor = out / "checkpoints" / "global_step_3" / "actor"
    (actor / "model_world_size_1_rank_0.pt").rename(actor / "model_world_size_2_rank_0.pt")
    with pytest.raises(FileFormatError, match="lacks shards"):
        export(out, tmp_path / "policy")
    assert not (tmp_path / "policy").exists()


def test_a_run_without_a_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run"):
        export(tmp_path, tmp_path / "policy")
    with pytest.raises(InputError, match="none yet"):
        chosen(tmp_path)


def test_a_low_rank_adapter_is_added_to_its_layer(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    start = make_model(tmp_path / "start")
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(start), LoraConfig(r=4, lora_alpha=8, target_modules="all-linear")
    )
    torch.manual_seed(3)
    for name, value in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(value)
    state = {name: value.clone() for name, value in adapted.state_dict().items()}
    expected = adapted.merge_and_unload().state_dict()
    found = merged(state, 8 / 4)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name], value, atol=1e-6), name


def test_checkpoint_is_a_value() -> None:
    assert Checkpoint(1, Path("a")) == Checkpoint(1, Path("a"))
