"""verl trains on a CPU: the platform answers for it, and each patch is still needed.

When `test_verl_still_fails_without` fails for a patch, verl has mended what it works around: remove the patch.
"""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from memory_r1.memory.errors import MissingExtraError
from memory_r1.rl.trainer.cpu import patches
from memory_r1.rl.trainer.cpu.environment import MODULE, environment
from tests.tiny_models import make_model

PROBE = Path(__file__).parent.parent / "cpu_probe.py"
needs_verl = pytest.mark.skipif(not patches.installed(), reason="pip install 'memory-r1[train]'")


def probe(folder: Path, platform: str) -> dict[str, str]:
    """What `tests/cpu_probe.py` finds in a process of its own: "" for each thing that works, else the error."""
    make_model(folder / "model")
    env = os.environ | environment() | {"VERL_PLATFORM": platform, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, str(PROBE), str(folder / "model")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return probe(tmp_path_factory.mktemp("patched"), "cpu")


@pytest.fixture(scope="module")
def unpatched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return probe(tmp_path_factory.mktemp("unpatched"), "nvidia")


@needs_verl
@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(
    ("patch", "thing", "error"),
    [
        ("process_group", "process group of a Ray worker", "backend"),
        ("process_group", "process group of the SFT trainer", "backend"),
        ("value_head", "value head", "not a value head model"),
        ("pinned_memory", "reference model", "accelerator"),
        ("engines", "language model engine", "No engine registered"),
        ("engines", "value model engine", "No engine registered"),
    ],
)
def test_verl_still_fails_without(unpatched: dict[str, str], patch: str, thing: str, error: str) -> None:
    assert error in unpatched[thing], f"verl can do this by itself now ({unpatched[thing]!r}): remove {patch!r}"


@needs_verl
@pytest.mark.slow
@pytest.mark.ray
def test_everything_works_once_the_platform_is_chosen(patched: dict[str, str]) -> None:
    assert {thing: error for thing, error in patched.items() if error} == {}
    assert len(patched) > 8


@needs_verl
@pytest.mark.slow
@pytest.mark.ray
def test_another_platform_is_left_as_it_is(unpatched: dict[str, str]) -> None:
    assert unpatched["no patch applied"] == ""
    assert "no patch applied" not in patches.PATCHES
    assert unpatched["rollout is known"] == ""


def test_another_verl_is_refused_by_name() -> None:
    with pytest.raises(MissingExtraError, match=r"patches verl 0\.9\.1, and verl 0\.10\.0 is installed") as caught:
        patches.check_version("0.10.0")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.details == {"found": "0.10.0", "wanted": patches.VERL}
    patches.check_version(patches.VERL)


def test_a_launcher_learns_the_environment_without_verl() -> None:
    code = (
        "import sys; from memory_r1.rl.trainer.cpu.environment import environment; found = environment()\n"
        "assert not {'verl', 'torch', 'ray'} & set(sys.modules); print(found['VERL_USE_EXTERNAL_MODULES'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == MODULE
