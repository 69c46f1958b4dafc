"""What the paper published, to stand beside what is measured: other models, another judge, other machines.

Source: Memory-R1, arXiv 2508.19828 v5 (ACL 2026), overall figures in percent. Its judge isn't named.
"""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Memory-R1, arXiv 2508.19828 v5"
URL = "https://arxiv.org/abs/2508.19828"

LLAMA, QWEN = "LLaMA-3.1-8B", "Qwen2.5-7B"


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the paper's tables: overall F1, BLEU-1 and share of answers judged correct, in percent."""

    name: str
    model: str
    f1: float
    bleu1: float
    judge: float
    note: str = ""


_OLDER = "in an older version of the paper only"

LOCOMO = (
    Published("LoCoMo (RAG)", LLAMA, 11.41, 8.71, 13.62),
    Published("Zep", LLAMA, 22.60, 15.05, 42.80, _OLDER),
    Published("A-Mem", LLAMA, 29.20, 24.40, 44.76),
    Published("Mem0", LLAMA, 30.41, 22.22, 45.68),
    Published("MemoryOS", LLAMA, 35.04, 27.99, 48.20),
    Published("Memory-SFT", LLAMA, 42.81, 32.98, 58.76),
    Published("Memory-R1-PPO", LLAMA, 41.05, 32.91, 57.54),
    Published("Memory-R1-GRPO", LLAMA, 45.02, 37.51, 62.74),
    Published("LoCoMo (RAG)", QWEN, 8.97, 7.27, 12.17),
    Published("Zep", QWEN, 23.22, 18.78, 38.99, _OLDER),
    Published("A-Mem", QWEN, 26.08, 21.78, 40.78),
    Published("Mem0", QWEN, 30.61, 23.55, 58.30),
    Published("MemoryOS", QWEN, 34.64, 29.36, 51.26),
    Published("Memory-SFT", QWEN, 39.51, 30.84, 61.13),
    Published("Memory-R1-PPO", QWEN, 41.72, 33.70, 59.53),
    Published("Memory-R1-GRPO", QWEN, 43.14, 36.44, 61.51),
)
"""LoCoMo, the 1,307 questions of the eight test conversations."""

LONGMEMEVAL = (
    Published("Memory-R1, untrained", LLAMA, 31.3, 25.0, 44.2),
    Published("Memory-R1-PPO", LLAMA, 43.6, 39.5, 55.2),
    Published("Memory-R1-GRPO", LLAMA, 45.2, 39.3, 55.4),
    Published("Memory-R1, untrained", QWEN, 35.5, 28.3, 53.2),
    Published("Memory-R1-PPO", QWEN, 40.3, 35.5, 47.4),
    Published("Memory-R1-GRPO", QWEN, 46.7, 41.1, 57.8),
)
"""LongMemEval's oracle file, zero-shot, all 500 questions."""

_KNOWN = {("locomo", "test"): (LOCOMO, 1307), ("longmemeval-oracle", "test"): (LONGMEMEVAL, 500)}


def published(task: str, split: str) -> tuple[Published, ...]:
    """The paper's rows for the same questions, () where it has none."""
    return _KNOWN.get((task, split), ((), 0))[0]


def published_on(task: str, split: str) -> int:
    """How many questions those rows were measured on, 0 without any."""
    return _KNOWN.get((task, split), ((), 0))[1]
