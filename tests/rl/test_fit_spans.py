"""Questions made from statements to fit the rules' span reader on."""

import random

from memory_r1.rl.bench.fit_spans import leave_out
from tests.eval_fixture import story


def test_made_questions_leave_out_what_was_said() -> None:
    observation = {"session_1_observation": {"Bob": [["Bob collects old maps from many countries.", "D1:2"]]}}
    for question in leave_out(observation, story(), random.Random(1)):
        assert question.evidence == ("D1:2",)
        assert "old maps" in question.answer
        assert "Bob" in question.text
        assert question.answer not in question.text
