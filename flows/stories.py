"""What the demo plays: a made-up conversation, or one of the synthetic world, with questions about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import as_file, files

from memory_r1.flows.readers import Asked, read_conversation, read_questions
from memory_r1.memory.types import Fact, Turn
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.world.make import Size, make_world

WORLD = ("test", 157, Size(sessions=2, turns=9, names=120))
"""A short conversation of the synthetic world with two operations of each kind at least, out of a split that no policy
is trained on."""
QUESTIONS = 9
"""So many questions of the world are asked."""


@dataclass(frozen=True, slots=True)
class Story:
    """A conversation and what to ask about it. `facts`: what its turns tell, where that is known."""

    opening: str
    turns: tuple[Turn, ...]
    questions: tuple[Asked, ...]
    facts: tuple[Fact, ...] = ()


def made_up() -> Story:
    """Two people, in ordinary English."""
    folder = files("memory_r1.flows") / "demo"
    with as_file(folder / "conversation.jsonl") as talk, as_file(folder / "questions.jsonl") as asked:
        return Story("Two people talk.", read_conversation(talk), read_questions(asked))


def of_world() -> Story:
    """Two inhabitants of the synthetic world (`rl.world`), in its few forms of speech."""
    split, number, size = WORLD
    conversation = make_world(0, split, number, size).conversation
    asked = tuple(Asked(one.text, one.answer, one.asked) for one in mixed(conversation.questions, QUESTIONS))
    return Story("Two inhabitants of the synthetic world talk.", conversation.turns, asked, conversation.facts)


def mixed(questions: Iterable[Question], count: int) -> list[Question]:
    """`count` of `questions` at most: the first of each category, then the second of each, and so on."""
    kinds: dict[str, list[Question]] = {}
    for question in questions:
        kinds.setdefault(question.category, []).append(question)
    rounds = [
        same[at] for at in range(max(map(len, kinds.values()), default=0)) for same in kinds.values() if at < len(same)
    ]
    return rounds[:count]
