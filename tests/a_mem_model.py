"""A model that plays A-Mem's two parts by simple rules, so that what comes out can be foretold."""

import json
import re
from collections.abc import Sequence

WORD = re.compile(r"[A-Za-z]{4,}")


def names(text: str) -> list[str]:
    """The capitalised words of `text`, each once."""
    return list(dict.fromkeys(re.findall(r"\b[A-Z][a-z]{2,}\b", text)))


def strings(text: str) -> list[str]:
    """The JSON strings in `text`."""
    return [json.loads(found) for found in re.findall(r'"(?:[^"\\]|\\.)*"', text)]


def note(user: str) -> str:
    """Keywords: the longer words; context: the utterance; one tag."""
    speaker, text = strings(user)[:2]
    words = list(dict.fromkeys(word.lower() for word in WORD.findall(text)))
    return json.dumps({"keywords": words[:6], "context": f"{speaker} tells: {text[:200]}", "tags": ["talk"]})


def evolution(user: str) -> str:
    """Notes that share a name with the new one are linked with it, and learn of it; no other."""
    new, _, listed = user.partition("Listed notes:\n")
    told = strings(new)[0].partition(": ")[2]
    links, neighbours = [], []
    for number, line in enumerate(listed.splitlines()):
        old = strings(line)[1].partition(": ")[2]
        if shared := [name for name in names(told) if name in names(old)]:
            links.append(str(number))
            neighbours.append({"id": str(number), "context": f"{old} Later: {told}", "tags": ["talk", *shared]})
    return json.dumps({"links": links, "neighbours": neighbours})


def answer(user: str) -> str:
    """The first name in the memories that the question doesn't have."""
    memories, _, question = user.rpartition("Question: ")
    known = names(question)
    for number, line in enumerate(line for line in memories.splitlines() if line.startswith("- ")):
        if new := [name for name in names(strings(line)[1]) if name not in known]:
            return json.dumps({"selected": [str(number)], "answer": new[0]})
    return json.dumps({"selected": [], "answer": "not mentioned"})


def reply(system: str, user: str) -> str:
    """What the model says to a prompt of A-Mem's or of the answerer's."""
    parts = {"You file one utterance": note, "You look after a box": evolution, "You answer a question": answer}
    return next(part for start, part in parts.items() if system.startswith(start))(user)


def messages(given: Sequence[object]) -> str:
    """`reply` to LangChain's messages."""
    return reply(given[0].text, given[1].text)  # type: ignore[attr-defined]


def request(body: dict[str, list[dict[str, str]]]) -> str:
    """`reply` to the body of a chat completion request."""
    return reply(body["messages"][0]["content"], body["messages"][1]["content"])
