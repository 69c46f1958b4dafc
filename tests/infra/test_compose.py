"""compose.yaml: valid by Compose's schema, pinned, locked up, and every command and variable in it is one of ours."""

import json
import re
import shlex
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from memory_r1.graphs.policies.registry import Registry
from memory_r1.graphs.tokens import Keys
from memory_r1.memory.settings import Settings
from tests.infra.compose_file import COMPOSE, ELSEWHERE, INFRA, compose, parses, services

ROOT = INFRA.parent
NAMES = sorted(services())
ONE_SHOT = {"prefect-setup", "first-start"}
UNWATCHED = {"collector"}
"""What nothing waits for, and whose image has nothing to ask it with."""
OTHERS_VARIABLES = re.compile(
    r"NEO4J_AUTH_FILE|NEO4J_(?:server|dbms|db)_\w+|PREFECT_\w+|HF_HUB_OFFLINE|HOME|USER|VLLM_\w+|GPU_SLOTS|OTEL_\w+"
    r"|COLLECTOR_HOST|TRACES_ENDPOINT"
)


def of(name: str) -> dict[str, Any]:
    return services()[name]


def test_the_schema_of_compose_holds(tmp_path: Path) -> None:
    read = tmp_path / "compose.json"
    read.write_text(json.dumps({key: value for key, value in compose().items() if not key.startswith("x-")}))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    for file in (COMPOSE, read):  # as written, with its anchors and variables; and as Compose merges it
        done = subprocess.run([*check, str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_schema_would_notice(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.json"
    wrong.write_text(json.dumps({"services": {"one": {"image": "a", "helthcheck": {}}}}))
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_pinned(name: str) -> None:
    image = of(name)["image"]
    assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", image)
    if image.startswith("memory-r1-"):
        assert image.endswith(f":{_version()}"), "the images are named after the version of the package"
        assert of(name)["build"]["dockerfile"] == "infra/Dockerfile"
        assert (COMPOSE.parent / of(name)["build"]["context"]).resolve() == ROOT


def _version() -> str:
    return re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[0]


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_without_rights(name: str) -> None:
    service = of(name)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("read_only") is True or name == "neo4j"
    refused = {"privileged", "pid", "ipc", "userns_mode", "devices", "cgroup_parent"} & service.keys()
    assert not refused and service.get("network_mode", "none") == "none"
    assert "docker.sock" not in json.dumps(service)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_limited_watched_and_started_again(name: str) -> None:
    service = of(name)
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    if name in ONE_SHOT:
        assert service["healthcheck"] == {"disable": True} and service["restart"].startswith("on-failure")
        return
    assert service["restart"] == "unless-stopped"
    if name in UNWATCHED:
        assert not [other for other in NAMES if name in of(other).get("depends_on", {})]
        return
    assert service["healthcheck"]["test"][0] == "CMD" and service["healthcheck"]["start_period"]


@pytest.mark.parametrize("name", NAMES)
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    ports = of(name).get("ports", [])
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in ports)
    assert bool(ports) == (name in ("agent", "prefect-server", "collector"))
    if "expose" in of(name) or name in ("neo4j", "model-server", "manager-model", "answerer-model"):
        assert set(of(name)["networks"]) == {"inside"}
    assert compose()["networks"]["inside"] == {"internal": True}


@pytest.mark.parametrize("name", NAMES)
def test_what_it_waits_for_can_come(name: str) -> None:
    for other, how in of(name).get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert how["condition"] == wanted
        profiles = set(of(other).get("profiles", []))
        assert not profiles or profiles == set(of(name).get("profiles", [])) or how.get("required") is False


@pytest.mark.parametrize("name", NAMES)
def test_what_it_mounts_is_declared(name: str) -> None:
    service = of(name)
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        assert source in compose()["volumes"] and target.startswith("/") and mode in ([], ["ro"])
    secrets = service.get("secrets", [])
    assert set(secrets) <= compose()["secrets"].keys()
    told = json.dumps([service.get("environment", {}), service.get("command", [])])
    assert set(re.findall(r"/run/secrets/(\w+)", told)) == set(secrets)


@pytest.mark.parametrize("name", NAMES)
def test_every_variable_is_known(name: str) -> None:
    for variable, value in of(name).get("environment", {}).items():
        assert isinstance(value, str), f"{variable}: YAML would make {value!r} of it"
        if variable.startswith("MEMORY_R1_"):
            field = variable.removeprefix("MEMORY_R1_").lower()
            known = field in Settings.model_fields or field.removesuffix("_file") in Settings.model_fields
            assert known or variable in ELSEWHERE, variable
        else:
            assert OTHERS_VARIABLES.fullmatch(variable), variable


SECRET = re.compile(r"pass(?!word_file)|secret|token|_auth(?!_file)|api_key(?!_file)", re.IGNORECASE)


def test_no_password_stands_in_it() -> None:
    for name, service in services().items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable):
                assert value.startswith("/run/secrets/"), f"{name}: {variable}"
            assert not re.search(r"://[^/@\s]*:[^/@\s]+@", value), f"{name}: a password in {variable}"
    for secret in compose()["secrets"].values():
        assert set(secret) == {"file"} and secret["file"].startswith("./secrets/")


def test_the_secrets_are_those_that_the_script_makes(tmp_path: Path) -> None:
    made = secrets(tmp_path / "secrets")
    assert {Path(secret["file"]).name for secret in compose()["secrets"].values()} <= made.keys()


@cache
def secrets(folder: Path) -> dict[str, Path]:
    done = subprocess.run([INFRA / "secrets.sh", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {path.name: path for path in folder.iterdir()}
    told = done.stdout + done.stderr
    assert not [path for path in made.values() if path.read_text() in told], "a secret was printed"
    return made


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name, path in made.items():
        mode = stat.S_IMODE(path.stat().st_mode)
        mounted = name in {Path(secret["file"]).name for secret in compose()["secrets"].values()}
        assert mode == (0o444 if mounted else 0o600), name
    before = {name: path.read_bytes() for name, path in made.items()}
    subprocess.run([INFRA / "secrets.sh", folder], capture_output=True, check=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    password = before["neo4j_password"].decode()
    assert re.fullmatch(r"[0-9a-f]{64}", password)
    assert before["neo4j_auth"].decode() == f"neo4j/{password}"
    assert len({before[name] for name in ("neo4j_password", "model_key", "prefect_password")}) == 3


def test_a_secret_that_was_lost_is_made_again_and_no_other_changes(tmp_path: Path) -> None:
    made = secrets(tmp_path / "secrets")
    before = {name: path.read_bytes() for name, path in made.items() if name != "model_key"}
    made["model_key"].unlink()
    again = subprocess.run([INFRA / "secrets.sh", tmp_path / "secrets"], capture_output=True, text=True, check=True)
    assert again.stdout.count("made ") == 1 and made["model_key"].read_text()
    assert {name: made[name].read_bytes() for name in before} == before


def _ours() -> list[list[str]]:
    found = [list(service["command"]) for service in services().values() if "command" in service]
    for script in INFRA.glob("*.sh"):
        told = script.read_text(encoding="utf-8").replace("\\\n", " ")
        found += [shlex.split(line) for line in re.findall(r"(?<=[ |&;])memory-r1 (?!--type)[^|&;>#\n]+", told)]
    return [words for words in found if words[0] == "memory-r1"]


@pytest.mark.parametrize("words", _ours(), ids=" ".join)
def test_every_command_of_ours_is_one(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(INFRA)
    parses(words[1:])


def test_the_commands_of_the_scripts_are_seen() -> None:
    assert ["memory-r1", "token", "add", "operator", "--tokens", "tokens.json"] in _ours()


def test_the_first_start_makes_a_token_and_a_policy_once(tmp_path: Path) -> None:
    tokens, policies = tmp_path / "tokens", tmp_path / "policies"
    tokens.mkdir()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    env = {"PATH": path, "HOME": str(tmp_path), "MEMORY_R1_POLICIES": str(policies)}
    command = ["sh", str(INFRA / "first-start.sh"), str(tokens)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tokens / "first_token").read_text().strip()
    assert text and text not in done.stdout + done.stderr
    assert Keys(tokens / "tokens.json").find(text) and Registry(policies).in_use()
    assert stat.S_IMODE((tokens / "first_token").stat().st_mode) == 0o600
    before = {file: file.read_bytes() for file in (*tokens.iterdir(), policies / "log.jsonl")}
    subprocess.run(command, env=env, capture_output=True, check=True)
    assert {file: file.read_bytes() for file in before} == before


def test_a_wrong_command_would_be_noticed() -> None:
    with pytest.raises(Exception, match="nonsense"):
        parses(["serve", "--nonsense"])


def test_the_two_profiles_start_a_model_server_and_a_worker_each() -> None:
    for profile in ("cpu", "gpu"):
        names = [name for name in NAMES if of(name).get("profiles", [profile]) == [profile]]
        aliases = [alias for name in names for alias in _aliases(of(name))]
        assert sorted(aliases) == ["answerer-model", "manager-model"]
        assert len([name for name in names if name.startswith("worker")]) == 1


def _aliases(service: dict[str, Any]) -> list[str]:
    networks = service.get("networks", [])
    return networks["inside"].get("aliases", []) if isinstance(networks, dict) else []


def test_make_says_what_is_missing_without_compose(tmp_path: Path) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["make", "up"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "compose plugin" in done.stderr and "infra/local" in done.stderr
    assert not (INFRA / "secrets").exists() or "made" not in done.stdout
