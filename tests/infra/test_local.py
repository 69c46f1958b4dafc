"""The scripts of infra/local where something is missing, wrong or in the way; nothing heavy is started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from services import ALL, LOCAL, ROOT, Services, below, since

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="infra/local needs Linux's /proc")
TOOLS = (
    "bash", "env", "dirname", "basename", "mkdir", "cat", "sed", "grep", "ls", "sort", "head", "tail", "tr", "od",
    "chmod", "mv", "flock", "readlink",
)  # fmt: skip


@pytest.fixture
def local(tmp_path: Path) -> Services:
    return Services(tmp_path / "home")


def bare(folder: Path) -> str:
    """A PATH with the shell's tools alone: no Java, no Memory-R1, no Prefect."""
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return str(folder)


def jars(folder: Path, version: str) -> str:
    """What looks like jars of Neo4j, to a script that hasn't found a Java for them."""
    (folder / "lib" / version).mkdir(parents=True)
    (folder / "lib" / version / f"neo4j-kernel-{version}.0.jar").touch()
    return str(folder)


@pytest.mark.parametrize("script", [*ALL, "wait", "up", "down", "env"])
def test_help_says_what_a_script_does_and_which_variables_it_reads(local: Services, script: str):
    said = local.call(script, "--help")
    assert said.returncode == 0 and "see common" in said.stdout and not said.stderr
    assert not (local.home / "secrets").exists()


def test_neo4j_must_be_somewhere(local: Services, tmp_path: Path):
    said = local.call("neo4j", NEO4J_JARS="")
    assert said.returncode == 1 and "set NEO4J_HOME to an unpacked distribution of Neo4j, or NEO4J_JARS" in said.stderr
    said = local.call("neo4j", NEO4J_JARS=str(tmp_path))
    assert said.returncode == 1 and f"NEO4J_JARS={tmp_path} has no jars of Neo4j in lib/" in said.stderr
    said = local.call("neo4j", NEO4J_HOME=str(tmp_path))
    assert said.returncode == 1 and f"NEO4J_HOME={tmp_path} is no distribution" in said.stderr


def test_neo4j_needs_a_java_that_is_new_enough(local: Services, tmp_path: Path):
    path, old = bare(tmp_path / "bin"), tmp_path / "old" / "bin" / "java"
    said = local.call("neo4j", NEO4J_JARS=jars(tmp_path / "a", "5.26"), PATH=path, PYTHON="no-python")
    assert said.returncode == 1 and "Neo4j 5.26 needs Java 17 or newer: install it, set JAVA_HOME" in said.stderr
    old.parent.mkdir(parents=True)
    old.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\" 2021-10-19' >&2\n")
    old.chmod(0o755)
    said = local.call("neo4j", NEO4J_JARS=jars(tmp_path / "b", "2026"), JAVA_HOME=str(old.parent.parent))
    assert said.returncode == 1 and "has no Java 21 or newer, which Neo4j 2026 needs" in said.stderr


def test_a_lost_password_is_not_replaced_by_one_that_the_data_don_t_know(local: Services):
    (local.home / "neo4j" / "data" / "dbms").mkdir(parents=True)
    said = local.call("neo4j")
    assert said.returncode == 1 and "its password is gone: put it back into" in said.stderr


@pytest.mark.parametrize("service", ["prefect-server", "prefect-worker", "model-server", "agent-server"])
def test_a_command_that_is_not_installed_is_named_with_its_extra(local: Services, tmp_path: Path, service: str):
    said = local.call(service, PATH=bare(tmp_path / "bin"))
    assert said.returncode == 1 and "on the PATH: pip install 'memory-r1[" in said.stderr


@pytest.mark.parametrize("service", ["neo4j", "prefect-server", "model-server", "agent-server"])
def test_a_port_that_is_taken_is_named(local: Services, service: str):
    with socket.create_server(("127.0.0.1", local.ports[service])):
        said = local.call(service)
    assert said.returncode != 0 and str(local.ports[service]) in said.stderr and "Traceback" not in said.stderr


