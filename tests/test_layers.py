"""Imports point one way, and each heavy dependency has one home."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("memory", "graphs", "rl", "flows")
"""Each may import itself and those before it."""

HOMES = {
    "neo4j": ["memory/stores/neo4j*.py"],
    "aiohttp": ["rl/systems/loopback.py"],
    "httpx": ["memory/embedders/endpoint.py", "graphs/*", "rl/*"],
    "sentence_transformers": ["memory/embedders/sentence.py"],
    "starlette": ["graphs/gate.py", "graphs/local/*"],
    "uvicorn": ["graphs/local/*"],
    "transformers": ["graphs/local/*", "rl/*"],
    "torch": ["graphs/local/*", "rl/*"],
    "verl": ["rl/trainer/*"],
    "hydra": ["rl/trainer/*"],
    "pyarrow": ["rl/training/*"],
    "ray": ["rl/*"],
    "nltk": ["rl/*"],
    "matplotlib": ["rl/report/*"],
    "jinja2": ["rl/report/*"],
    "langgraph": ["graphs/*"],
    "langgraph_api": ["flows/cli/serve.py"],
    "langgraph_sdk": ["graphs/auth.py"],
    "langchain": ["graphs/*"],
    "langchain_core": ["graphs/*"],
    "langchain_openai": ["graphs/*"],
    "openai": ["graphs/*"],
    "opentelemetry": ["graphs/telemetry/*"],
    "pydantic_settings": ["memory/settings.py"],
    "prefect": ["flows/*"],
    "typer": ["flows/*"],
    "rich": ["flows/*"],
    "pytest": [],
    "hypothesis": [],
}

WORKERS = "rl/systems/workers/*"
"""Each runs in another library's environment and is imported by nothing here."""
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """The full names of what a file imports, at any depth, also by `import_module("…")`."""
    package = ["memory_r1", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            first = node.args[0]
            assert isinstance(first, ast.Constant), f"{name(path)}: import_module of what is not written out"
            yield str(first.value)


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    above = LAYERS[LAYERS.index(layer) + 1 :]
    wrong = [found for found in imports(path) if found.startswith(tuple(f"memory_r1.{other}" for other in above))]
    assert not wrong, f"{layer} must not know {wrong}: imports point {' ← '.join(LAYERS)}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_heavy_dependency_stays_at_home(path: Path) -> None:
    for found in imports(path):
        homes = HOMES.get(found.partition(".")[0])
        assert homes is None or any(fnmatch(name(path), home) for home in (*homes, WORKERS)), f"{found}: only {homes}"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_the_product_is_imported_by_its_one_name(path: Path) -> None:
    wrong = [found for found in imports(path) if found.partition(".")[0] in {*LAYERS, "tests"}]
    assert not wrong, f"{wrong}: write memory_r1.…"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_reads_the_environment_at_import(path: Path) -> None:
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        assert not (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")), f"line {node.lineno}"
        todo += ast.iter_child_nodes(node)


def loaded(code: str) -> set[str]:
    """The top-level modules in a fresh interpreter after `code`."""
    show = "; import sys; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    command = [sys.executable, "-c", code + show]
    return set(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split())


MODELS = {"torch", "transformers", "sentence_transformers", "verl", "ray", "nltk", "openai", "langchain_openai"}


def test_importing_memory_and_graphs_loads_nothing_heavy() -> None:
    seen = loaded("import memory_r1.memory, memory_r1.graphs; memory_r1.graphs.build_agent")
    assert not seen & {*MODELS, "prefect", "neo4j", "typer"}


def test_all_of_memory_loads_no_model_and_no_framework() -> None:
    modules = [name(path)[:-3].replace("/", ".") for path in SOURCES if name(path).startswith("memory/")]
    wanted = [f"memory_r1.{module}" for module in modules if "neo4j" not in module]
    seen = loaded("import " + ", ".join(wanted))
    assert "numpy" in seen
    assert not seen & {*MODELS, "prefect", "neo4j", "typer", "rich", "langgraph", "langchain_core", "httpx"}


def test_the_arrows_are_seen_whichever_way_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "memory" / "stores" / "x.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import memory_r1.graphs.build\nfrom memory_r1 import rl\nfrom ... import flows\nfrom ..embedders import base\n"
        "def f():\n    from ...graphs.state import Context\n    importlib.import_module('torch')\n"
    )
    assert {
        "memory_r1.graphs.build", "memory_r1.rl", "memory_r1.flows", "memory_r1.memory.embedders.base",
        "memory_r1.graphs.state.Context", "torch",
    } <= set(imports(path))  # fmt: skip
