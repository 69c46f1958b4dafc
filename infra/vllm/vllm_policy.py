"""Run vLLM on the folder that plays a role in the policy in use, and again on the next one when another is promoted.

    vllm_policy.py --registry DIR --role manager --key FILE     serve, in the foreground
    vllm_policy.py --healthy                                    exit 0 if what is to be served is served

Needs nothing but Python and `vllm`, so it runs in vLLM's own image. The model's name is the folder's absolute path, as
`policy:DIR@URL` asks for it. A role that no folder plays (rules, another endpoint) needs no server: it waits for one
that does. `VLLM_SHARE`: the share of the GPU's memory to take.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import FrameType

STATE = Path("/tmp/vllm_policy")
"""What is being served, for the health check; empty for nothing."""
PAUSE = 2.0
"""Seconds between two looks at the policy in use."""
GRACE = 30.0
"""Seconds that a server gets to end."""


def folder(registry: Path, role: str) -> Path | None:
    """The folder that plays `role` in the policy in use; None where none does."""
    pointer = registry / "in_use.json"
    if not pointer.exists():
        return None
    version = registry / "versions" / json.loads(pointer.read_bytes())["version"]
    player = json.loads((version / "policy.json").read_bytes())["roles"][role]
    return (version / player.removeprefix("./")).absolute() if player.startswith("./") else None


def command(model: Path, port: int) -> list[str]:
    """The command line that serves `model`."""
    name, share = str(model), os.environ.get("VLLM_SHARE", "0.9")
    return [
        "vllm", "serve", name, "--served-model-name", name, "--host", "0.0.0.0", "--port", str(port),
        "--gpu-memory-utilization", share,
    ]  # fmt: skip


def serve(registry: Path, role: str, key: Path, port: int) -> int:
    """Serve until SIGTERM, or until vLLM ends by itself; returns the exit status."""
    signal.signal(signal.SIGTERM, _stop)
    env = {**os.environ, "VLLM_API_KEY": key.read_text(encoding="utf-8").strip()}
    while True:
        model = folder(registry, role)
        STATE.write_text(f"{model or ''}\n{port}\n", encoding="utf-8")
        if model is None:
            time.sleep(PAUSE)
            continue
        server = subprocess.Popen(command(model, port), env=env)
        try:
            while server.poll() is None and folder(registry, role) == model:
                time.sleep(PAUSE)
            if server.returncode is not None:
                return server.returncode or 1
        finally:
            _end(server)


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(GRACE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def healthy() -> bool:
    """Whether what is to be served is served; nothing to be served is well, too."""
    try:
        model, port = STATE.read_text(encoding="utf-8").split("\n")[:2]
        if model:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=3):
                pass
    except (OSError, ValueError):
        return False
    return True


def main() -> int:
    """Read the command line, and do as it says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--healthy", action="store_true", help="only say whether it is well")
    parser.add_argument("--registry", type=Path, help="the policy registry")
    parser.add_argument("--role", choices=("manager", "answerer", "extractor"))
    parser.add_argument("--key", type=Path, help="a file with the key that clients must bring")
    parser.add_argument("--port", type=int, default=8000)
    given = parser.parse_args()
    if given.healthy:
        return 0 if healthy() else 1
    if not (given.registry and given.role and given.key):
        parser.error("--registry, --role and --key are needed")
    return serve(given.registry, given.role, given.key, given.port)


if __name__ == "__main__":
    sys.exit(main())