def test_secrets_are_made_once_and_for_their_owner_alone(local: Services):
    script = f". {LOCAL}/common; make_secrets"
    said = [
        subprocess.run(["bash", "-c", script], env=local.given, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    files = sorted((local.home / "secrets").iterdir())
    assert {"neo4j_password", "model_key", "prefect_password"} <= {file.name for file in files}
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    values = [local.secret(name) for name in ("neo4j_password", "model_key", "prefect_password")]
    assert len(set(values)) == 3 and min(map(len, values)) >= 32
    assert not any(value in run.stdout + run.stderr for value in values for run in said)
    assert not any(value in local.call("env").stdout for value in values)


def test_the_environment_of_a_shell_names_files_and_addresses(local: Services):
    env = local.env
    assert env["MEMORY_R1_STORE"] == f"neo4j://neo4j@127.0.0.1:{local.ports['neo4j']}/neo4j"
    assert env["PREFECT_API_URL"] == local.url("prefect-server")
    assert env["MEMORY_R1_MODEL"] == f"policy@{local.url('model-server')}"
    assert Path(env["MEMORY_R1_STORE_PASSWORD_FILE"]).parent == local.home / "secrets"


def test_waiting_for_what_doesn_t_answer_ends_with_its_log(local: Services):
    (local.home / "logs").mkdir()
    (local.home / "logs" / "agent-server.log").write_text("a long story\nno such store\n")
    said = local.call("wait", "agent-server", 0)
    assert said.returncode == 1 and "agent-server doesn't answer after 0 s" in said.stderr
    assert "  no such store" in said.stderr
    assert local.call("wait", "agent-smith").returncode == 2 and local.call("wait").returncode == 2


def test_a_service_that_can_t_start_is_shown_and_leaves_nothing(local: Services, tmp_path: Path):
    said = local.call("up", "neo4j", NEO4J_JARS=str(tmp_path))
    assert said.returncode == 1 and "neo4j has ended" in said.stderr and "neo4j didn't come up" in said.stderr
    assert f"  neo4j: NEO4J_JARS={tmp_path} has no jars of Neo4j" in said.stderr
    assert not (local.home / "run" / "neo4j.pid").exists()
    assert local.call("up", "neo5j").returncode == 2


def test_a_process_that_got_the_number_of_a_service_is_left_alone(local: Services, tmp_path: Path):
    run = local.home / "run"
    run.mkdir()
    (run / "neo4j.pid").write_text(f"{os.getpid()} 12345\n")  # this process, as if it had started another time
    said = local.call("wait", "neo4j", 60)
    assert said.returncode == 1 and "neo4j has ended" in said.stderr
    said = local.call("up", "neo4j", NEO4J_JARS=str(tmp_path))
    assert "runs already" not in said.stdout
    (run / "neo4j.pid").write_text(f"{os.getpid()} 12345\n")
    assert local.call("down").returncode == 0 and not (run / "neo4j.pid").exists()


def test_down_ends_what_hears_no_sigterm_and_what_has_left_its_group(local: Services):
    deaf = "trap '' TERM; setsid sleep 300 & echo $! >\"$MEMORY_R1_HOME/child\"; wait"
    run = local.home / "run"
    run.mkdir()
    env = {**local.given, "MEMORY_R1_UP": f"{local.home}/model-server"}
    child = subprocess.Popen(["bash", "-c", deaf], env=env, start_new_session=True)
    (run / "model-server.pid").write_text(f"{child.pid} {since(child.pid)}\n")
    while not (local.home / "child").exists() or not (local.home / "child").read_text():
        assert child.poll() is None
        time.sleep(0.05)
    assert int((local.home / "child").read_text()) in below(local.home)
    said = local.call("down", MEMORY_R1_STOP="1")
    assert said.returncode == 0 and "model-server doesn't end by itself" in said.stderr
    assert child.wait(60) == -signal.SIGKILL
    assert not below(local.home)


def test_the_scripts_can_be_run_and_read():
    for script in (*ALL, "wait", "up", "down", "env"):
        assert os.access(LOCAL / script, os.X_OK), script
        subprocess.run(["bash", "-n", LOCAL / script], check=True)
    assert (ROOT / "infra" / "prefect-setup.sh").exists()
