"""Probes: the rules that make them, that they are what they claim to be, and the table of a judge's errors."""

import json
from datetime import datetime
from pathlib import Path
from random import Random

import pytest
from judge_model import judge_at, overlap, says, shown, words
from model_server import ModelServer

from memory_r1.memory.analysis import analyze
from memory_r1.memory.errors import InputError
from memory_r1.memory.types import Turn
from memory_r1.rl.judge import agreement, rewrites
from memory_r1.rl.judge.measure import errors_of, judge_probes, write_probes
from memory_r1.rl.judge.probes import GROUPS, KINDS, Probe, make_probes
from memory_r1.rl.tasks import Conversation, Question
from tests.conftest import DATA

LOCOMO = DATA / "locomo" / "locomo10.json"

GOLDS = (
    ("When did Ann move?", "7 May 2023"), ("When did Ann leave?", "The week before 3 July 2022"),
    ("When is the trip?", "March, 2024"), ("Which year was it?", "2020"), ("What does Ann cook?", "soup, bread, jam"),
    ("How many cats has Ben?", "three"), ("Is Ben happy?", "Yes"), ("Where does Ann live?", "Oslo"),
)  # fmt: skip


def talk(name: str, golds=GOLDS, category: str = "c") -> Conversation:
    turn = Turn(f"{name}:1", "s", 0, "Ann", "Hello", datetime(2023, 1, 1))
    asked = tuple(Question(f"{name}/{at}", text, gold, category) for at, (text, gold) in enumerate(golds))
    return Conversation(name, ("Ann", "Ben"), (turn,), asked)


OTHERS = (("Whose hat is it?", "Cleo's"), ("When was that?", "1 January 2019"), ("What did Cleo buy?", "a tractor"))
TALKS = (talk("one"), talk("two", OTHERS))


def answers(rule, gold: str) -> set[str | None]:
    """All that `rule` makes of `gold`."""
    return {rule(gold, Random(seed)) for seed in range(60)}


@pytest.mark.parametrize(
    ("gold", "shape"),
    [
        ("7 May 2023", "date"), ("May 7th, 2023", "date"), ("2023-05-07", "date"), ("in 2022", "date"),
        ("The weekend of 22August, 2022.", "date"), ("Two weeks before 11 August 2023", "date"), ("June 2023", "date"),
        ("In June 2023 she went to Rome", "long"), ("Yes", "yes or no"), ("Likely no; she is at school", "yes or no"),
        ("three times", "number"), ("19 days", "number"), ("Ned, Daisy, Max", "list"), ("Alaska", "short"),
        ("in a spot by the window", "long"), ("31 February 2023", "date"), ("", "short"),
    ],
)  # fmt: skip
def test_the_shape_of_a_gold_answer(gold: str, shape: str):
    assert rewrites.shape(gold) == shape


def test_a_day_is_written_in_another_way():
    assert answers(rewrites.other_format, "7 May 2023") == {"May 7th, 2023", "2023-05-07"}
    assert answers(rewrites.other_format, "May 7th, 2023") == {"7 May 2023", "2023-05-07"}
    assert answers(rewrites.other_format, "2023-05-07") == {"7 May 2023", "May 7th, 2023"}
    assert "Friday before 2022-06-24." in answers(rewrites.other_format, "Friday before 24June, 2022.")
    assert answers(rewrites.other_format, "The 22nd, 23 and 31 August 2022") == {
        "The 22nd, 23 and August 31st, 2022", "The 22nd, 23 and 2022-08-31"
    }  # fmt: skip
    for gold in ("May 2023", "31 February 2023", "Oslo"):
        assert answers(rewrites.other_format, gold) == {None}


def test_a_time_is_told_with_less_precision():
    assert rewrites.month_only("Friday before 24 June, 2022.") == "June 2022"
    assert rewrites.year_only("7 May 2023") == rewrites.year_only("May, 2023") == "In 2023"
    seasons = {rewrites.season(f"7 {month} 2023") for month in ("January", "May", "July", "October", "December")}
    assert seasons == {f"Sometime in {name}" for name in ("winter", "spring", "summer", "autumn")}
    for rule in (rewrites.month_only, rewrites.year_only, rewrites.season):
        assert rule("2020") is None and rule("She met him on 7 May 2023 in Rome") is None


