"""memory-r1 serve-model: what it refuses before it serves."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from command import run

pytest.importorskip("starlette", reason="needs pip install 'memory-r1[model-server]'")


def test_other_machines_are_let_in_with_a_key_only(tmp_path: Path):
    refused = run("serve-model", "--registry", tmp_path, "--host", "0.0.0.0", env={"MEMORY_R1_API_KEY": ""})
    assert refused.exit_code == 2 and "MEMORY_R1_API_KEY" in refused.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve-model", "--registry", tmp_path, "--port", port)
    assert refused.exit_code == 2 and f"can't listen on 127.0.0.1:{port}" in refused.stderr


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    refused = run("serve-model", tmp_path)
    assert refused.exit_code == 2 and f"the folder {str(tmp_path)!r} lacks config.json" in refused.stderr
    refused = run("serve-model", tmp_path / "none")
    assert refused.exit_code == 2 and "there is no folder" in refused.stderr
