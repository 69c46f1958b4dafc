"""Exercises for a policy that knows nothing yet: to recall what a list says. Several questions to one list.

A tiny policy learns from the oracle's examples alone, too, but most of their tokens teach nothing: eight memories for
one answer. Exercises ask more of fewer. An example's earlier replies stand among its messages.
"""

from __future__ import annotations

from collections.abc import Sequence

from memory_r1.graphs import prompts
from memory_r1.graphs.completers import Message
from memory_r1.memory.types import Hit
from memory_r1.rl.tasks.check import REFUSAL
from memory_r1.rl.tasks.types import Question
from memory_r1.rl.training.replies import answerer_reply
from memory_r1.rl.training.sft import Example, telling
from memory_r1.rl.world import lexicon
from memory_r1.rl.world.chance import Chance, Names, closed_names
from memory_r1.rl.world.known import NO
from memory_r1.rl.world.make import World
from memory_r1.rl.world.memories import Memories, facts_by_turn

PHRASES = (
    " lives in ", " works as a ", "'s ", " named ", " likes ", " plans a trip to ", " owns a ", ", bought on ", " on ",
    " has ", " is ",
)  # fmt: skip
"""What stands between a name and a word in a statement to recall."""
WORDS = (*lexicon.JOBS, *lexicon.PETS, *lexicon.ACTIVITIES, *lexicon.COLOURS, *lexicon.THINGS)
ASKED = 8
"""Questions to one list, at most."""


def recall(count: int, names: int, seed: int = 0) -> list[Example]:
    """`count` exercises on lists of statements that mean nothing: which id, and which word, belong to a beginning."""
    chance = Chance("recall", seed, names)
    people = closed_names(names) or _open(chance)
    return [_recall(chance, people, f"recall {number}") for number in range(count)]


def several(world: World, moments: int = 10, seed: int = 0) -> list[Example]:
    """Exercises on `world`: at so many moments, several questions to some of the memories of then."""
    chance = Chance("several", seed, world.conversation.id)
    turns = world.conversation.turns
    wanted = set(chance.shuffled(range(3, len(turns) + 1))[:moments])
    bank, made = Memories(turns), list[Example]()
    for count, facts in enumerate(facts_by_turn(world), 1):
        bank.learn(facts)
        if count in wanted and bank.live:
            shown = [Hit(memory, 1.0) for memory in chance.shuffled(list(bank.live.values()))[: chance.between(1, 8)]]
            source = f"{world.conversation.id} {turns[count - 1].id}"
            made += _several(chance.shuffled(world.questions(count)), shown, source)
    return made


def _recall(chance: Chance, people: Sequence[str], source: str) -> Example:
    known = chance.shuffled(people)[: chance.between(2, 4)]
    count = chance.between(3, 9)
    beginnings = chance.shuffled([person + phrase for person in known for phrase in PHRASES])[:count]
    words = [chance.pick((*people, *WORDS)) for _ in range(count)]
    ids = list(range(count)) if chance.odds(0.5) else chance.shuffled(range(count))
    rows = list(zip(ids, beginnings, words, strict=True))
    lines = "\n".join(f'- "{id}": "{beginning}{word}."' for id, beginning, word in rows)
    pairs = [(start, f'{{"selected":["{id}"],"answer":"{word}"}}') for id, start, word in chance.shuffled(rows)]
    return _example([(f"{lines}\n{pairs[0][0]}", pairs[0][1]), *pairs[1:]], (), ("recall",), source)


def _several(questions: Sequence[Question], shown: Sequence[Hit], source: str) -> list[Example]:
    """One example of those questions that differ in their answers; of two at most is nothing known."""
    pairs: list[tuple[str, str]] = []
    said: dict[str, int] = {}
    for asked in questions:
        prompt = prompts.answerer(asked.text, shown, asked.asked)
        answer = telling(asked.text, prompt.shown)
        key = "" if answer.text in (REFUSAL, NO, "none") or not answer.selected else answer.text
        if said.get(key, 0) < 2 and len(pairs) < ASKED:
            said[key] = said.get(key, 0) + 1
            text = f"Question: {prompts.quote(asked.text)}" if pairs else prompt.messages[1]["content"]
            pairs.append((text, answerer_reply(answer, prompt.shown)))
    system: tuple[Message, ...] = ({"role": "system", "content": prompts.ANSWERER},)
    return [_example(pairs, system, ("several",), source)] if pairs else []


def _example(
    pairs: Sequence[tuple[str, str]], front: tuple[Message, ...], kinds: tuple[str, ...], source: str
) -> Example:
    """The conversation of these prompts and replies; its last reply is the example's."""
    messages = list(front)
    for asked, reply in pairs:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": reply}]
    return Example("answerer", tuple(messages[:-1]), pairs[-1][1], kinds, source)


def _open(chance: Chance) -> tuple[str, ...]:
    """Names of the open vocabulary, of people and of towns."""
    names = Names(chance, "train")
    return (*(names.name() for _ in range(60)), *(names.town() for _ in range(60)))