def test_a_time_is_shifted_out_of_sight():
    for gold, nearest, farthest in (("7 May 2023", 20, 60), ("week before 28 February 2024", 20, 60)):
        day = rewrites.day_in(gold)
        for other in answers(rewrites.shifted, gold):
            moved = rewrites.day_in(other or "")
            assert day and moved and nearest <= abs((moved[0] - day[0]).days) <= farthest
    assert answers(rewrites.shifted, "in January 2023") == {
        f"in {month}" for month in ("August 2022", "September 2022", "October 2022", "November 2022", "March 2023",
                                    "April 2023", "May 2023", "June 2023")
    }  # fmt: skip
    assert answers(rewrites.shifted, "2020") == {"2017", "2018", "2019", "2021", "2022", "2023"}


def test_numbers_lists_and_yes_are_changed():
    assert answers(rewrites.other_number, "three times") == {"five times", "six times", "seven times"}
    assert answers(rewrites.other_number, "19 days") == {f"{n} days" for n in (15, 16, 17, 21, 22, 23)}
    assert answers(rewrites.reordered, "Ned, Daisy, and Max.") == {"Daisy, Max, Ned", "Max, Ned, Daisy"}
    assert answers(rewrites.dropped, "Ned, Daisy, Max") == {"Daisy, Max", "Ned, Max", "Ned, Daisy"}
    assert rewrites.recased("The Grand Hotel.") == "grand hotel" and rewrites.recased("hotel") is None
    changed = {"Yes": "No", "Likely no": "Likely yes", "No; she is at school": "Yes", "yes, often": "No"}
    assert {gold: rewrites.flipped(gold) for gold in changed} == changed


@pytest.mark.parametrize("gold", ["No more than 30", "Oslo", "one of the two", "2020", "No longer"])
def test_what_is_not_understood_is_left_alone(gold: str):
    assert rewrites.flipped(gold) is None and answers(rewrites.other_number, gold) == {None}
    assert answers(rewrites.dropped, gold) == answers(rewrites.reordered, gold) == {None}


@pytest.mark.parametrize("gold", ["Chicago, Illinois", "tracking inventory, resources, gifts", "No, Ann, Ben, Cleo",
                                  "a mix of nuts, seeds, fruit", "on 3, 4, 5 May 2023", "Ann, Ann, Ben"])  # fmt: skip
def test_what_may_be_no_list_is_none(gold: str):
    assert rewrites.items(gold) == []


def test_every_kind_is_made_and_the_same_seed_makes_the_same():
    probes = make_probes(TALKS, 100)
    assert {probe.kind for probe in probes} == set(KINDS)
    assert probes == make_probes(TALKS, 100) != make_probes(TALKS, 100, seed=1)
    assert {KINDS[probe.kind].group for probe in probes} == set(GROUPS)
    few = make_probes(TALKS, 2)
    assert max([probe.kind for probe in few].count(kind) for kind in KINDS) == 2
    assert [probe for probe in probes if probe in few] == few


def test_questions_without_an_answer_make_no_probes():
    silent = Conversation("x", (), (), (Question("x/0", "Who?", "trap", "c", unanswerable=True),))
    with pytest.raises(InputError, match="no question has an answer to make probes from"):
        make_probes([silent], 5)


def test_another_gold_comes_from_another_conversation_if_there_is_one():
    borrowed = {probe.answer for probe in make_probes(TALKS, 100) if probe.kind == "other-gold"}
    assert {"Cleo's", "1 January 2019"} <= borrowed
    mine = {probe.answer for probe in make_probes(TALKS[:1], 100) if probe.kind == "other-gold"}
    assert mine and mine <= {gold for _, gold in GOLDS}


def sane(probe: Probe) -> bool:
    """Whether a probe keeps what its group promises, as far as words show it."""
    gold, answer = set(analyze(probe.gold)), set(analyze(probe.answer))
    checks = {
        "verbatim": probe.answer == probe.gold, "sentence": gold <= answer, "reordered": gold == answer,
        "recased": gold == answer, "month-only": bool(gold & answer), "item-dropped": answer < gold,
        "placeholder": not gold & answer, "mentioned": not gold & answer, "restated": not gold & answer,
        "year-only": len(answer) == 1, "season": not gold & answer, "refusal": probe.answer == "not mentioned",
    }  # fmt: skip
    return checks.get(probe.kind, probe.answer != probe.gold)


