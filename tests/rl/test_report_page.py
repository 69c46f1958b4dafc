"""The report's page: whole, safe, the same each time, and nothing on it that comes from elsewhere."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_fixture import SMALL, Made, make_evaluation

from memory_r1.graphs.roles import Failure
from memory_r1.memory.errors import StoreUnavailableError
from memory_r1.rl.evaluation.files import ANSWERS, Place, read_run, write_run
from memory_r1.rl.evaluation.records import Found, RowInfo
from memory_r1.rl.report import charts, write_report
from memory_r1.rl.report.charts import seconds, spread
from memory_r1.rl.report.figures import Figures, figures
from memory_r1.rl.report.page import page
from memory_r1.rl.report.traces import SHOWN, pack

VOID = {"meta", "input", "br", "img", "link"}
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \" ' & $x$ {{ 7*7 }} <!--"


class Parsed(HTMLParser):
    """The page's elements, after a look that each tag is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes <{self.open[-1:]}> at {self.getpos()}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def words(self) -> str:
        return " ".join(text for tag, text in self.texts if tag not in ("script", "style"))


def blocks(text: str) -> dict[str, Any]:
    """What the page has packed, by element id."""
    found = re.findall(r'<script type="text/plain" id="([^"]+)">([A-Za-z0-9+/=]*)</script>', text)
    return {id: json.loads(gzip.decompress(base64.b64decode(packed))) for id, packed in found}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Figures:
    made = replace(SMALL, judges=("lenient:a", "strict:a"), adversarial=1)
    return figures([make_evaluation(tmp_path_factory.mktemp("page"), made)])


@pytest.fixture(scope="module")
def text(found: Figures) -> str:
    return page(found)


def test_every_tag_is_closed_and_every_id_is_there_once(text: str):
    parsed = Parsed(text)
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(set(ids)) == len(ids)
    named = {attrs["href"][1:] for _, attrs in parsed.elements if attrs.get("href", "").startswith("#")}
    pointed = {one for _, attrs in parsed.elements for one in attrs.get("aria-labelledby", "").split()}
    used = set(re.findall(r"url\(#([^)]+)\)", text)) | {
        attrs["xlink:href"][1:] for _, attrs in parsed.elements if "xlink:href" in attrs
    }
    assert used and named and pointed and used | named | pointed <= set(ids)


