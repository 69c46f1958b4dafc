"""The report of training runs: what each logged, curve by curve, on one page that needs nothing else."""

import json
import math
from pathlib import Path

import pytest
from training_fixture import Made, line, make_run

from memory_r1.memory.errors import FileFormatError, InputError
from memory_r1.rl.report.curves import (
    LEARNING,
    averaged,
    ends,
    parts,
    plain,
    reward,
    seconds,
    smooth,
    thinned,
    variants,
)
from memory_r1.rl.report.runs import read_runs
from memory_r1.rl.report.training import Summary, sections, summary, write_training
from tests.rl.test_report_page import NASTY, Parsed

STEPS = tuple((step, float(step)) for step in range(1, 101))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("training")
    seeds = [make_run(root / f"grpo-s{seed}", Made(seed=seed)) for seed in (1, 2)]
    return [*seeds, make_run(root / "shuffled-s1", Made(steps=40, seed=9, gain=0.0))]


# --- reading --------------------------------------------------------------------------------------------------------


def test_a_run_is_what_it_logged(folders):
    run = read_runs(folders)[0]
    logged = [json.loads(text) for text in (folders[0] / "metrics.jsonl").read_text().splitlines()]
    wanted = [(row["step"], row["data"]["actor/entropy"]) for row in logged if "actor/entropy" in row["data"]]
    assert run.points("actor/entropy") == tuple(wanted) and len(wanted) == 60
    assert [step for step, _ in run.points("memory_r1/val/reward/mean")] == [1, 10, 20, 30, 40, 50, 60]
    assert run.points("critic/not_a_number") == () == run.points("unheard/of")
    assert (run.name, run.variant, run.steps, run.best) == ("grpo-s1", "grpo", 60, (60, 0.9))
    assert run.settings["memory_r1.rewards.malformed"] == "-0.2" and run.settings["data.seed"] == "1"


def test_a_step_logged_again_counts_as_logged_last(tmp_path):
    """A run that was killed goes on from its last checkpoint."""
    rows = (2, 0.2), (3, 0.9), (3, 0.3), (4, 0.4)
    (tmp_path / "metrics.jsonl").write_text("".join(line(step, {"x": value}) for step, value in rows))
    (run,) = read_runs([tmp_path])
    assert run.points("x") == ((2, 0.2), (3, 0.3), (4, 0.4)) and run.settings == {} and run.best is None


def test_a_line_that_is_being_written_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(line(1, {"x": 1.0, "y": math.inf, "s": "text"}) + '{"step": 2, "da')
    (run,) = read_runs([tmp_path])
    assert run.series == {"x": ((1, 1.0),)}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("metrics.jsonl", "no\n", "metrics.jsonl', line 1 is not JSON"),
        ("metrics.jsonl", '{"step": 1}\n', 'line 1 has not "step" and "data"'),
        ("config.yaml", "a: [", "config.yaml' is not YAML"),
        ("best.json", '{"step": 1}', "best.json' is no best checkpoint"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path, name, text, said):
    make_run(tmp_path, Made(steps=2))
    (tmp_path / name).write_text(text)
    with pytest.raises(FileFormatError, match=said.replace(".", r"\.").replace("[", r"\[")):
        read_runs([tmp_path])


def test_folders_that_are_no_runs_or_given_twice_are_refused(folders, tmp_path):
    with pytest.raises(InputError, match="there is no training run in"):
        read_runs([tmp_path])
    with pytest.raises(InputError, match="given twice"):
        read_runs([folders[0], folders[0]])


def test_names_tell_runs_apart(tmp_path):
    runs = read_runs([make_run(tmp_path / name / "run", Made(steps=1)) for name in ("a", "b")])
    assert [run.name for run in runs] == ["a/run", "b/run"]


# --- curves ---------------------------------------------------------------------------------------------------------