@pytest.mark.skipif(not LOCOMO.exists(), reason=f"needs {LOCOMO}")
def test_on_locomo_every_kind_has_its_probes_and_none_is_another_kind():
    from memory_r1.rl.tasks import load_locomo

    probes = make_probes([talk for talk in load_locomo(LOCOMO) if talk.id not in ("conv-26", "conv-30")], 10_000)
    counts = {kind: sum(probe.kind == kind for probe in probes) for kind in KINDS}
    assert min(counts.values()) >= 20 and counts["verbatim"] > 1_200
    assert [probe for probe in probes if not sane(probe)] == []


async def test_the_errors_of_judges_that_follow_a_rule_are_known(tmp_path: Path):
    probes = make_probes(TALKS, 100)
    with ModelServer([overlap]) as server:
        judges = [judge_at(server.url, style) for style in ("lenient", "strict")]
        said = [await judge_probes(judge, probes, tmp_path) for judge in judges]
        found = [errors_of(judge, probes, verdicts) for judge, verdicts in zip(judges, said, strict=True)]
        asked = len(server.requests)
        assert await judge_probes(judges[0], probes, tmp_path) == said[0] and len(server.requests) == asked
        for judge in judges:
            await judge.close()
    lenient, strict = ({kind.kind: kind for kind in one.kinds} for one in found)
    for probe, loose, close in zip(probes, *said, strict=True):
        gold, answer = words(probe.gold), words(probe.answer)
        assert (loose.label == "CORRECT", close.label == "CORRECT") == (bool(gold & answer), gold <= answer)
    assert strict["verbatim"].errors.rate == lenient["verbatim"].errors.rate == 0
    assert (strict["month-only"].errors.rate, lenient["month-only"].errors) == (0, None)
    assert (lenient["year-only"].errors.rate, lenient["year-only"].correct) == (1, lenient["year-only"].probes)
    assert lenient["refusal"].errors.rate == 0 and strict["other-format"].errors.rate > 0
    assert set(found[0].groups) == {"right", "vague", "wrong"} and set(found[1].groups) == set(GROUPS)
    right = found[1].groups["right"]
    assert right.wrong == sum(kind.errors.wrong for kind in strict.values() if kind.group == "right")
    assert 0 <= right.low <= right.rate <= right.high <= 1
    assert agreement(*said).answers == len(probes)


async def test_unusable_replies_are_counted_apart(tmp_path: Path):
    probes = [probe for probe in make_probes(TALKS, 100) if probe.kind in ("verbatim", "refusal")]

    def mumbles(request):
        return "hm" if shown(request, "Answer to grade") == "Oslo" else says("CORRECT")

    with ModelServer([mumbles]) as server:
        judge = judge_at(server.url, "strict")
        found = errors_of(judge, probes, await judge_probes(judge, probes, tmp_path))
        await judge.close()
    verbatim, refusal = found.kinds
    assert (verbatim.probes, verbatim.unusable, verbatim.correct) == (11, 1, 10)
    assert (verbatim.errors.wrong, verbatim.errors.judged, refusal.errors.rate) == (0, 10, 1.0)
    assert verbatim.errors.high == pytest.approx(0.3085, abs=1e-4)  # Clopper and Pearson, 0 of 10
    assert refusal.errors.low == pytest.approx(1 - 0.2849, abs=1e-4)  # 11 of 11


def test_the_probes_are_written_down_with_what_is_owed_to_them(tmp_path: Path):
    probes = make_probes(TALKS, 3)
    rows = [json.loads(line) for line in write_probes(tmp_path, probes).read_text().splitlines()]
    assert [row["answer"] for row in rows] == [probe.answer for probe in probes]
    dropped = next(row for row in rows if row["kind"] == "item-dropped")
    assert (dropped["group"], dropped["expected"]) == ("partial", {"strict": "WRONG", "lenient": ""})
