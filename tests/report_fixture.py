"""Evaluation folders with made-up figures, as large as asked, for tests of the report."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from memory_r1.graphs.roles import Failure, Usage
from memory_r1.rl.evaluation.files import ANSWERS, COSTS, Place, write_run
from memory_r1.rl.evaluation.records import CUTS, AnswerRow, CostRow, Found, RowInfo, RunInfo, VerdictRow
from memory_r1.rl.judge.judge import answer_key
from memory_r1.rl.judge.verdicts import verdict_path
from memory_r1.rl.tasks.locomo import PAPER

START = datetime(2023, 5, 8, 13, 56)
WORDS = (
    "Ann Ben kayak adopted a dog called Scout in Oslo last week because pottery camping painting swimming the lake "
    "moved library garden bicycle choir rehearsal with her sister after work before dinner near harbour mountain"
).split()
CATEGORIES = [name for name in PAPER if name != "adversarial"]


@dataclass(frozen=True)
class Made:
    """How much to make. `systems`: quality in [0, 1] by name; `not_run`: reasons by name."""

    systems: Mapping[str, float]
    not_run: Mapping[str, str]
    judges: Sequence[str] = ()
    conversations: int = 3
    questions: int = 12
    memories: int = 60
    turns: int = 40
    adversarial: int = 0


SMALL = Made({"rules": 0.3, "rag": 0.2, "memory-r1": 0.6}, {"mem0": "needs a model: give --model"}, ("strict:judge",))


def make_evaluation(folder: Path, made: Made = SMALL, seed: int = 0) -> Path:
    """Write an evaluation as `made` says into `folder`; the same seed gives the same questions."""
    conversations = tuple(f"conv-{at}" for at in range(made.conversations))
    verdicts: dict[str, list[VerdictRow]] = {judge: [] for judge in made.judges}
    for name, quality in made.systems.items():
        for conversation in conversations:
            rows = [answer(made, seed, name, quality, conversation, at) for at in range(made.questions)]
            place = Place(folder, name)
            write(place.answers(conversation), [ANSWERS.dump_json(row) for row in rows])
            write(place.costs(conversation), [COSTS.dump_json(row) for row in costs(made, name, conversation)])
            for judge in made.judges:
                verdicts[judge] += [verdict(judge, name, row) for row in rows]
    for judge, told in verdicts.items():
        path = verdict_path(folder, judge)
        write(path, [json.dumps({name: getattr(row, name) for name in row.__slots__}).encode() for row in told])
    write_run(folder, info(made, conversations))
    return folder


def write(path: Path, lines: list[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def info(made: Made, conversations: tuple[str, ...]) -> RunInfo:
    rows = {name: RowInfo({"model": "rules" if name == "rules" else "openai:m"}) for name in made.systems}
    rows |= {name: RowInfo({}, why) for name, why in made.not_run.items()}
    return RunInfo(
        "locomo", "test", conversations, made.conversations * made.questions, rows, tuple(made.judges), PAPER,
        "79fa87e9" + "0" * 56, {"processor": "a processor", "cores": "2", "command": "memory-r1 eval --task locomo"},
        {"evidence: id in another form": 3}, 12.5, True,
    )  # fmt: skip


def sentence(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(WORDS, k=count))


def answer(made: Made, seed: int, system: str, quality: float, conversation: str, at: int) -> AnswerRow:
    asked = random.Random(f"{seed} {conversation} {at}")
    chance = random.Random(f"{seed} {system} {conversation} {at}")
    category = "adversarial" if at < made.adversarial else CATEGORIES[at % len(CATEGORIES)]
    text, gold = f"What about {sentence(asked, 6)}?", sentence(asked, 3)
    evidence = tuple(f"D1:{asked.randrange(made.turns)}" for _ in range(1 + at % 2))
    right = chance.random() < quality
    said = gold if right else sentence(chance, 4)
    memories = random.Random(f"{system} {conversation}")
    bank = [
        Found(f"m{n}", sentence(memories, 14), ("Ann", "Ben")[n % 2], START + timedelta(days=n), (f"D1:{n}",))
        for n in range(made.memories * 2)
    ]
    found = tuple(chance.sample(bank, made.memories))
    named = [turn for memory in found for turn in memory.turns]
    recall = {str(cut): sum(turn in named[:cut] for turn in evidence) / len(evidence) for cut in CUTS}
    values = (1.0, 1.0, 1.0) if right else (chance.random() / 3, chance.random() / 4, 0.0)
    own = {"locomo": {"f1": values[0], "em": values[2]}}
    mem0 = {} if category == "adversarial" else {"mem0": dict(zip(("f1", "bleu1", "em"), values, strict=True))}
    failed = (Failure("answerer", "malformed", "no answer in '…'"),) if at == 5 and quality > 0.5 else ()
    return AnswerRow(
        conversation, f"{conversation}/{at}", text, category, gold, said, found,
        tuple(memory.id for memory in found[:3]), evidence, own | mem0, recall, failed, category == "adversarial",
        category == "adversarial",
    )  # fmt: skip


def costs(made: Made, system: str, conversation: str) -> list[CostRow]:
    chance = random.Random(f"{system} {conversation} costs")
    model = system not in ("rules", "rag")
    rows: list[CostRow] = []
    for at in range(made.turns):
        usage = Usage(2, 3000, 700 + chance.randrange(200), 60) if model else Usage()
        done = {"add": 1} if system == "rag" else {chance.choice(("add", "add", "update", "delete", "noop")): 1}
        size = made.memories * 2 if at == made.turns - 1 else None
        took = {"learn": chance.lognormvariate(0, 0.4) * (1.0 if model else 0.004)}
        rows.append(CostRow(conversation, f"D1:{at}", "learn", took, usage, done, cpu=0.003, embedded=1, size=size))
    for at in range(made.questions):
        usage = Usage(1, 9000, 2400 + chance.randrange(200), 40) if model else Usage()
        took = {"search": chance.lognormvariate(0, 0.3) * 0.002}
        if system != "rag":
            took["answer"] = chance.lognormvariate(0, 0.4) * (0.5 if model else 0.003)
        failed = (Failure("answerer", "malformed", "no answer in '…'"),) if at == 5 and model else ()
        rows.append(CostRow(conversation, f"{conversation}/{at}", "ask", took, usage, {}, failed, 0.002, 1))
    return rows


def verdict(judge: str, system: str, row: AnswerRow) -> VerdictRow:
    chance = random.Random(f"{judge} {system} {row.question_id}")
    right = row.scores["locomo"]["em"] == 1.0 or (judge.startswith("lenient") and chance.random() < 0.3)
    label = "UNUSABLE" if chance.random() < 0.01 else ("CORRECT" if right else "WRONG")
    key = f"{'0' * 16}-{answer_key(row.question, row.gold, row.answer, row.unanswerable)}"
    return VerdictRow(key, judge, system, row.question_id, label, f"It says {row.answer!r}, gold is {row.gold!r}.")
