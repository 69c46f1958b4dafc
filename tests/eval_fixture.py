"""A made-up LoCoMo file, a model server for every prompt of an evaluation, and the command that runs one."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from conftest import DATA
from model_server import ModelServer, Request

from memory_r1.memory.types import Turn
from memory_r1.rl.tasks.types import Conversation, Question

NLTK = {"NLTK_DATA": str(DATA / "nltk_data")}
THINGS = ("a red kayak", "old maps", "a green oboe", "wild bees", "tin robots", "blue lamps", "a stone boat", "salt")
VERBS = ("bought", "collects", "plays", "keeps", "repairs", "sells", "carved", "mined")


def write_locomo(path: Path, conversations: int = 3, rounds: int = 3, questions: int = 4) -> Path:
    """A file of `conversations`, each with `rounds` sessions of 4 turns and `questions` answerable questions, and one
    that isn't answerable.
    """
    path.write_text(json.dumps([_sample(at, rounds, questions) for at in range(conversations)]), encoding="utf-8")
    return path


def _sample(at: int, rounds: int, questions: int) -> dict[str, Any]:
    ann, bob = f"Ann{at}", f"Bob{at}"
    body: dict[str, Any] = {"speaker_a": ann, "speaker_b": bob}
    qa: list[dict[str, Any]] = []
    for number in range(rounds):
        body[f"session_{number + 1}_date_time"] = f"1:5{at} pm on {number % 27 + 1} May, 2023"
        said = []
        for turn in range(4):
            who, fact = (ann, bob)[turn % 2], (number * 4 + turn) % 8
            thing = f"{THINGS[fact]} number {number}{turn}"
            said.append({"speaker": who, "dia_id": f"D{number + 1}:{turn + 1}", "text": f"I {VERBS[fact]} {thing}."})
            row = {"question": f"What did {who} do in case {number}{turn}: {VERBS[fact]}?", "answer": thing}
            qa.append({**row, "category": (4, 1)[turn % 2], "evidence": [f"D{number + 1}:{turn + 1}"]})
        body[f"session_{number + 1}"] = said
    trap = {"question": f"Which piano did {ann} break?", "adversarial_answer": "a Steinway", "category": 5}
    return {"sample_id": f"made-{at}", "conversation": body, "qa": [*qa[:questions], {**trap, "evidence": ["D1:1"]}]}


def story() -> Conversation:
    """A conversation of three turns, with a question of each of three kinds."""
    texts = ("I moved to Oslo yesterday.", "Good for you! I collect old maps.", "Nice.")
    turns = tuple(
        Turn(f"D1:{at + 1}", "1", at, ("Ann", "Bob")[at % 2], text, datetime(2023, 5, 8))
        for at, text in enumerate(texts)
    )
    questions = (
        Question("1", "When did Ann move to Oslo?", "7 May 2023", "temporal", ("D1:1",)),
        Question("2", "What does Bob collect?", "old maps", "single-hop", ("D1:2",)),
        Question("3", "What does Ann collect?", "old maps", "adversarial", ("D1:2",), None, True, True),
    )
    return Conversation("made-1", ("Ann", "Bob"), turns, questions)


def said(request: Request) -> str:
    """What the model says: it depends on the prompt alone, so that any order of calls gives the same results."""
    system, asked = request["messages"][0]["content"], request["messages"][-1]["content"]
    if system.startswith("You note"):
        told = re.findall(r'"((?:[^"\\]|\\.)*)"', asked)[-1]
        return json.dumps({"facts": [{"text": f"They said {told[:200]}", "when": "", "entities": []}]})
    if system.startswith("You keep"):
        facts = re.findall(r"^(\d+): ", asked.partition("New facts:")[2], re.MULTILINE)
        added = [{"fact": int(fact), "op": "ADD", "targets": [], "text": ""} for fact in facts]
        return json.dumps({"operations": added})
    if system.startswith("You grade"):
        gold, answer = (re.search(rf"^{head}.*?: (\".*\")$", asked, re.MULTILINE) for head in ("Expected", "Answer"))
        right = gold is not None and answer is not None and json.loads(gold[1]) == json.loads(answer[1])
        return json.dumps({"reason": "compared", "label": "CORRECT" if right else "WRONG"})
    words = re.findall(r"[a-z]+", asked)
    return json.dumps({"selected": ["0"], "answer": " ".join(words[-8:-5]) or "nothing"})


def model_server() -> ModelServer:
    """Answers the prompts of our roles and of the judge."""
    return ModelServer([said])


def files(out: Path, kind: str = "answers") -> dict[str, bytes]:
    """The finished files of `kind` in an evaluation's folder, by their path there."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.glob(f"*/{kind}/*.jsonl"))}
