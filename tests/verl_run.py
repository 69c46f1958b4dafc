"""Runs verl's own trainer on this machine's CPUs, with a random tiny model and the trivial agent loop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from memory_r1.rl.trainer.cpu.environment import environment
from tests.tiny_models import make_model

TESTS = Path(__file__).resolve().parent
OVERRIDES = """
data.train_batch_size=4 data.max_prompt_length=128 data.max_response_length=16 data.return_raw_chat=True
data.filter_overlong_prompts=False data.dataloader_num_workers=0
actor_rollout_ref.model.use_remove_padding=False actor_rollout_ref.model.enable_gradient_checkpointing=False
+actor_rollout_ref.model.override_config.attn_implementation=eager
actor_rollout_ref.actor.strategy=fsdp2 actor_rollout_ref.actor.use_torch_compile=False
actor_rollout_ref.actor.fsdp_config.use_torch_compile=False
+actor_rollout_ref.actor.fsdp_config.mixed_precision.param_dtype=fp32
actor_rollout_ref.actor.ppo_mini_batch_size=4 actor_rollout_ref.actor.ppo_micro_batch_size_per_gpu=16
actor_rollout_ref.actor.optim.lr=1e-3
actor_rollout_ref.rollout.name=local actor_rollout_ref.rollout.n=4 actor_rollout_ref.rollout.dtype=float32
actor_rollout_ref.rollout.tensor_model_parallel_size=1 actor_rollout_ref.rollout.max_model_len=256
actor_rollout_ref.rollout.log_prob_micro_batch_size_per_gpu=16 actor_rollout_ref.rollout.calculate_log_probs=True
actor_rollout_ref.rollout.agent.num_workers=1 actor_rollout_ref.rollout.agent.default_agent_loop=trivial
transfer_queue.backend.SimpleStorage.num_data_storage_units=1 reward.num_workers=1
trainer.device=cpu trainer.n_gpus_per_node=1 trainer.nnodes=1 trainer.logger=[console,file]
trainer.val_before_train=False trainer.test_freq=-1 trainer.save_freq=-1 trainer.total_epochs=9
trainer.resume_mode=disable trainer.balance_batch=False
ray_kwargs.ray_init.num_cpus=8 +ray_kwargs.ray_init.num_gpus=1 +ray_kwargs.ray_init.include_dashboard=False
""".split()
PPO = """
algorithm.adv_estimator=gae critic.strategy=fsdp2 critic.optim.lr=1e-3 critic.ppo_micro_batch_size_per_gpu=16
critic.model.use_remove_padding=False critic.model.enable_gradient_checkpointing=False
+critic.model.override_config.attn_implementation=eager critic.fsdp.use_torch_compile=False
+critic.fsdp.mixed_precision.param_dtype=fp32
""".split()
GRPO = """
algorithm.adv_estimator=grpo actor_rollout_ref.actor.use_kl_loss=True actor_rollout_ref.actor.kl_loss_coef=0.001
actor_rollout_ref.ref.log_prob_micro_batch_size_per_gpu=16 actor_rollout_ref.ref.strategy=fsdp2
actor_rollout_ref.ref.use_torch_compile=False actor_rollout_ref.ref.fsdp_config.use_torch_compile=False
""".split()


def train(folder: Path, overrides: list[str], *, steps: int = 2, seconds: int = 600) -> list[dict[str, Any]]:
    """The metrics of each step. Fails with the end of the log when the run does; leaves no process behind."""
    rows(folder / "rows.parquet")
    model = make_model(folder / "model")
    loops = folder / "loops.yaml"
    loops.write_text("- name: trivial\n  _target_: trivial_loop.TrivialLoop\n", encoding="utf-8")
    command = [
        sys.executable, "-m", "verl.trainer.main_ppo", *OVERRIDES, *overrides,
        f"data.train_files={folder}/rows.parquet", f"data.val_files={folder}/rows.parquet",
        f"actor_rollout_ref.model.path={model}", f"critic.model.path={model}",
        f"actor_rollout_ref.rollout.agent.agent_loop_config_path={loops}",
        f"trainer.total_training_steps={steps}", f"trainer.default_local_dir={folder}/checkpoints",
    ]  # fmt: skip
    run(command, folder, seconds)
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["data"] for line in lines]


def rows(path: Path, count: int = 16) -> None:
    import pyarrow
    import pyarrow.parquet

    made = [
        {
            "data_source": "trivial",
            "prompt": [{"role": "user", "content": f"question {number}"}],
            "agent_name": "trivial",
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {"index": number, "split": "train"},
        }
        for number in range(count)
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(made), path)


def run(command: list[str], folder: Path, seconds: int) -> None:
    """Runs `command` as its own process group, with what a CPU run of verl needs in its environment."""
    env = os.environ | environment() | {
        "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": f"{TESTS}", "VERL_FILE_LOGGER_PATH": str(folder / "metrics.jsonl"),
    }  # fmt: skip
    log = folder / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=env, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(seconds)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert code == 0, f"exit {code}; the log ends:\n" + log.read_text(encoding="utf-8", errors="replace")[-6000:]
