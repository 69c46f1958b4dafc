"""`memory-r1 eval`: as a user runs it, stops it, kills it, and asks again."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest
from command import process, read, run, start
from conftest import DATA
from eval_fixture import NLTK, files, model_server, said, write_locomo
from model_server import ModelServer, Status

from tests.rl.test_metrics import needs_punkt

pytestmark = needs_punkt


@pytest.fixture
def words(tmp_path):
    """The command, without its rows."""
    return ("eval", "--data", write_locomo(tmp_path / "locomo.json"), "--out", tmp_path / "out")


def answered(out):
    """How many answers are on the disk."""
    return sum(path.read_bytes().count(b"\n") for path in out.glob("*/answers/*"))


def wait(child: subprocess.Popen[str], out, count):
    """Wait until there are so many answers, or the child has ended."""
    while child.poll() is None and answered(out) < count:
        time.sleep(0.005)


def test_rows_without_a_model_get_scores_and_the_others_a_reason(words, tmp_path):
    table = read(*words, "--system", "rules,rag,full-context,mem0,memory-r1-grpo")
    rows = {row["system"]: row for row in table["rows"]}
    assert list(rows) == ["full-context", "rag", "rules", "memory-r1-grpo", "mem0"]
    assert rows["memory-r1-grpo"]["not_run"].endswith("give --row-model memory-r1-grpo=MODEL")
    assert "overall" not in rows["mem0"] and "costs" not in rows["mem0"]
    assert rows["rag"]["overall"]["questions"] == 12
    assert rows["rag"]["overall"]["recall"]["60"] == 1
    assert rows["rules"]["categories"]["multi-hop"]["paper"] == "Single Hop"
    assert (table["questions"], table["finished"], table["split"]) == (12, True, "test")
    assert len(files(tmp_path / "out")) == 6


def test_the_table_is_shown_with_what_to_do_next(words, tmp_path):
    result = run(*words, "--system", "rag,mem0", "--limit-conversations", 2, "--limit-questions", 3, "--adversarial")
    assert result.exit_code == 0
    assert result.stdout.startswith("locomo, test: 6 questions about 2 conversations.")
    assert "mem0: not run: mem0 needs a language model" in result.stdout
    assert f"`memory-r1 report {tmp_path / 'out'}`" in result.stdout.replace("\n", "")


def test_a_finished_run_asked_again_asks_no_model(words):
    with model_server() as server:
        rows = ("--system", "rules,rag,full-context,memory-r1", "--model", f"openai:scripted@{server.url}")
        rows = (*rows, "--judge", f"openai:judge@{server.url}")
        first = read(*words, *rows, "--judge-style", "lenient,strict")
        asked = len(server.requests)
        again = read(*words, *rows, "--judge-style", "strict,lenient")
        assert asked > 0 and len(server.requests) == asked
    assert again == first
    row = next(row for row in first["rows"] if row["system"] == "memory-r1")
    judged = row["overall"][f"lenient:openai:judge@{server.url}"]
    assert judged["count"] == 12 and judged["mean"] < 1
    assert row["costs"]["learn"]["usage"]["calls"] == 2 * 36


def test_rows_and_judges_can_be_added_later(words, tmp_path):
    with model_server() as server:
        model = ("--model", f"openai:scripted@{server.url}")
        read(*words, "--system", "rules")
        before = files(tmp_path / "out")
        table = read(*words, "--system", "rag", "--resume", *model, "--judge", f"openai:judge@{server.url}")
    assert before.items() <= files(tmp_path / "out").items()
    judge = table["judges"][0]
    assert [judge in row["overall"] for row in table["rows"]] == [True, False]
    result = run(*words, "--system", "rag")
    assert result.exit_code == 2
    assert "rag's answerer is 'openai:scripted@" in result.stderr and "--fresh" in result.stderr
    assert run(*words, "--system", "rag", "--fresh").exit_code == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--system", "mem0"), "nothing of it can run here: mem0 needs a language model"),
        (("--system", "memo"), "there is no system 'memo'"),
        (("--system", "rag", "--split", "dev"), "has no split 'dev'"),
        (("--system", "rag", "--task", "squad"), "there is no "),
        (("--system", "rag", "--judge", "rules"), "rules can't judge"),
        (("--system", "rag", "--row-model", "rag"), "--row-model 'rag' is not NAME=MODEL"),
    ],
)
def test_wrong_usage_is_told_in_one_line(words, given, message):
    result = run(*words, *given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ") and message in result.stderr


def test_a_model_that_is_away_keeps_what_was_done(words, tmp_path):
    left = iter(range(20))
    with ModelServer([lambda request: said(request) if next(left, None) is not None else Status(401)]) as server:
        model = f"openai:scripted@{server.url}"
        rows = ("--system", "memory-r1", "--model", model, "--concurrency", 1)  # two under way would lose a call each
        result = run(*words, *rows)
        assert result.exit_code == 4
        assert "Stopped: memory-r1; what was done is kept, and the same command goes on there." in result.stderr
        assert "error: the " in result.stderr and "unfinished: " in result.stdout
        server.script = [said]
        before = len(server.requests)
        assert run(*words, *rows).exit_code == 0
        assert len(server.requests) - before <= 84 - 20


def slow(request):
    time.sleep(0.2)
    return said(request)


def test_ctrl_c_says_how_to_go_on(words, tmp_path):
    out = tmp_path / "out"
    with ModelServer([slow]) as server:
        rows = ("--system", "rag", "--model", f"openai:scripted@{server.url}", "--concurrency", 2)
        child = start(*words, *rows, env=NLTK)
        wait(child, out, 3)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        assert child.returncode == 130
        assert "of 12 questions are answered; the same command goes on there." in err
        assert "Traceback" not in err
        done, asked = answered(out), len(server.requests)
        assert 3 <= done < 12 and asked - done <= 2
        assert process(*words, *rows, env=NLTK)[0] == 0
        assert len(server.requests) == asked + 12 - done


@pytest.mark.slow
def test_killed_again_and_again_the_answers_are_as_if_never_interrupted(words, tmp_path):
    out = tmp_path / "out"
    with ModelServer([slow]) as server:
        rows = ("--system", "rules,rag,memory-r1", "--model", f"openai:scripted@{server.url}", "--concurrency", 2)
        for count in (1, 14, 26, 33):
            child = start(*words, *rows, env=NLTK)
            wait(child, out, count)
            child.kill()
            child.communicate()
            assert child.returncode == -signal.SIGKILL
        status, shown, err = process(*words, *rows, "--json", env=NLTK)
        assert (status, err) == (0, "")
        assert json.loads(shown)["finished"]
        other = (*words[:-1], tmp_path / "whole")
        assert run(*other, *rows).exit_code == 0
    assert files(out) == files(tmp_path / "whole") and len(files(out)) == 9


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is taken by a Linux call")
def test_a_full_disk_is_reported_and_the_run_goes_on(words, tmp_path):
    status, _, err = process(*words, "--system", "rag", shell="ulimit -f 24", env=NLTK)
    assert status == 4
    assert "Stopped: rag" in err and "Traceback" not in err
    assert process(*words, "--system", "rag", env=NLTK)[0] == 0
    assert run(*words[:-1], tmp_path / "whole", "--system", "rag").exit_code == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_second_one_in_the_same_folder_is_refused(words, tmp_path):
    with ModelServer([slow]) as server:
        rows = ("--system", "rag", "--model", f"openai:scripted@{server.url}", "--concurrency", 1)
        child = start(*words, *rows, env=NLTK)
        try:
            wait(child, tmp_path / "out", 1)
            result = run(*words, *rows)
            assert result.exit_code == 2
            assert "another evaluation is writing into" in result.stderr
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.communicate()


def test_facts_that_people_wrote_down_are_looked_for_without_a_question(tmp_path):
    say = [("I have a red boat.", ["I have a red boat."]), ("I ski.", ["I ski."]), ("Hm.", ["I have a red boat."])]
    dialog = [{"id": f"bot_{at % 2}", "text": text, "agg_persona_list": known} for at, (text, known) in enumerate(say)]
    path = tmp_path / "data" / "session_1" / "test.txt"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"initial_data_id": "p", "dialog": dialog}) + "\n")
    place = ("--data", tmp_path / "data", "--out", tmp_path / "out")
    words = ("eval", "--task", "msc-personas", *place, "--system", "rules,mem0")
    table = read(*words)
    mem0, rules = sorted(table["rows"], key=lambda row: row["system"])
    assert (table["questions"], table["finished"], "not_run" in mem0) == (0, True, True)
    assert (rules["memory"]["facts"], rules["memory"]["recall"]["mean"], rules["costs"]["learn"]["rows"]) == (2, 1, 3)
    told = run(*words)
    assert told.exit_code == 0, told.stderr
    shown = told.stdout
    assert shown.startswith("msc-personas, test: no questions about 1 conversation.") and "F1" not in shown
    assert "facts held" in shown and "mem0: not run: mem0 needs a language model" in shown
    told = run("report", tmp_path / "out")
    assert told.exit_code == 0 and "facts held, %" in told.stdout and (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("task", "sample", "facts"),
    [("msc", "msc_self_instruct_handmade.jsonl", 3), ("longmemeval-oracle", "longmemeval_handmade.json", 0)],
)
def test_the_samples_of_other_tasks_are_run(task, sample, facts, tmp_path):
    if not (DATA / "samples" / sample).exists():
        pytest.skip(f"put the sample at {DATA / 'samples' / sample}")
    data = ("--data", DATA / "samples" / sample, "--out", tmp_path / "out")
    table = read("eval", "--task", task, *data, "--system", "rules,rag")
    assert table["finished"] and table["questions"] == table["conversations"]
    assert [row["memory"]["facts"] for row in table["rows"]] == [facts] * 2
    assert all(row["overall"]["mem0.f1"]["count"] == table["questions"] for row in table["rows"])
    assert run("report", tmp_path / "out").exit_code == 0
