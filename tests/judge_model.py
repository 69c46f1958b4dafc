"""Rules that stand in for a judge's model on `ModelServer`, and answers for it to judge."""

import json
import re
from typing import Any

from memory_r1.graphs import ModelOptions, Patience
from memory_r1.rl.evaluation.records import AnswerRow
from memory_r1.rl.judge import Judge

QUICK = ModelOptions(patience=Patience(tries=2, first=0.0, timeout=20))


def judge_at(url: str, style: str = "lenient", name: str = "tiny", options: ModelOptions = QUICK) -> Judge:
    return Judge(f"openai:{name}@{url}", style, options)


def row(number: int = 0, answer: str = "a dog", gold: str = "a dog", **more: Any) -> AnswerRow:
    """The answer to question `number` of the conversation "c"."""
    given = {"question": f"What is number {number}?", "category": "single-hop", "conversation": "c", **more}
    return AnswerRow(
        question_id=f"c/{number}", gold=gold, answer=answer, found=(), selected=(), evidence=(), scores={}, recall=None,
        **given,
    )  # fmt: skip


def says(label: str, reason: str = "so it is") -> str:
    return json.dumps({"reason": reason, "label": label})


def shown(request: dict[str, Any], name: str) -> str | None:
    """The text that a judge's prompt shows as `name`: "Question", "Expected answer", "Answer to grade"."""
    text = request["messages"][1]["content"]
    found = re.search(rf"^{name}[^:\n]*: (.*)$", text, re.MULTILINE)
    return None if found is None else json.loads(found[1])


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def overlap(request: dict[str, Any]) -> str:
    """CORRECT by rule: for a strict judge when all words of the gold are in the answer, else when one is."""
    gold, answer = words(shown(request, "Expected answer") or ""), words(shown(request, "Answer to grade") or "")
    strict = "Be strict" in request["messages"][0]["content"]
    right = gold <= answer if strict else bool(gold & answer)
    return says("CORRECT" if right else "WRONG", f"{len(gold & answer)} words of {len(gold)}")
