"""All services on loopback, the operator's guide followed to the letter, and the promoted policy at work.

One module, one start: the services take longer to come up than most of what is asked of them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from services import ROOT, Services, running

from tests import verl_imports  # noqa: F401  isort: skip - skips where verl is missing

pytestmark = [pytest.mark.slow, pytest.mark.neo4j, pytest.mark.ray, pytest.mark.timeout(1800)]

WORLD = "world:names=120,conversations=4"
QUICK = ("-p", "rows=60", "-p", f"task={json.dumps(WORLD)}")
GUIDE = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "infra" / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
"""What the operator's guide has one type: one cycle; back and forth between policies."""
TOKEN = b"MEMORY_R1_TRAINING="
SEGMENTS = Path("/dev/shm")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running(tmp_path_factory.mktemp("services") / "home") as started:
        yield started


def prefect(services: Services, *words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Prefect's command line, as an operator has it."""
    env = services.env | {"COLUMNS": "200", "PREFECT_CLI_COLORS": "false"}
    return subprocess.run(
        ["prefect", "--no-prompt", *map(str, words)], cwd=cwd, env=env, capture_output=True, text=True, timeout=900,
        check=False,
    )  # fmt: skip


def memory(services: Services, *words: str) -> Any:
    """Our command line, as JSON."""
    done = subprocess.run(["memory-r1", *words, "--json"], env=services.env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def run(services: Services, name: str, *words: object) -> None:
    """Run a deployment to its end, which must be good."""
    done = prefect(services, "deployment", "run", name, *words, "--watch")
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-2000:]}{services.log('prefect-worker')[-6000:]}"


def begin(services: Services, name: str, *words: object) -> str:
    """Start a deployment's run; its id."""
    done = prefect(services, "deployment", "run", name, *words)
    found = re.search(r"UUID: ([0-9a-f-]{36})", done.stdout)
    assert done.returncode == 0 and found, done.stdout + done.stderr
    return found[1]


def api(services: Services, path: str, **body: Any) -> Any:
    """Ask Prefect's API, with the login that was made at the first start."""
    login = re.search(r'PREFECT_API_AUTH_STRING = "(.+)"', services.secret("prefect_profiles.toml"))
    assert login
    user, _, password = login[1].partition(":")
    answer = httpx.post(services.url("prefect-server") + path, json=body, auth=(user, password), timeout=60)
    return answer.raise_for_status().json()


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """What `what` says as soon as it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(FileNotFoundError, StopIteration):
            if found := what():
                return found
        time.sleep(0.2)
    raise AssertionError("it never came")


def trainers(services: Services) -> list[int]:
    """The processes of trainings that these services started."""
    home, found = f"MEMORY_R1_HOME={services.home}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if home in words and any(word.startswith(TOKEN) for word in words):
                found.append(int(path.parent.name))
    return found


def steps(folder: Path) -> list[int]:
    """The steps of a run's metrics, in the order in which they were logged."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines if "train/loss" in line or "reward/mean" in line]


