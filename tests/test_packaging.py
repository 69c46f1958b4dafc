"""What is installed is what is here, under one name; and the checkout holds nothing that belongs elsewhere."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("memory", "graphs", "rl", "flows")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]

INFO = f"memory_r1-{PROJECT['project']['version']}.dist-info"
"""What tells an installer about the wheel."""

AT_ROOT = {*LAYERS, "infra", "tests", "Makefile", "LICENSE", "README.md", "pyproject.toml"}
"""What stands at the root, besides dotfiles."""


def tracked() -> list[Path]:
    """The files that belong to the project: tracked by git, or about to be."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is no list of the project's files")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def sources() -> set[str]:
    """Every Python file of the layers, as the wheel must name it."""
    return {installed(path) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")}


def installed(path: Path) -> str:
    return f"memory_r1/{path.relative_to(ROOT).as_posix()}"


def test_every_folder_of_code_is_a_declared_package() -> None:
    folders = {Path(name).parent.as_posix().replace("/", ".") for name in sources()}
    assert set(SETUPTOOLS["packages"]) == {"memory_r1", *folders}
    assert len(SETUPTOOLS["packages"]) == len(set(SETUPTOOLS["packages"]))


def test_every_declared_package_says_that_it_is_one() -> None:
    missing = [
        name for name in SETUPTOOLS["packages"] if name != "memory_r1" and not (place(name) / "__init__.py").is_file()
    ]
    assert not missing


def place(package: str) -> Path:
    return ROOT.joinpath(*package.split(".")[1:])


def test_type_checkers_see_the_same_packages() -> None:
    typing = ROOT / "infra" / "typing" / "memory_r1"
    for layer in LAYERS:
        assert (typing / layer).resolve() == ROOT / layer
    assert (typing / "__init__.py").read_bytes() == (ROOT / "infra" / "package" / "__init__.py").read_bytes()


def test_the_versions_agree() -> None:
    text = (ROOT / "infra" / "package" / "__init__.py").read_text(encoding="utf-8")
    assert f'__version__ = "{PROJECT["project"]["version"]}"' in text


def test_each_promised_extra_is_there() -> None:
    assert {"neo4j", "embed", "serve", "rl", "flows", "dev"} <= PROJECT["project"]["optional-dependencies"].keys()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("wheel") / "checkout"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", ".*")
    for layer in (*LAYERS, "infra"):
        shutil.copytree(ROOT / layer, copy / layer, symlinks=True, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, copy)
    build = "from setuptools import build_meta; print(build_meta.build_wheel('out'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the wheel can't be built (setuptools >= 77 is needed):\n{done.stderr[-2000:]}"
    return zipfile.ZipFile(copy / "out" / done.stdout.splitlines()[-1])


def test_the_wheel_holds_every_source_file_and_nothing_generic(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    code = {name for name in names if name.endswith(".py")}
    assert code == sources() | {"memory_r1/__init__.py"}
    assert {name.split("/")[0] for name in names} == {
        "memory_r1",
        f"memory_r1-{PROJECT['project']['version']}.dist-info",
    }


def test_the_wheel_holds_the_data_that_the_code_reads(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert "memory_r1/py.typed" in names
    here = {path for layer in LAYERS for path in (ROOT / layer).rglob("*") if path.is_file() and path.suffix != ".pyc"}
    data = {path for path in here if path.suffix not in (".py", ".md") and "egg-info" not in str(path)}
    assert set(map(installed, data)) <= names


def test_the_wheel_names_its_command_its_licence_and_its_extras(wheel: zipfile.ZipFile) -> None:
    assert "memory-r1 = memory_r1.flows.cli:main" in wheel.read(f"{INFO}/entry_points.txt").decode()
    assert wheel.read(f"{INFO}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    metadata = wheel.read(f"{INFO}/METADATA").decode()
    assert "Provides-Extra: neo4j" in metadata
    core = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not [line for line in core if re.search(r"torch|verl|ray\b|prefect|neo4j|openai|sentence", line)]


def test_at_the_root_stand_only_the_folders_and_what_tools_demand_there() -> None:
    names = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in names if not name.startswith(".")} <= AT_ROOT


FORBIDDEN = {
    "an absolute path of one machine": r"(?<![\w.~-])/(?:work|root|home|Users|opt/py\w+)/[\w.-]+",
    "a home directory on Windows": r"[A-Z]:\\\\?Users\\",
    "a package index of one place": r"(?:extra-index|index|find)-(?:url|links)\s*[= ]\s*\S",
    "a private key": r"BEGIN (?:\w+ )*PRIVATE KEY",
    "an API key": r"\b(?:sk-[A-Za-z0-9]{24,}|ghp_[A-Za-z0-9]{30,}|hf_[A-Za-z]{30,})",
    "an unresolved merge": r"^(?:<{7}|>{7}) ",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]!r}"
        for path in tracked()
        if path != Path(__file__).resolve()
        for match in pattern.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, f"{what}: {found}"


TINY = ROOT / "graphs" / "local" / "tiny"
"""The policy that the package brings: a few megabytes."""


def test_no_file_is_a_data_set_or_a_leftover() -> None:
    large = [path for path in tracked() if path.stat().st_size > (8_000_000 if path.parent == TINY else 300_000)]
    left = [path for path in tracked() if path.suffix in {".db", ".pyc", ".log", ".orig", ".rej", ".whl", ".jar"}]
    sets = [path for path in tracked() if path.name.startswith("locomo") and path.suffix == ".json"]
    assert not large + left + sets


def test_files_stay_short_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in LAYERS
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 350
    }
    assert not long
