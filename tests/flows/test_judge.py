"""judge run, probe and agree: what they print, keep, send, and say when something goes wrong."""

import json
import re
import signal
import threading
from pathlib import Path

import pytest
from command import process, read, run, start
from judge_model import overlap, row, says, shown
from model_server import Hang, ModelServer, Status

from memory_r1.flows.cli.shared import Options
from memory_r1.flows.evaluating import judge_options
from memory_r1.rl.evaluation.evaluate import held
from memory_r1.rl.evaluation.files import ANSWERS, Place, read_run, write_run
from memory_r1.rl.evaluation.records import RowInfo, RunInfo
from memory_r1.rl.judge import read_verdicts


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An evaluation of two systems over two conversations of ten questions, one of them not finished by "rag"."""
    for name in ("API_KEY", "JUDGE_API_KEY"):
        monkeypatch.delenv(f"MEMORY_R1_{name}", raising=False)
    out = tmp_path / "results"
    for system, answer in (("rules", "a dog"), ("rag", "some cat or dog")):
        for conversation in ("one", "two"):
            path = Place(out, system).answers(conversation)
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [row(at, answer if at else "a dog", conversation=conversation) for at in range(10)]
            named = [ANSWERS.dump_python(one) | {"question_id": f"{conversation}/{at}"} for at, one in enumerate(rows)]
            text = b"".join(ANSWERS.dump_json(ANSWERS.validate_python(one)) + b"\n" for one in named)
            part = path.with_name(path.name + ".part") if (system, conversation) == ("rag", "two") else path
            part.write_bytes(text)
    lines = {"rules": RowInfo({}), "rag": RowInfo({}), "mem0": RowInfo({}, not_run="needs a model")}
    write_run(out, RunInfo("made", "test", ("one", "two"), 20, lines, (), {"single-hop": "Open Domain"}, "0", {}))
    return out


def at(server: ModelServer) -> str:
    return f"openai:tiny@{server.url}"


def test_an_evaluation_is_judged_once_and_names_its_judges(results: Path):
    with ModelServer([overlap]) as server:
        words = ("judge", "run", results, "--judge", at(server), "--style", "lenient,strict")
        found = read(*words)
        asked = len(server.requests)
        again = run(*words)
        assert len(server.requests) == asked
    assert [(one["system"], one["answers"], one["correct"], one["unusable"]) for one in found["judged"]] == [
        ("rules", 20, 20, 0), ("rag", 10, 10, 0), ("rules", 20, 20, 0), ("rag", 10, 1, 0)
    ]  # fmt: skip
    assert found["usage"]["calls"] == asked == 2 * (10 + 9)  # both conversations ask alike, and rag's first is rules'
    assert [judge.split(":")[0] for judge in read_run(results).judges] == ["lenient", "strict"]
    assert "Model calls: 0." in again.stdout and "10.0" in again.stdout


def test_judges_that_have_judged_are_compared(results: Path):
    assert "there are no verdicts" in failed(2, "judge", "agree", results)
    with ModelServer([overlap]) as server:
        run("judge", "run", results, "--judge", at(server))
        assert "alone has judged" in failed(2, "judge", "agree", results)
        run("judge", "run", results, "--judge", at(server), "--style", "strict")
        (pair,) = read("judge", "agree", results)
        assert (pair["answers"], pair["agreed"], pair["kappa"]) == (30, 0.7, 0.0)
        assert pair["table"]["CORRECT"] == {"CORRECT": 21, "WRONG": 9}
        shown_text = run("judge", "agree", results).stdout
    assert "Cohen's kappa 0.000, the same verdict on 70.0 % of 30 answers." in shown_text
    assert "first says CORRECT" in shown_text and pair["second"] in shown_text


def test_what_could_not_be_read_is_visible_and_asked_again_on_request(results: Path):
    def mumbles(request):
        return "hm" if "number 3" in (shown(request, "Question") or "") else says("CORRECT")

    with ModelServer([mumbles]) as server:
        words = ("judge", "run", results, "--judge", at(server))
        assert "Replies that couldn't be read: 3, visible as UNUSABLE" in run(*words).stdout
        server.script = [says("WRONG")]
        assert read(*words)["usage"]["calls"] == 0
        found = read(*words, "--retry")
    assert [(one["correct"], one["unusable"], one["rate"]) for one in found["judged"]] == [(18, 0, 0.9), (9, 0, 0.9)]


def failed(status: int, *words: object) -> str:
    result = run(*words)
    assert (result.exit_code, result.stdout) == (status, ""), result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


def test_wrong_usage_is_said_in_one_line(results: Path, tmp_path: Path):
    judge = ("--judge", "openai:m@http://127.0.0.1:9/v1")
    assert "there is no evaluation in" in failed(2, "judge", "run", tmp_path / "none", *judge)
    assert "rules can't judge" in failed(2, "judge", "run", results, "--judge", "rules")
    assert "no style 'harsh'" in failed(2, "judge", "run", results, *judge, "--style", "harsh")
    assert "name a judge and a style" in failed(2, "judge", "run", results, "--judge", ",")
    with held(results):
        assert "another evaluation is writing into" in failed(2, "judge", "run", results, *judge)
    assert read_run(results).judges == ()


def test_a_judge_that_is_down_stops_it_and_the_same_command_goes_on(results: Path):
    with ModelServer([overlap, overlap, overlap, Status(401)]) as server:
        words = ("judge", "run", results, "--judge", at(server), "--concurrency", 1)
        stopped, error = failed(4, *words).splitlines()
        assert stopped == "Stopped: 7 of 30 verdicts are kept; the same command goes on there."
        assert error.startswith(f"error: the judge 'lenient:{at(server)}' doesn't answer (AuthenticationError")
        server.script = [overlap]
        assert read(*words)["usage"]["calls"] == 19 - 3


def test_ctrl_c_keeps_what_was_judged(results: Path):
    with ModelServer([overlap] * 4 + [Hang(60)]) as server:
        words = ("judge", "run", results, "--judge", at(server), "--concurrency", 1)
        child = start(*words)
        while child.poll() is None and len(server.requests) < 5:
            threading.Event().wait(0.005)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        assert child.returncode == 130 and "Traceback" not in err
        assert "of 30 verdicts are kept; the same command goes on there." in err
        (path,) = (results / "judges").glob("*.jsonl")
        kept = len({verdict.key for verdict in read_verdicts(path)})
        assert kept == 4
        server.script = [overlap]
        assert read(*words)["usage"]["calls"] == 19 - kept


def test_judges_get_their_own_key_and_no_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEMORY_R1_API_KEY", "the model's")
    assert judge_options(Options().settings).api_key == ""
    monkeypatch.setenv("MEMORY_R1_JUDGE_API_KEY", "the judge's")
    assert judge_options(Options().settings).api_key == "the judge's"


@pytest.fixture
def locomo(tmp_path: Path) -> Path:
    """A LoCoMo file of two conversations."""
    golds = [
        [("When did Ann move?", "7 May 2023", 2), ("What does Ann cook?", "soup, bread, jam", 1)],
        [("When did Ben leave?", "3 January 2022", 2), ("What is Ben's cat called?", "Tiger", 4)],
    ]
    turn = {"speaker": "Ann", "dia_id": "D1:1", "text": "Hi"}
    talk = {
        "speaker_a": "Ann", "speaker_b": "Ben", "session_1": [turn], "session_1_date_time": "1:56 pm on 8 May, 2023"
    }  # fmt: skip
    asked = [
        [{"question": text, "answer": gold, "category": kind, "evidence": ["D1:1"]} for text, gold, kind in each]
        for each in golds
    ]
    data = [{"sample_id": f"conv-{n}", "conversation": talk, "qa": qa} for n, qa in zip((41, 42), asked, strict=True)]
    path = tmp_path / "locomo.json"
    path.write_text(json.dumps(data))
    return path


def test_probes_tell_how_often_judges_err(locomo: Path, tmp_path: Path):
    out = tmp_path / "judged"
    with ModelServer([overlap]) as server:
        words = ("judge", "probe", "--data", locomo, "--judge", at(server), "--out", out)
        found = read(*words)
        asked = len(server.requests)
        text = run(*words).stdout
        assert len(server.requests) == asked == found["usage"]["calls"]
        few = read(*words, "--count", 1)
        assert few["usage"]["calls"] == 0 < few["probes"] < found["probes"]
    lenient, strict = found["judges"]
    assert (lenient["style"], strict["style"]) == ("lenient", "strict")
    assert lenient["groups"]["right"] | {"high": 0} == {"wrong": 0, "judged": 14, "rate": 0.0, "low": 0.0, "high": 0}
    assert strict["groups"]["right"]["wrong"] == 2 and strict["groups"]["vague"]["wrong"] == 0
    assert found["agreement"][0]["answers"] == found["probes"]
    assert len((out / "probes" / "probes.jsonl").read_text().splitlines()) == few["probes"]
    assert f"{found['probes']} probes, made by rule from 4 questions" in text and "Model calls: 0." in text
    assert re.search(r"^ other-format +right +CORRECT +2 +0 +100.0", text, re.MULTILINE) and "Cohen's kappa" in text
    assert read("judge", "agree", out / "probes") == found["agreement"]


def test_a_split_without_conversations_is_refused(locomo: Path, tmp_path: Path):
    words = ("judge", "probe", "--data", locomo, "--judge", "openai:m@http://127.0.0.1:9/v1", "--out", tmp_path / "o")
    assert "no split 'train'" in failed(2, *words, "--split", "train")
    assert not (tmp_path / "o").exists()


def test_a_full_disk_is_reported_and_what_was_written_is_used(results: Path):
    with ModelServer([overlap]) as server:
        words = ("judge", "run", results, "--judge", at(server), "--concurrency", 1)
        status, out, err = process(*words, shell="ulimit -f 6")
        stopped, error = err.splitlines()
        assert (status, out) == (4, "") and "of 30 verdicts are kept" in stopped and "can't write" in error
        (path,) = (results / "judges").glob("*.jsonl")
        kept = len({verdict.key for verdict in read_verdicts(path)})
        assert 0 < kept < 19
        asked = len(server.requests)
        assert len(read(*words)["judged"]) == 2
        assert len(server.requests) == asked + 19 - kept
        assert len(read_verdicts(path)) == 30