def follow(services: Services, block: str) -> str:
    """Type a block of the guide; what it printed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=ROOT, env=services.env, capture_output=True, text=True,
        timeout=1500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}{services.log('prefect-worker')[-6000:]}"
    return done.stdout


def test_the_guide_leads_to_a_better_policy_in_use_by_which_the_agent_server_answers(services: Services) -> None:
    cycle, back_and_forth = GUIDE
    first = memory(services, "policy", "list")
    follow(services, cycle)
    policies = memory(services, "policy", "list")
    assert len(policies["policies"]) == len(first["policies"]) + 1
    assert policies["in_use"] != first["in_use"]
    check_artifacts(services)
    check_answer(services)
    began = time.time()
    follow(services, cycle)  # nothing of it is done again
    assert not [path for path in services.home.glob("runs/*/*/*/metrics.jsonl") if path.stat().st_mtime > began]
    assert memory(services, "policy", "list")["in_use"] == policies["in_use"]
    follow(services, back_and_forth)
    assert memory(services, "policy", "list")["in_use"] == policies["in_use"]
    kinds = [one["kind"] for one in memory(services, "policy", "log")["decisions"]]
    assert kinds[-2:] == ["rolled back", "promoted"]


def check_artifacts(services: Services) -> None:
    """The tables, the curve, the links, the checksums: nothing secret in them."""
    found = {one["key"]: one for one in api(services, "/artifacts/latest/filter", limit=200)}
    assert {"rows", "evaluation", "evaluation-report", "promotion", "train-sft-metrics"} <= set(found)
    for role in ("manager", "answerer"):
        assert {f"train-{role}-{part}" for part in ("metrics", "curve", "report", "policy")} <= set(found)
        assert found[f"train-{role}-curve"]["data"].startswith("data:image/svg+xml;base64,")
        assert re.search(r"`[0-9a-f]{64}`", found[f"train-{role}-policy"]["data"])
        assert f"grpo-{role}-progress" in found
    told = json.dumps(found) + services.log("prefect-worker") + services.log("agent-server")
    for name in ("neo4j_password", "model_key", "prefect_password", "first_token"):
        assert services.secret(name) not in told, name


def check_answer(services: Services) -> None:
    """Told a fact, the agent server keeps it in Neo4j and answers from there, by the promoted policy."""
    client = get_sync_client(url=services.url("agent-server"), headers={"Authorization": f"Bearer {services.token}"})
    with client:
        told, answer = _told_and_asked(client)
    assert [one["kind"] for one in told["operations"]] == ["add"], told
    assert told["usage"]["calls"] >= 1  # a first call more, where the server takes no schema
    assert answer["answer"]["text"] == "17 June 2023"
    assert answer["answer"]["turns"] == ["t1"]
    assert answer["usage"]["calls"] >= 1
    assert "Lesakrel" in json.dumps(memory(services, "memories", "--bank", "operator"))


def _told_and_asked(client: SyncLangGraphClient) -> tuple[Any, Any]:
    turn = {
        "id": "t1", "session": "s1", "index": 0, "speaker": "Lesakrel",
        "text": "Lesakrel plans a trip to Sadiwick on 17 June 2023.", "time": "2023-06-01T09:00:00",
    }  # fmt: skip
    told = client.runs.wait(None, "remember", input={"turn": turn})
    asked = {"question": "When is Lesakrel's trip to Sadiwick?", "asked": "2023-07-01T00:00:00"}
    return told, client.runs.wait(None, "answer", input=asked)


def test_a_killed_training_goes_on_at_its_checkpoint_in_the_same_run_and_in_the_next(services: Services) -> None:
    often = 'settings=["trainer.save_freq=5"]'
    words = ("-p", "algorithm=sft", "-p", "steps=60", "-p", often, "-p", "rows=400", *QUICK[2:])
    before = set(services.home.glob("runs/training/*/*"))
    flow_run = begin(services, "train-manager/train-manager", *words)
    folder = until(lambda: next(iter(set(services.home.glob("runs/training/*/*")) - before)))

    flow = until(lambda: _flow_process(flow_run))
    until(lambda: len(list(folder.glob("checkpoints/global_step_*/data*"))) and len(steps(folder)) >= 7)
    killed = steps(folder)[-1]
    for pid in trainers(services):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: len(steps(folder)) > killed + 10)  # the task was tried again
    assert 1 < steps(folder)[killed] <= killed + 1

    os.kill(flow, signal.SIGKILL)
    until(lambda: not trainers(services))
    stopped = len(steps(folder))
    assert prefect(services, "gcl", "update", "gpu", "--active-slots", 0).returncode == 0  # or wait for the lease's end
    run(services, "train-manager/train-manager", *words)
    assert steps(folder)[stopped] > 5
    assert steps(folder)[-1] == 60
    assert (folder / "policy" / "config.json").is_file()


def _flow_process(flow_run: str) -> int:
    """The process in which a flow run works; 0 before there is one."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            words, command = path.read_bytes().split(b"\0"), (path.parent / "cmdline").read_bytes().split(b"\0")
            if f"PREFECT__FLOW_RUN_ID={flow_run}".encode() in words and b"prefect.engine" in command:
                return int(path.parent.name)
    return 0


def test_cancelling_ends_all_that_a_training_started(services: Services) -> None:
    segments = set(SEGMENTS.glob("verl_weights_*"))
    flow_run = begin(services, "train-answerer", "-p", "steps=400", *QUICK)
    until(lambda: any("ray::" in _title(pid) for pid in trainers(services)))
    began = time.monotonic()
    done = prefect(services, "flow-run", "cancel", flow_run)
    assert done.returncode == 0, done.stdout + done.stderr
    until(lambda: not trainers(services), 120)
    print(f"cancelled within {time.monotonic() - began:.0f} s")
    state = until(lambda: _state(services, flow_run) in ("CANCELLED", "CRASHED") and _state(services, flow_run))
    assert state == "CANCELLED"
    assert set(SEGMENTS.glob("verl_weights_*")) <= segments
    limits = api(services, "/v2/concurrency_limits/filter", limit=10)
    assert [one["active_slots"] for one in limits if one["name"] == "gpu"] == [0]


def _title(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    return ""


def _state(services: Services, flow_run: str) -> str:
    found = api(services, "/flow_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
    return found[0]["state_type"]


def test_a_failure_is_told_by_the_exit_status_and_is_not_tried_again(services: Services, tmp_path: Path) -> None:
    done = prefect(services, "deployment", "run", "train-manager", "-p", "config=huge", *QUICK, "--watch")
    assert done.returncode == 1
    told = services.log("prefect-worker").partition("there is no config 'huge'")
    assert told[1] and "Retry 1/" not in told[2] and "AwaitingRetry" not in told[2]
    done = prefect(services, "deployment", "run", "train-manager", "-p", "algorithm=luck")
    assert done.returncode == 1 and "algorithm" in done.stdout + done.stderr
    done = prefect(services, "deployment", "run", "train-manager", cwd=tmp_path)  # no plugins: the short name is none
    assert done.returncode == 1
    done = prefect(services, "deployment", "run", "prepare-data/prepare-data", "-p", "rows=20", "--watch", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_its_limit_nothing_is_trained(services: Services) -> None:
    assert prefect(services, "gcl", "delete", "gpu").returncode == 0
    done = prefect(services, "deployment", "run", "train-manager", "-p", "algorithm=sft", *QUICK, "--watch")
    assert done.returncode == 1
    assert "gpu" in services.log("prefect-worker").rpartition("Beginning")[2]