def test_nothing_is_fetched_and_only_the_pages_own_script_runs(text: str):
    parsed = Parsed(text)
    policy = next(one["content"] for one in parsed.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert len(scripts) == 1 and f"'sha256-{digest}'" in policy
    for _, attrs in parsed.elements:
        assert "src" not in attrs and not [name for name in attrs if name.startswith("on")]
    links = {attrs["href"] for attrs in parsed.all("a") if not attrs["href"].startswith("#")}
    assert links == {"https://arxiv.org/abs/2508.19828"}
    assert "innerHTML" not in scripts[0] and "eval(" not in scripts[0] and "fetch(" not in scripts[0]
    assert not re.search(r"@import|url\((?!#)", text)


def test_the_same_folder_gives_the_same_bytes(found: Figures, text: str, tmp_path: Path):
    folder = found.evaluation.runs[0].folder
    code = "import sys; from pathlib import Path; from memory_r1.rl.report import write_report; "
    code += "write_report([Path(sys.argv[1])], Path(sys.argv[2]), Path(sys.argv[3]))"
    command = [sys.executable, "-c", code, folder, tmp_path / "a.html", tmp_path / "a.md"]
    subprocess.run(command, check=True, timeout=120)
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == text


def test_the_table_has_the_papers_layout(found: Figures, text: str):
    parsed = Parsed(text)
    heads = [one["data-head"] for one in parsed.all("th") if "data-head" in one]
    assert heads == ["c0", "c1", "c2", "c3", "overall", "apart"]
    assert [one["colspan"] for one in parsed.all("th") if "data-head" in one][:5] == ["3"] * 5
    shown = [(one["data-g"], one["data-m"]) for one in parsed.all("th") if "data-m" in one and "hidden" not in one]
    assert shown[:3] == [("c0", "f1"), ("c0", "b1"), ("c0", "j0")] and shown[-2:] == [
        ("apart", "lf1"), ("apart", "j0"),
    ]  # fmt: skip
    cells = [one for one in parsed.all("td") if "data-m" in one]
    assert len(cells) == (3 + 16) * sum(len(found.measures(group)) for group in found.groups)
    assert "Published: LLaMA-3.1-8B" in parsed.words and "45.02" in parsed.words
    assert "not the 33 of this run" in " ".join(parsed.words.split())


def test_a_row_not_run_shows_its_reason_and_no_number(text: str):
    row = re.search(r'<tr class="missing">.*?</tr>', text, re.DOTALL)
    assert row is not None and "needs a model: give --model" in row[0]
    words = re.sub(r"<[^>]+>", " ", row[0])
    assert not re.search(r"\d+\.\d", words)


def test_the_questions_are_all_in_the_page(found: Figures, text: str):
    packed = blocks(text)
    index = packed.pop("index")
    assert index["systems"] == ["rules", "rag", "memory-r1"] and index["judges"] == ["lenient:a", "strict:a"]
    assert len(index["questions"]) == 36 and all(len(answers) == 36 for answers in index["answers"])
    assert set(packed) == {f"t-{system}-{conversation}" for system in range(3) for conversation in range(3)}
    folder = found.evaluation.runs[0].folder
    row = ANSWERS.validate_json(Place(folder, "rag").answers("conv-1").read_bytes().splitlines()[7])
    block = packed["t-1-1"]
    trace = block["questions"][row.question_id]
    told = [block["memories"][place][:2] for place in trace["found"]]
    assert told == [[memory.id, memory.text] for memory in row.found] and trace["total"] == 60
    assert [row.found[at].id for at in trace["selected"]] == list(row.selected)
    texts = [memory[0] for memory in block["memories"]]
    assert len(texts) == len(set(texts)) <= 120, "a memory stands once, however many questions find it"
    assert all(reason.startswith("It says") for reason in trace["reasons"])


def nasty(folder: Path) -> Path:
    """An evaluation whose every text tries to get out of its place."""
    made = make_evaluation(
        folder, Made({NASTY: 0.5, "b": 0.4}, {f"{NASTY} 2": NASTY}, (f"strict:{NASTY}",), 2, 4, 5, 5)
    )
    place = Place(made, NASTY)
    for name in ("conv-0", "conv-1"):
        path = place.answers(name)
        rows = [ANSWERS.validate_json(line) for line in path.read_bytes().splitlines()]
        bad = (Found(NASTY, NASTY, NASTY, None, (NASTY,)),)
        failed = (Failure("answerer", "malformed", NASTY),)
        rows = [replace(row, answer=NASTY, found=bad, selected=(NASTY,), failures=failed) for row in rows]
        path.write_bytes(b"".join(ANSWERS.dump_json(row) + b"\n" for row in rows))
    run = read_run(made)
    assert run is not None
    rows = {name: replace(info, describe={NASTY: NASTY}) for name, info in run.rows.items()}
    machine, repaired = {NASTY: NASTY, "command": NASTY}, {NASTY: 1}
    write_run(made, replace(run, rows=rows, machine=machine, repaired=repaired, split=NASTY, data_sha256=NASTY))
    return made


def test_what_was_stored_is_data(tmp_path: Path):
    text = page(figures([nasty(tmp_path)]))
    parsed = Parsed(text)
    assert "<script>alert" not in text and "<img" not in text and "{{ 7*7 }}" in parsed.words
    assert not parsed.all("img") and len(re.findall(r"<script>", text)) == 1
    assert NASTY in parsed.words
    (memory,) = blocks(text)["t-0-0"]["memories"]
    assert memory == [NASTY, NASTY, NASTY, "", [NASTY]]


def test_plots_are_text_in_the_pages_colours(found: Figures):
    drawn = [*charts.recall(found.names, found.groups, found.recalls), *charts.latency(found.names, found.costs)]
    drawn += charts.operations(found.names, found.costs)
    assert len(drawn) == 6 + 3 + 3
    for chart in drawn:
        assert chart.svg.startswith("<svg viewBox=") and chart.rows and not chart.missing
        assert f'<title id="{chart.key}-t">' in chart.svg and "<text " in chart.svg
        assert not re.search(r"(?:fill|stroke): #(?!000000|fff)", chart.svg) and "var(--s0)" in chart.svg
        assert "<metadata" not in chart.svg and "font:" not in chart.svg
        assert all(id.startswith(f"{chart.key}-") for id in re.findall(r'\bid="([^"]+)"', chart.svg))


def test_a_plot_without_data_says_what_is_missing(found: Figures):
    free = {name: found.costs[name] for name in ("rules", "rag")}
    f1 = dict.fromkeys(free, 0.3)
    asked, learned, waited = charts.quality(["rules", "rag"], f1, free)
    assert asked.missing == learned.missing == "Nothing to plot: no row called a model, so nothing was spent."
    assert not asked.svg and waited.svg and len(waited.rows) == 2
    assert charts.quality(["rules"], {}, free)[2].missing == "Nothing to plot: no row has figures for it."
    all_three = charts.quality(found.names, dict.fromkeys(found.names, 0.3), found.costs)
    assert all(chart.svg and "tokens" in chart.title for chart in all_three[:2])


def test_model_calls_stand_in_for_tokens_that_no_server_counted(found: Figures):
    one = found.costs["memory-r1"]
    uncounted = replace(one.costs.ask.usage, prompt_tokens=0, reply_tokens=0)
    costs = replace(
        one.costs, ask=replace(one.costs.ask, usage=uncounted), learn=replace(one.costs.learn, usage=uncounted)
    )
    (asked, _, _) = charts.quality(["memory-r1"], {"memory-r1": 0.5}, {"memory-r1": replace(one, costs=costs)})
    assert asked.title == "F1 against model calls for one question" and asked.rows == (("memory-r1", "1.0", "50.00"),)


def test_a_page_of_nothing_says_so(tmp_path: Path):
    text = page(figures([make_evaluation(tmp_path, replace(SMALL, systems={}, judges=()))]))
    words = " ".join(Parsed(text).words.split())
    assert (
        "No row is complete, so there is nothing to plot." in words and "No judge has looked at these answers" in words
    )
    assert blocks(text)["index"]["questions"] == []


def test_an_unfinished_row_keeps_its_traces(tmp_path: Path):
    made = make_evaluation(tmp_path)
    for kind in ("answers", "costs"):
        (made / "rag" / kind / "conv-2.jsonl").unlink()
    text = page(figures([made]))
    index = blocks(text)["index"]
    assert [answer is None for answer in index["answers"][1]] == [False] * 24 + [True] * 12
    assert "t-1-1" in blocks(text) and "t-1-2" not in blocks(text)
    assert "<b>unfinished</b> 2 of 3 conversations" in text


def test_long_lists_are_cut_and_told(tmp_path: Path):
    made = make_evaluation(tmp_path, Made({"full-context": 0.5}, {}, (), 1, 2, 150, 5))
    path = Place(made, "full-context").answers("conv-0")
    rows = [ANSWERS.validate_json(line) for line in path.read_bytes().splitlines()]
    last = rows[0].found[-1].id
    path.write_bytes(b"".join(ANSWERS.dump_json(replace(row, selected=(last,))) + b"\n" for row in rows))
    trace = blocks(page(figures([made])))["t-0-0"]["questions"]["conv-0/0"]
    assert trace["total"] == 150 and len(trace["found"]) == SHOWN + 1
    assert trace["selected"] == [SHOWN] and trace["ranks"] == [150]


def test_what_is_packed_is_the_same_each_time():
    assert pack({"a": "ü\ud800"}) == pack({"a": "ü\ud800"})
    assert json.loads(gzip.decompress(base64.b64decode(pack({"a": "ü"})))) == {"a": "ü"}


def test_a_report_is_written_wholly_or_not_at_all(tmp_path: Path):
    made = make_evaluation(tmp_path / "run")
    done = write_report([made])
    assert done.page == made / "report.html" and done.markdown == made / "report.md"
    assert done.page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert done.markdown.read_text(encoding="utf-8").startswith("# locomo, test")
    with pytest.raises(StoreUnavailableError, match="can't write"):
        write_report([made], tmp_path / "none" / "x.html")


@given(st.lists(st.floats(0, 300)).map(sorted), st.floats(1, 20))
def test_names_are_spread_in_their_order(heights: list[float], gap: float):
    placed = spread(heights, gap)
    assert len(placed) == len(heights)
    assert all(after - before >= gap - 1e-6 for before, after in pairwise(placed))
    if all(after - before > gap for before, after in pairwise(heights)):
        assert placed == pytest.approx(heights)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.00 µs"), (2e-6, "2.00 µs"), (0.00123, "1.23 ms"), (0.0123, "12.3 ms"), (0.123, "123 ms"),
     (0.99999, "1.00 s"), (1.5, "1.50 s"), (99.96, "100 s"), (125, "2 min 5 s"), (7322, "122 min 2 s")],
)  # fmt: skip
def test_times_have_a_unit_and_three_digits(value: float, shown: str):
    assert seconds(value) == shown


def test_settings_of_each_row_are_shown(text: str):
    assert "<dt>model</dt><dd>rules</dd>" in text and "79fa87e9" in text and "3 × evidence: id in another form" in text
    assert RowInfo({}).not_run == ""
