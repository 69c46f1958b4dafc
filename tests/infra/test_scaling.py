"""The arithmetic of SCALING.md: its second table follows from its first, and measured figures stand where they say."""

import math
import re

import pytest

from tests.infra.compose_file import INFRA

PAGE = (INFRA / "SCALING.md").read_text(encoding="utf-8")
ROOT = INFRA.parent
BANKS = (1, 100, 10_000, 1_000_000, 100_000_000)


def figures() -> dict[str, float]:
    """The first table: a symbol, and its value."""
    rows = re.findall(r"^\| `(\w+)` \| ([\d.,]+) \|", PAGE, re.MULTILINE)
    return {name: float(value.replace(",", "")) for name, value in rows}


def row(banks: int, f: dict[str, float]) -> str:
    """What `banks` banks need, as a row of the second table."""
    memories = banks * f["memories"]
    turns, questions = (banks * f[kind] * f["peak"] / 86_400 for kind in ("turns", "questions"))
    read = (turns * f["turn_chars"] + questions * f["question_chars"]) / f["chars_a_token"]
    written = (turns + questions) * f["reply_tokens"]
    cells = [
        short(banks), short(memories), weight(memories * f["sqlite_bytes"]), weight(memories * f["neo4j_bytes"]),
        weight(memories * f["neo4j_bytes"] * f["warm"]), short(turns), short(questions),
        short(turns * f["turn_calls"] + questions),
        whole(read / f["gpu_reads"] + written / f["gpu_writes"]),
        whole(turns * f["turn_cpu_ms"] / 1_000),
        whole(max(memories * f["neo4j_bytes"] / (f["server_disk_tb"] * 1e12), turns * f["write_ms"] / 1_000)),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def short(value: float) -> str:
    """Two digits that count, and thousands, millions or billions by their letter."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.1e}")
    for size, letter in ((1e9, " bn"), (1e6, " m"), (1e3, " k")):
        if rounded >= size:
            return f"{rounded / size:g}{letter}"
    return f"{rounded:.5f}".rstrip("0").rstrip(".")


def weight(value: float) -> str:
    rounded = float(f"{value:.1e}")
    size, unit = next((pair for pair in ((1e12, "TB"), (1e9, "GB")) if rounded >= pair[0]), (1e6, "MB"))
    return f"{rounded / size:g} {unit}"


def whole(value: float) -> str:
    return f"{max(1, math.ceil(value)):,}"


@pytest.mark.parametrize("banks", BANKS)
def test_the_table_follows_from_the_figures(banks: int) -> None:
    assert row(banks, figures()) in PAGE


def test_every_figure_says_where_it_comes_from() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [\d.,]+ \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert {name for name, _ in rows} == figures().keys() and len(rows) == len(figures())
    assert all(source.startswith(("measured", "assumed", "bound")) for _, source in rows)


@pytest.mark.parametrize(
    ("symbol", "file", "written"),
    [
        (
            "turn_cpu_ms",
            "README.md",
            "own work for one turn at 1,000 memories: no model, no embedding | {:.1f} ms of CPU",
        ),
        ("turn_chars", "README.md", "characters of prompt a turn | **{:,.0f}**"),
        ("write_ms", "memory/GRAPH.md", "| write | 16.1 / 41 | {:.1f} / 35 |"),
        ("question_chars", "graphs/prompts.py", "ANSWER_CHARS = {:_.0f}"),
    ],
)
def test_measured_figures_are_those_that_the_documents_give(symbol: str, file: str, written: str) -> None:
    assert written.format(figures()[symbol]) in (ROOT / file).read_text(encoding="utf-8")
