"""The README's code and commands do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCKS if found == kind]


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_the_python_runs_and_prints_what_stands_below_it(number: int, tmp_path: Path):
    code = blocks("python")[number]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    at = next(i for i, block in enumerate(BLOCKS) if block[1] == code)
    if at + 1 < len(BLOCKS) and BLOCKS[at + 1][0] == "text":
        assert done.stdout == BLOCKS[at + 1][1]


def test_the_commands_run(tmp_path: Path):
    scripts = [text for text in blocks("sh") if "make " not in text]
    assert scripts
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for script in scripts:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "30 April 2024" in done.stdout
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.name.startswith("memory.db"))
    assert b"Oslo" in left and b"kayak" not in left.lower()


def test_the_make_commands_exist():
    wanted = {word for text in blocks("sh") for word in re.findall(r"^make (\w+)", text, re.MULTILINE)}
    rules = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert wanted == {"demo", "test", "up"} and wanted <= rules


def test_every_file_it_names_exists():
    named = re.findall(r"\]\(((?!https?:)[^)#]+)\)|`((?:memory|graphs|rl|flows|infra|tests)/[\w./-]+)`", README)
    missing = [name for pair in named for name in pair if name and not (ROOT / name).exists()]
    assert not missing


def test_every_benchmark_command_it_names_is_one():
    for command in set(re.findall(r"`memory-r1 (bench \w+)", README)):
        script = Path(sys.executable).parent / "memory-r1"
        done = subprocess.run([script, *command.split(), "--help"], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
