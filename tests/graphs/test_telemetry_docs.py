"""What is reported, what the page lists, and what the dashboard asks for are the same names."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import REGISTRY
from telemetry_story import Watch, everything

from memory_r1.graphs.telemetry.names import ATTRIBUTES, CONTENT, METRICS, SPANS
from memory_r1.memory.logs import ALWAYS, FIELDS, SOMETIMES

INFRA = Path(__file__).resolve().parents[2] / "infra"
PAGE = (INFRA / "OBSERVABILITY.md").read_text(encoding="utf-8")
BOARD = json.loads((INFRA / "observability" / "dashboard.json").read_text(encoding="utf-8"))
FUNCTIONS = {"sum", "by", "rate", "histogram_quantile", "le", "job"}


def section(name: str) -> str:
    return PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]


def rows(name: str) -> dict[str, str]:
    """The tables of a section: what stands in the first column as code, and the rest of its row."""
    return {found[1]: found[2] for found in re.finditer(r"^\| `([^`]+)` \| (.*) \|$", section(name), re.MULTILINE)}


@pytest.fixture(scope="module")
def samples() -> dict[str, set[str]]:
    """By the name of each sample that Prometheus would get from the story: its labels."""
    reader = PrometheusMetricReader()
    try:
        asyncio.run(everything(Watch(readers=(reader,))))
        found: dict[str, set[str]] = {}
        for sample in (sample for family in REGISTRY.collect() for sample in family.samples):
            found.setdefault(sample.name, set()).update(sample.labels)
        return found
    finally:
        reader.shutdown()


def test_the_page_lists_all_spans_attributes_metrics_and_fields() -> None:
    assert rows("Spans") == dict(SPANS)
    assert rows("Attributes") == {**ATTRIBUTES, **CONTENT}
    assert rows("Log lines") == {**ALWAYS, **FIELDS, **SOMETIMES}
    listed = rows("Metrics")
    assert list(listed) == [metric.name for metric in METRICS]
    for metric in METRICS:
        _, unit, tells, labels = listed[metric.name].split(" | ")
        assert (unit, tells) == (f"`{metric.unit}`", f"{metric.kind}: {metric.tells}")
        assert re.findall(r"`([^`]+)`", labels) == list(metric.labels)


def test_the_page_names_metrics_as_prometheus_gets_them(samples: dict[str, set[str]]) -> None:
    for metric in METRICS:
        name = rows("Metrics")[metric.name].split(" | ")[0].strip("`")
        assert (name if metric.kind == "counter" else f"{name}_bucket") in samples, metric.name


def queries() -> Iterator[str]:
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in BOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"label_values\((.*), (\w+)\)", r"sum by (\2) (\1)", variable["query"]["query"])


def test_the_dashboard_asks_for_nothing_that_is_not_there(samples: dict[str, set[str]]) -> None:
    asked: set[str] = set()
    for query in queries():
        bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", query)
        words = set(re.findall(r"[a-z][a-z0-9_]*", bare)) - FUNCTIONS
        names = words & samples.keys()
        assert len(names) == 1, query
        assert words - names <= samples[names.pop()], query
        asked |= words & samples.keys()
    reported = {metric.name.replace(".", "_") for metric in METRICS}
    assert all(any(name.startswith(base) for name in asked) for base in reported), "a metric that no panel shows"


def test_the_dashboard_holds_together() -> None:
    panels: list[Any] = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    variables = {variable["name"] for variable in BOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(BOARD))) - {"__rate_interval", "__all"}
    assert used == variables


def test_the_collector_takes_otlp_and_hands_on_metrics_and_traces() -> None:
    config = yaml.safe_load((INFRA / "observability" / "collector.yaml").read_text(encoding="utf-8"))
    for kind, pipeline in config["service"]["pipelines"].items():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= config[part].keys(), (kind, part)
    assert config["service"]["pipelines"].keys() == {"metrics", "traces"}
    assert config["exporters"]["prometheus"]["add_metric_suffixes"] is True
    assert "127.0.0.1" in config["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
