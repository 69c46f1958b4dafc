"""The answers benchmark validates itself: the gold answer scores 1, an empty one 0, and the table adds up."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from memory_r1.graphs.roles import Roles
from memory_r1.graphs.rules import RulesExtractor, RulesManager
from memory_r1.memory.types import Answer, Hit, Turn
from memory_r1.rl.bench import answers as bench
from memory_r1.rl.bench.answers import Outcome, answers, table
from memory_r1.rl.bench.fit_spans import leave_out
from memory_r1.rl.metrics import Scores
from memory_r1.rl.tasks import Conversation, Question, load_locomo
from tests.rl.test_locomo import LOCOMO
from tests.rl.test_metrics import needs_punkt

pytestmark = needs_punkt
QUESTIONS = (
    Question("1", "When did Ann move to Oslo?", "7 May 2023", "temporal", ("D1:1",)),
    Question("2", "What does Bob collect?", "old maps", "single-hop", ("D1:2",)),
    Question("3", "What does Ann collect?", "old maps", "adversarial", ("D1:2",), unanswerable=True),
)


def made() -> Conversation:
    texts = ("I moved to Oslo yesterday.", "Good for you! I collect old maps.", "Nice.")
    turns = tuple(
        Turn(f"D1:{at + 1}", "1", at, ("Ann", "Bob")[at % 2], text, datetime(2023, 5, 8))
        for at, text in enumerate(texts)
    )
    return Conversation("made-1", ("Ann", "Bob"), turns, QUESTIONS)


class Scripted:
    """An answerer that says what it was given for a question, citing the best hit."""

    def __init__(self, script: dict[str, str]) -> None:
        self.script = script

    async def answer(self, question: str, hits: Sequence[Hit], asked: datetime | None) -> Answer:
        return Answer(question, self.script[question], (hits[0].memory.id,))


async def outcomes(script: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
    """The benchmark with the rules' bank and a scripted answerer."""
    roles = Roles(RulesExtractor(), RulesManager(), Scripted(script))
    build = bench.build_agent
    monkeypatch.setattr(bench, "build_agent", lambda store, embedder, models: build(store, embedder, roles=roles))
    return await answers([made()])


async def test_gold_answers_score_one_and_cite_their_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await outcomes({question.text: question.answer for question in QUESTIONS}, monkeypatch)
    assert [outcome.question.category for outcome in found] == ["temporal", "single-hop"]
    assert all(outcome.scores == Scores(1, 1, 1) and outcome.own == 1 and outcome.cited for outcome in found)


async def test_empty_answers_score_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = await outcomes({question.text: "" for question in QUESTIONS}, monkeypatch)
    assert all(outcome.scores == Scores(0, 0, 0) and outcome.own == 0 for outcome in found)


async def test_the_rules_answer_through_the_graphs() -> None:
    first, second = await answers([made()])
    assert (first.answer, first.scores.f1, first.cited) == ("7 May 2023", 1.0, True)
    assert (second.answer, second.cited) == ("old maps", True)


async def test_the_table_has_means_by_split_and_category() -> None:
    found = await answers([made()])
    tuned = [replace(outcome, test=False, scores=Scores(0, 0, 0)) for outcome in found]
    result = table([*found, *tuned])
    rows = {row[:2]: dict(zip(result.columns, row, strict=True)) for row in result.rows}
    assert set(rows) == {(s, c) for s in ("tuning", "test") for c in ("temporal", "single-hop", "overall")}
    assert rows["test", "overall"]["questions"] == 2
    assert (rows["test", "overall"]["f1"], rows["tuning", "overall"]["f1"]) == (100, 0)


def test_made_questions_leave_out_what_was_said() -> None:
    observation = {"session_1_observation": {"Bob": [["Bob collects old maps from many countries.", "D1:2"]]}}

    for question in leave_out(observation, made(), random.Random(1)):
        assert question.evidence == ("D1:2",)
        assert "old maps" in question.answer
        assert "Bob" in question.text
        assert question.answer not in question.text


@pytest.mark.skipif(not LOCOMO.exists(), reason=f"put LoCoMo's locomo10.json at {LOCOMO}")
async def test_the_rules_hold_their_level_on_a_tuning_conversation() -> None:
    whole = load_locomo(LOCOMO)[1]
    turns = tuple(turn for turn in whole.turns if int(turn.session) <= 6)
    known = {turn.id for turn in turns}
    questions = tuple(q for q in whole.questions if q.evidence and known.issuperset(q.evidence) and not q.unanswerable)
    found = await answers([replace(whole, turns=turns, questions=questions)])
    assert len(found) > 25
    assert sum(outcome.scores.f1 for outcome in found) / len(found) > 0.35
