"""The Dockerfile and the shell scripts: linted, and what they name exists."""

import re
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.infra.compose_file import INFRA, services

ROOT = INFRA.parent
DOCKERFILE = (INFRA / "Dockerfile").read_text(encoding="utf-8")
SCRIPTS = sorted(
    path
    for path in INFRA.rglob("*")
    if path.is_file() and "secrets" not in path.parts and re.match(rb"#!.*\b(?:ba)?sh\b", path.read_bytes()[:40])
)
BIN = Path(sys.executable).parent


def test_hadolint_has_nothing_to_say() -> None:
    # DL3008: Debian removes the versions that a pin would name; the base image is what is pinned.
    command = [BIN / "hadolint", "--ignore", "DL3008", INFRA / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_images_begin_from_a_pinned_one() -> None:
    default = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(default) == 1 and re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", default[0])
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", DOCKERFILE, re.MULTILINE)
    names = {name for _, name in stages}
    assert all(source == "${PYTHON}" or source in names for source, _ in stages)
    assert {service["build"]["target"] for service in services().values() if "build" in service} <= names


def test_no_image_runs_as_root_or_without_a_health_check() -> None:
    for target in ("agent", "worker"):
        stage = re.split(rf"^FROM \S+ AS {target}$", DOCKERFILE, flags=re.MULTILINE)[1].split("\nFROM ")[0]
        users = re.findall(r"^USER (\S+)$", stage, re.MULTILINE)
        assert users == ["10001:10001"] and stage.index("USER") < stage.index("CMD")
        assert "HEALTHCHECK" in stage


def test_no_layer_holds_a_secret() -> None:
    assert not re.search(r"^(?:ENV|ARG) .*(?:PASSWORD|TOKEN|SECRET|API_KEY)", DOCKERFILE, re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored and not any(path.startswith("infra/secrets") for path in allowed)
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for path in " ".join(copied).split():
        assert path in allowed, f"{path} is copied, and .dockerignore keeps it out"
        assert (ROOT / path).exists(), path


def test_every_extra_that_an_image_installs_exists() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    lists = re.findall(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(lists) == 2
    for names in lists:
        assert set(names.split(",")) <= known.keys()


def test_the_scripts_are_found() -> None:
    assert {"secrets.sh", "prefect-setup.sh"} <= {path.name for path in SCRIPTS}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(INFRA).as_posix())
def test_shellcheck_has_nothing_to_say(path: Path) -> None:
    command = [BIN / "shellcheck", "--external-sources", "--source-path=SCRIPTDIR", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    shell = shutil.which("bash")
    assert shell and subprocess.run([shell, "-n", path], check=False).returncode == 0
    assert path.stat().st_mode & 0o111, "a script can be run"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_health_check_tells_well_from_ill() -> None:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        told = {path: _healthy(f"{base}{path}") for path in ("/ok", "/ill")}
        server.shutdown()
    assert told == {"/ok": 0, "/ill": 1}
    assert _healthy(f"{base}/ok") == 1


def _healthy(url: str) -> int:
    return subprocess.run([sys.executable, INFRA / "healthy.py", url], capture_output=True, check=False).returncode
