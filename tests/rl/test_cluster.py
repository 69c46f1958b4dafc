"""The evaluation on a local Ray cluster of two workers, each run in a process of its own."""

import json
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest
from command import process, run
from eval_fixture import NLTK, files, said, write_locomo
from model_server import ModelServer, Status

from tests.rl.test_metrics import needs_punkt

pytest.importorskip("ray")
pytestmark = [
    needs_punkt,
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]


def left(mark: str) -> list[str]:
    """The processes that were started with `mark` in their environment and still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:100])
        except OSError:
            continue
    return found


def on_ray(*words):
    """Run the command on a cluster of its own; nothing of it is left behind."""
    mark = f"mark-{uuid4().hex}"
    result = process(*words, "--ray", "local:2", env={**NLTK, "MEMORY_R1_TEST": mark})
    end = time.monotonic() + 60
    while left(mark) and time.monotonic() < end:
        time.sleep(0.1)
    assert left(mark) == []
    return result


@pytest.fixture
def words(tmp_path):
    return ("eval", "--data", write_locomo(tmp_path / "locomo.json"), "--system", "rules,rag,memory-r1")


def test_two_workers_leave_the_same_bytes_as_one_process(words, tmp_path):
    with ModelServer([said]) as server:
        model = ("--model", f"openai:scripted@{server.url}", "--json")
        assert run(*words, *model, "--out", tmp_path / "here").exit_code == 0
        status, shown, err = on_ray(*words, *model, "--out", tmp_path / "ray")
        assert (status, err) == (0, "")
        asked = len(server.requests)
        assert run(*words, *model, "--out", tmp_path / "ray").exit_code == 0
        assert len(server.requests) == asked
    assert files(tmp_path / "ray") == files(tmp_path / "here") and len(files(tmp_path / "ray")) == 9
    held = files(tmp_path / "ray", "memory")
    assert held == files(tmp_path / "here", "memory") and len(held) == 9
    table = json.loads(shown)
    assert table["finished"] and all(row["wall"] > 0 for row in table["rows"])


def test_an_error_comes_back_typed_and_the_run_goes_on_without_the_cluster(words, tmp_path):
    left_over = iter(range(30))
    with ModelServer([lambda request: said(request) if next(left_over, None) is not None else Status(401)]) as server:
        model = ("--model", f"openai:scripted@{server.url}")
        status, shown, err = on_ray(*words, *model, "--out", tmp_path / "ray")
        assert status == 4
        assert "Stopped: " in err and "'s model doesn't answer" in err and "Traceback" not in err
        assert "unfinished" in shown
        server.script = [said]
        assert run(*words, *model, "--out", tmp_path / "ray").exit_code == 0
        assert run(*words, *model, "--out", tmp_path / "here").exit_code == 0
    assert files(tmp_path / "ray") == files(tmp_path / "here")


def test_an_address_without_a_cluster_is_told_at_once(words, tmp_path):
    result = run(*words, "--ray", "127.0.0.1:1", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "error: --ray '127.0.0.1:1': no cluster can be had there" in result.stderr
