"""Trains with verl and our trainer on this machine's CPUs: tiny policies, rows of the world, the config `tiny-cpu`.

`make_chooser` makes a policy that knows two replies and says either, whatever it reads: NOOP, and DELETE of the memory
shown first. `choices` are rows on which DELETE is right. So what there is to learn is small and known.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from memory_r1.graphs.completers import Completion, Message
from memory_r1.memory.embedders import HashedEmbedder
from memory_r1.rl.rewards.compose import Rewards
from memory_r1.rl.rollouts.environment import Environment
from memory_r1.rl.rollouts.types import ManagerRow
from memory_r1.rl.trainer.cpu.environment import environment
from memory_r1.rl.training.rows import write_rows
from memory_r1.rl.training.world_rows import Choice, world_manager_rows
from memory_r1.rl.world.oracle import OracleAnswerer
from tests.tiny_models import make_model

NOOP = '{"operations":[{"fact":0,"op":"NOOP"}]}'
DELETE = '{"operations":[{"fact":0,"op":"DELETE","targets":["0"]}]}'
SETTINGS = """
memory_r1.max_tokens=4 data.max_response_length=4 data.max_prompt_length=400 actor_rollout_ref.rollout.max_model_len=404
data.train_batch_size=6 actor_rollout_ref.actor.optim.lr=1e-4
trainer.logger=[console,file] trainer.val_before_train=false trainer.test_freq=-1 trainer.save_freq=-1
""".split()


class Always:
    """Says the same; keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[list[Message]] = []

    async def complete(self, messages: Sequence[Message]) -> Completion:
        self.asked.append([dict(message) for message in messages])
        return Completion(self.text)


def choices(count: int, split: str = "train") -> tuple[list[ManagerRow], list[list[Message]]]:
    """`count` rows on which DELETE earns 1 and NOOP 0, and what the policy is asked in each."""
    environment = Environment(HashedEmbedder(), OracleAnswerer(), Rewards.of({"em": 1.0}))
    choice = Choice(shares={"delete": 1.0}, questions=1, guards=0, memories=12)
    noop, delete = Always(NOOP), Always(DELETE)
    found: list[ManagerRow] = []
    asked: list[list[Message]] = []
    for row in world_manager_rows(3, split, 2 * count, choice):
        earned = [asyncio.run(environment.manage(row, policy)).reward for policy in (noop, delete)]
        if earned == [0.0, 1.0] and len(found) < count:
            found.append(row)
            asked.append(noop.asked[-1])
    assert len(found) == count, f"the world has {len(found)} rows of this kind, and {count} are wanted"
    return found, asked


def make_chooser(folder: Path, asked: Sequence[Sequence[Message]], *, steps: int = 100) -> Path:
    """A policy that says NOOP and DELETE as often, whatever of `asked` it reads; trained for seconds."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = {(message["role"], message["content"]) for messages in asked for message in messages}
    words = {word for _, text in texts for word in text.split() if word.isalpha()}
    make_model(folder, sorted(words), hidden=48, positions=512)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([NOOP, DELETE, *{text for role, text in texts if role == "system"}])
    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(0)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    said = [tokenizer.convert_tokens_to_ids(text) for text in (NOOP, DELETE)]
    read = [tokenizer.apply_chat_template(list(one), add_generation_prompt=True, return_dict=False) for one in asked]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        batch = [(read[(12 * step + n) % len(read)], said[(step + n) % 2]) for n in range(12)]
        longest = max(len(prompt) for prompt, _ in batch) + 2
        ids, mask = torch.full((12, longest), tokenizer.pad_token_id), torch.zeros(12, longest, dtype=torch.long)
        labels = torch.full((12, longest), -100)
        for row, (prompt, choice) in enumerate(batch):
            text = torch.tensor([*prompt, choice, tokenizer.eos_token_id])
            ids[row, : len(text)], mask[row, : len(text)] = text, 1
            labels[row, len(text) - 2 : len(text)] = text[-2:]
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def prepared(folder: Path, count: int = 48) -> list[str]:
    """Rows and a policy in `folder`; the overrides that name them."""
    rows, asked = choices(count)
    write_rows(folder / "rows.parquet", rows)
    model = make_chooser(folder / "model", asked)
    return [
        f"data.train_files={folder}/rows.parquet", f"data.val_files={folder}/rows.parquet",
        f"actor_rollout_ref.model.path={model}",
    ]  # fmt: skip


def command(folder: Path, *overrides: str) -> list[str]:
    """What trains into `folder`/out."""
    main = [sys.executable, "-m", "memory_r1.rl.trainer.main", "--config-name", "tiny-cpu"]
    return [*main, *SETTINGS, f"out={folder}/out", *overrides]


def start(folder: Path, *overrides: str, plugin: str = "") -> subprocess.Popen[bytes]:
    """Start to train into `folder`. `plugin`: a module of tests that verl imports in every process, after ours."""
    ours = environment()
    if plugin:
        ours["VERL_USE_EXTERNAL_MODULES"] += f",{plugin}"
    env = os.environ | ours | {
        "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent),
        "VERL_FILE_LOGGER_PATH": str(folder / "metrics.jsonl"),
    }  # fmt: skip
    words = command(folder, *overrides)
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(
            words, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def train(folder: Path, *overrides: str, seconds: int = 900, plugin: str = "") -> list[dict[str, Any]]:
    """The metrics of each step. Fails with the end of the log when the run does; leaves no process behind."""
    folder.mkdir(exist_ok=True)
    child = start(folder, *overrides, plugin=plugin)
    try:
        code = child.wait(seconds)
    finally:
        kill_tree(child)
    log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    assert code == 0, f"exit {code}; the log ends:\n{log[-6000:]}"
    return metrics(folder)


def kill_tree(child: subprocess.Popen[bytes]) -> None:
    """Kill the run and all that it started at once, as a power cut does."""
    import psutil

    tree: list[psutil.Process] = []
    if child.poll() is None:
        tree = [*psutil.Process(child.pid).children(recursive=True), psutil.Process(child.pid)]
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    child.wait()
    psutil.wait_procs(tree, timeout=30)


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["data"] for line in lines]


def mean(found: Sequence[dict[str, Any]], name: str) -> float:
    """The mean of a metric over steps."""
    values = [step[name] for step in found]
    return sum(values) / len(values)