def test_curves_are_means_that_keep_the_mean():
    assert smooth(STEPS)[50] == (51, 51.0) and smooth(STEPS)[0] == (1, 2.5)
    assert smooth(STEPS[:20]) == STEPS[:20], "a short curve stays as it is"
    few = thinned(STEPS, 10)
    assert few == [(5.5 + 10 * at, 5.5 + 10 * at) for at in range(10)]
    assert thinned(STEPS, 100) == list(STEPS)
    assert averaged([STEPS[:3], ((2, 4.0), (3, 5.0))]) == ((2, 3.0), (3, 4.0))
    assert ends(STEPS) == ("5.5000", "95.5000", "100.0000") and ends(()) == ("–",) * 3


def test_each_figure_states_its_figures(folders):
    runs = read_runs(folders)
    assert list(variants(runs)) == ["grpo", "shuffled"]
    train, held = reward(runs)
    assert train.columns == ("run", "first tenth", "last tenth", "last") and len(train.rows) == 3
    assert train.rows[0] == ("grpo-s1", *ends(runs[0].points("memory_r1/reward/mean")))
    assert "always NOOP" in train.svg and "oracle" in held.svg
    assert [chart.title for chart in parts(runs, "reward/")] == ["add", "update", "delete", "noop"]
    assert [chart.title for chart in parts(runs, "reward/category/")] == ["still", "two-hop"]
    titles = [chart.title for chart in plain(runs, LEARNING)]
    assert "Entropy" in titles and "Value loss" not in titles, "no critic, no figure"
    assert [row[0] for row in seconds(runs)[0].rows] == ["generation", "answering", "environment", "update"]


def test_a_run_without_a_metric_is_drawn_without_it(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(line(1, {"x": 1.0}))
    runs = read_runs([tmp_path])
    assert [one.key for one in sections(runs)] == ["reward"]
    assert all(chart.missing for chart in reward(runs)) and "logged no times" in seconds(runs)[0].missing
    assert summary(runs) == Summary(["run", "steps"], [[tmp_path.name, "1"]])
    assert write_training([tmp_path]).page.exists()


def test_supervised_runs_show_their_losses(tmp_path):
    rows = [line(step, {"train/loss": 3 / step, "val/loss": 4 / step}) for step in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("".join(rows))
    (part,) = sections(read_runs([tmp_path]))
    assert part.key == "supervised"
    assert [chart.title for chart in part.charts] == ["Loss in training", "Loss in validation"]


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_holds_everything_and_fetches_nothing(folders, tmp_path):
    done = write_training(folders, tmp_path / "page.html", tmp_path / "page.md")
    text = done.page.read_text(encoding="utf-8")
    parsed = Parsed(text)
    assert not parsed.all("script") and "default-src 'none'; style-src 'unsafe-inline'" in text
    assert not [
        value
        for _, attrs in parsed.elements
        for name, value in attrs.items()
        if value.startswith("http") and name != "xmlns" and "xlink" not in name
    ]
    ids = [attrs["id"] for _, attrs in parsed.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    for attrs in parsed.all("a"):
        assert attrs["href"].removeprefix("#") in ids
    assert "grpo (2 seeds)" in parsed.words and "2 variants of training" in parsed.words
    assert "step 60, validation reward 0.9000" in parsed.words and "memory_r1.rewards.em" in parsed.words
    assert "trainer.logger" not in parsed.words
    for row in done.summary.rows:
        for cell in row:
            assert cell in parsed.words
    assert done.page.read_bytes() == write_training(folders, tmp_path / "b.html", tmp_path / "b.md").page.read_bytes()
    table = done.markdown.read_text(encoding="utf-8")
    assert table.startswith("# Training\n\n3 runs of 2 variants, 40 to 60 steps each.") and "| grpo-s1 | 60 |" in table


def test_what_was_stored_is_data(tmp_path):
    folder = make_run(tmp_path / "run", Made(steps=3))
    rows = line(1, {f"memory_r1/reward/category/{NASTY.replace('/', '')}": 1.0, "memory_r1/reward/mean": 0.5})
    (folder / "metrics.jsonl").write_text(rows)
    (folder / "config.yaml").write_text(json.dumps({"memory_r1": {"role": NASTY}}))
    parsed = Parsed(write_training([folder]).page.read_text(encoding="utf-8"))
    assert not parsed.all("script") and not parsed.all("img") and NASTY in parsed.words
