"""Promotion: both policies are measured on the same questions, and the better one is published; the log says why."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from policy_worker import NOW, make_folder

from memory_r1.graphs.policies.registry import Registry
from memory_r1.memory.errors import InputError, ModelUnavailableError, SettingsError
from memory_r1.rl.metrics.bootstrap import paired
from memory_r1.rl.promotion import Score, Trial, Weighed, publish, weigh
from memory_r1.rl.promotion.weigh import METRICS, WEIGHED
from tests.rl.test_metrics import needs_punkt

RULES = {"manager": "rules"}
TINY = {"manager": "tiny", "answerer": "tiny"}
TRIAL = Trial("world:conversations=2,sessions=1,turns=8,names=120", conversations=2, questions=6, gold=True)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def made(registry: Registry, candidate: dict[str, str], gain: float | None, score: float = 0.5) -> Weighed:
    """As `weigh` would give it for a `gain` over what is in use."""
    from memory_r1.graphs.policies.types import read_candidate

    other = None if gain is None else Score(score - gain, None, None)
    difference = None if gain is None else Score(gain, gain - 0.02, gain + 0.02)
    digest = read_candidate(candidate).digest
    return Weighed(digest, registry.used(), TRIAL, 2, 12, Score(score, 0.4, 0.6), other, difference, "results")


def folder(tmp_path: Path, name: str) -> dict[str, str]:
    return {"manager": str(make_folder(tmp_path / name, name))}


@needs_punkt
def test_the_first_is_published_against_nothing_and_a_better_one_against_it(registry: Registry, tmp_path: Path):
    pytest.importorskip("transformers", reason="needs pip install 'memory-r1[local]'")
    first = asyncio.run(weigh(registry.folder, RULES, tmp_path / "out", TRIAL))
    assert (first.in_use, first.in_use_score, first.difference) == ("", None, None)
    assert (first.conversations, first.questions) == (2, 12)
    done = publish(registry.folder, RULES, first, 0.01, "run 1", NOW)
    assert done.promoted and done.previous == "" and done.reason.startswith("the first policy, with none to compare")

    steps = []
    second = asyncio.run(weigh(registry.folder, TINY, tmp_path / "out", TRIAL, on_step=steps.append))
    assert {step.system for step in steps} == {"candidate", "in-use"} and second.in_use == done.version
    assert second.in_use_score == first.candidate_score  # measured again, on the same questions
    assert second.difference is not None
    assert second.difference.mean == pytest.approx(second.candidate_score.mean - second.in_use_score.mean)
    values = [scored(second, row) for row in ("candidate", "in-use")]
    clusters = [conversation for conversation, _ in values[0]]
    assert Score(*paired(list(values[0].values()), list(values[1].values()), clusters)) == second.difference

    better = publish(registry.folder, TINY, second, 0.01, "run 2", NOW)
    assert better.promoted == (second.difference.mean >= 0.01)
    assert better.scores == second.data() and json.loads(json.dumps(better.data()))["margin"] == 0.01
    assert WEIGHED.validate_python(second.data()) == second

    known = []
    again = asyncio.run(weigh(registry.folder, RULES, tmp_path / "out", TRIAL, on_step=known.append))
    assert again.difference is not None and again.in_use == registry.used()


def scored(weighed: Weighed, row: str) -> dict[tuple[str, str], float]:
    """The scores in the results folder, as anyone may read them."""
    found = {}
    for path in sorted(Path(weighed.folder, row, "answers").iterdir()):
        for line in path.read_text().splitlines():
            answer = json.loads(line)
            convention, name = METRICS[weighed.trial.metric]
            found[answer["conversation"], answer["question_id"]] = answer["scores"][convention][name]
    return found


@needs_punkt
def test_the_same_call_goes_on_where_it_stopped(registry: Registry, tmp_path: Path):
    trial = replace(TRIAL, metric="f1")

    class Stop(Exception):
        pass

    def stop(step: object) -> None:
        if getattr(step, "questions", 0) and not getattr(step, "known", True):
            raise Stop

    with pytest.raises(Stop):
        asyncio.run(weigh(registry.folder, RULES, tmp_path / "out", trial, on_step=stop))
    steps = []
    done = asyncio.run(weigh(registry.folder, RULES, tmp_path / "out", trial, on_step=steps.append))
    assert any(step.known and step.turns for step in steps) and done.questions == 12
    fresh = asyncio.run(weigh(registry.folder, RULES, tmp_path / "fresh", trial))
    assert fresh.candidate_score == done.candidate_score
    assert [path.name for path in (tmp_path / "out").iterdir()] == [Path(fresh.folder).name]


@needs_punkt
def test_what_is_in_use_already_is_measured_once_and_not_published_again(registry: Registry, tmp_path: Path):
    publish(registry.folder, RULES, None, 0, "by hand", NOW, "the first")
    weighed = asyncio.run(weigh(registry.folder, RULES, tmp_path / "out", TRIAL))
    assert weighed.difference == Score(0.0, 0.0, 0.0) and weighed.in_use_score == weighed.candidate_score
    done = publish(registry.folder, RULES, weighed, 0.0, "run", NOW)
    assert (done.kind, done.reason) == ("kept", f"{done.version} is in use already") and len(registry.ids()) == 1


@pytest.mark.parametrize(("gain", "promoted"), [(0.0099, False), (0.01, True), (0.3 - 0.29, True), (-0.2, False)])
def test_the_margin_decides(registry: Registry, tmp_path: Path, gain: float, promoted: bool):
    publish(registry.folder, RULES, None, 0, "by hand", NOW, "the first")
    candidate = folder(tmp_path, "a")
    done = publish(registry.folder, candidate, made(registry, candidate, gain), 0.01, "run", NOW)
    assert done.promoted is promoted and (len(registry.ids()) == 2) is promoted
    assert f"{100 * gain:+.1f} points (95 % interval" in done.reason
    assert ("less than the margin of 1.0" in done.reason) is not promoted
    assert [one.kind for one in registry.decisions()] == ["promoted", "promoted" if promoted else "kept"]
    if promoted:
        assert registry.policy(done.version).scores == done.scores


def test_what_was_weighed_against_another_policy_is_not_published(registry: Registry, tmp_path: Path):
    publish(registry.folder, RULES, None, 0, "by hand", NOW, "the first")
    slow, fast = folder(tmp_path, "slow"), folder(tmp_path, "fast")
    late, early = made(registry, slow, 0.2), made(registry, fast, 0.1)
    assert publish(registry.folder, fast, early, 0.01, "run", NOW).promoted
    done = publish(registry.folder, slow, late, 0.01, "run", NOW)
    assert not done.promoted and "was weighed against v0001" in done.reason and "weigh it again" in done.reason


def test_what_was_rolled_back_comes_back_only_by_force(registry: Registry, tmp_path: Path):
    publish(registry.folder, RULES, None, 0, "by hand", NOW, "the first")
    candidate = folder(tmp_path, "a")
    id = publish(registry.folder, candidate, made(registry, candidate, 0.1), 0.01, "run", NOW).version
    registry.rollback("", "rude", NOW, "me")
    done = publish(registry.folder, candidate, made(registry, candidate, 0.1), 0.01, "run", NOW)
    assert not done.promoted and f"{id} was rolled back on 2026-03-01 (rude)" in done.reason
    assert publish(registry.folder, candidate, None, 0, "me", NOW, "it is polite now").version == id


def test_the_same_call_after_a_crash_ends_the_same(registry: Registry, tmp_path: Path):
    publish(registry.folder, RULES, None, 0, "by hand", NOW, "the first")
    candidate = folder(tmp_path, "a")
    weighed = made(registry, candidate, 0.1)
    done = publish(registry.folder, candidate, weighed, 0.01, "run", NOW)
    assert publish(registry.folder, candidate, weighed, 0.01, "run", NOW) == done
    assert len(registry.decisions()) == 2


def test_wrong_use_is_refused_before_anything_is_done(registry: Registry, tmp_path: Path):
    candidate = folder(tmp_path, "a")
    with pytest.raises(InputError, match="needs a reason"):
        publish(registry.folder, candidate, None, 0.01, "me", NOW, " ")
    with pytest.raises(InputError, match="margin 5 is not in"):
        publish(registry.folder, candidate, made(registry, candidate, None), 5, "me", NOW)
    with pytest.raises(InputError, match="what was weighed is not this candidate"):
        publish(registry.folder, RULES, made(registry, candidate, None), 0.01, "me", NOW)
    with pytest.raises(InputError, match="there is no metric 'vibes'"):
        asyncio.run(weigh(registry.folder, candidate, tmp_path / "out", Trial(metric="vibes")))
    with pytest.raises(InputError, match="holds a secret") as refused:
        asyncio.run(weigh(registry.folder, candidate, tmp_path / "out", Trial(url="http://me:hush@host/v1")))
    assert "hush" not in str(refused.value)
    with pytest.raises(SettingsError, match="plays no extractor"):
        asyncio.run(weigh(registry.folder, {"extractor": "tiny"}, tmp_path / "out"))
    assert not registry.folder.exists()


@needs_punkt
def test_a_candidate_that_can_t_be_asked_is_not_weighed(registry: Registry, tmp_path: Path):
    with pytest.raises(ModelUnavailableError):
        asyncio.run(weigh(registry.folder, {"answerer": "openai:m@http://127.0.0.1:9/v1"}, tmp_path / "out", TRIAL))
