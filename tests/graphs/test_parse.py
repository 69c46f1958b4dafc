"""Replies are read strictly, prompts quote what they show: for any text."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from graph_fakes import START, facts, operations, said
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.graphs import parse, prompts
from memory_r1.memory.errors import MalformedOutputError
from memory_r1.memory.types import Add, Delete, Fact, Hit, Memory, Noop, Turn, Update

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=80).filter(
    str.strip
)
WORDS = st.lists(st.sampled_from("Ann Bob likes hates tea dogs Rome Rex a the on in".split()), min_size=5, max_size=20)


def memory(number: int, text: str = "Ann likes tea.", speaker: str = "Ann", when: str = "") -> Memory:
    return Memory(f"m{number}", text, speaker, ("t0",), "s1", number, START, 1, when)


def hits(*texts: str, first: int = 1) -> list[Hit]:
    return [Hit(memory(first + n, text), 1.0 - n / 10) for n, text in enumerate(texts)]


FACTS = [Fact("Ann has a dog.", "Ann", ("t1",), "2023-05", ("Ann",)), Fact("Ann likes tea.", "Ann", ("t1",))]
SHOWN = [memory(7), memory(9, "Ann has a cat.", when="2022")]


def decide(*found: tuple[int, str, list[str], str]):
    return parse.operations(json.dumps(operations(*found)), FACTS, SHOWN)


def test_operations_become_values_in_the_order_of_the_facts():
    assert decide((1, "NOOP", ["0"], ""), (0, "UPDATE", ["1"], "Ann has a dog and a cat.")) == [
        Update(("m9",), "Ann has a dog and a cat.", "Ann", ("t1",), "2023-05", ("Ann",)),
        Noop(("t1",), "Ann likes tea.", "m7", "duplicate"),
    ]
    assert decide((0, "ADD", [], ""), (1, "DELETE", ["0", "1", "0"], "")) == [
        Add("Ann has a dog.", "Ann", ("t1",), "2023-05", ("Ann",)),
        Delete(("m7", "m9"), ("t1",)),
    ]


def test_one_fact_may_end_a_memory_and_add_another():
    found = decide((0, "DELETE", ["1"], ""), (0, "ADD", [], "Ann has a dog now."), (1, "NOOP", [], ""))
    assert [op.kind for op in found] == ["delete", "add", "noop"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([(0, "UPDATE", ["2"], "x"), (1, "NOOP", [], "")], "id '2' was not shown"),
        ([(0, "DELETE", ["m7"], ""), (1, "NOOP", [], "")], "id 'm7' was not shown"),
        ([(0, "DELETE", ["00"], ""), (1, "NOOP", [], "")], "id '00' was not shown"),
        ([(0, "NOOP", ["٠"], ""), (1, "NOOP", [], "")], "was not shown"),
        ([(0, "ADD", [], "")], "fact 1 has no operation"),
        ([(0, "ADD", [], ""), (1, "ADD", [], ""), (2, "ADD", [], "")], "there is no fact 2"),
        ([(0, "UPDATE", [], "x"), (1, "NOOP", [], "")], "names no target"),
        ([(0, "UPDATE", ["0"], " "), (1, "NOOP", [], "")], "has no text"),
        ([(0, "ADD", ["0"], ""), (1, "NOOP", [], "")], "ADD of fact 0 names targets"),
        ([(0, "UPDATE", ["0"], "x"), (1, "DELETE", ["0"], "")], "two operations end the same memory"),
        ([(0, "UPDATE", ["0"], "x\0y"), (1, "NOOP", [], "")], "NUL"),
        ([(0, "DROP", ["0"], ""), (1, "NOOP", [], "")], "op"),
        ([(-1, "ADD", [], ""), (1, "NOOP", [], "")], "fact"),
    ],
)
def test_what_the_manager_must_not_say(found: list, message: str):
    with pytest.raises(MalformedOutputError, match=message):
        decide(*found)


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{}", '{"facts": []', '{"facts": [{}]}', '{"facts": [], "more": 1}', '{"facts": "none"}',
        'Sure! {"facts": []}',
        '{"facts": [{"text": "", "entities": []}]}', '{"facts": [{"text": 7, "when": ""}]}',
        '{"facts": [{"text": "x", "when": "yesterday"}]}', '{"facts": [{"text": "x", "when": "2023-13-01"}]}',
        '{"facts": [{"text": " "}]}', '{"facts": [{"text": "\\ud800"}]}', '{"facts": [{"text": "\\u0000"}]}',
        "x" * 200_000,
    ],
)  # fmt: skip
def test_what_the_extractor_must_not_say(text: str):
    with pytest.raises(MalformedOutputError):
        parse.facts(text, said("x"))


@pytest.mark.parametrize(
    "text", ['{"facts": []}', '```json\n{"facts": []}\n```', '<think>{"facts": 1}</think>\n{"facts": []}']
)
def test_a_fence_or_a_thought_around_the_json_is_no_error(text: str):
    assert parse.facts(text, said("x")) == []


def test_relative_dates_become_absolute():
    turn = Turn("t", "s", 0, "Ann", "I ran yesterday", datetime(2023, 5, 2, 9))
    fact = parse.facts(json.dumps(facts("Ann ran a race yesterday.")), turn)[0]
    assert (fact.text, fact.when) == ("Ann ran a race on 1 May 2023.", "2023-05-01")


def test_an_answer_selects_what_was_shown():
    found = parse.answer('{"selected": ["1", "0", "1"], "answer": " Rex "}', "Who?", SHOWN)
    assert (found.text, found.selected) == ("Rex", ("m9", "m7"))
    for text in (
        '{"selected": ["2"], "answer": "x"}',
        '{"selected": [], "answer": ""}',
        '{"selected": [1], "answer": "x"}',
    ):
        with pytest.raises(MalformedOutputError):
            parse.answer(text, "Who?", SHOWN)


@given(st.text(max_size=200))
def test_any_reply_is_read_or_refused(text: str):
    for read, *rest in ((parse.facts, said("x")), (parse.operations, FACTS, SHOWN), (parse.answer, "q", [])):
        with pytest.raises(MalformedOutputError):
            read(text, *rest)


KEYS = st.sampled_from(["operations", "fact", "op", "targets", "text", "facts", "when", "entities"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=9)


@given(st.recursive(LEAVES, lambda kids: st.lists(kids, max_size=3) | st.dictionaries(KEYS, kids, max_size=4)))
def test_any_json_is_read_or_refused(value: object):
    try:
        parse.operations(json.dumps(value), FACTS, SHOWN)
        parse.facts(json.dumps(value), said("x"))
    except MalformedOutputError:
        pass


@given(st.lists(TEXT, max_size=5))
def test_facts_survive_the_way_through_a_reply(texts: list[str]):
    turn = said("x")
    found = parse.facts(json.dumps({"facts": [{"text": t, "when": "2023", "entities": ["Ann"]} for t in texts]}), turn)
    assert len(found) == len(texts)
    for fact, text in zip(found, texts, strict=True):
        assert fact.turns == (turn.id,) and fact.when == "2023"
        assert fact.text == parse.resolve(text.strip(), turn.time)


@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, min_size=1, max_size=3))
def test_no_text_breaks_out_of_its_line(stored: list[str], new: list[str]):
    given_facts = [Fact(text, "Ann", ("t1",)) for text in new]
    prompt = prompts.manager(given_facts, [hits(*stored)] * len(new))
    lines = prompt.messages[1]["content"].splitlines()
    assert lines[0] == "Memories:" and len(lines) == 2 + len(prompt.shown) + len(new)
    for number, (line, kept) in enumerate(zip(lines[1:], prompt.shown, strict=False)):
        assert line == f'"{number}": {prompts.quote(kept.text)}' and json.loads(line.partition(": ")[2]) == kept.text
    for number, (line, text) in enumerate(zip(lines[-len(new) :], new, strict=True)):
        assert line == f"{number}: {prompts.quote(text)}"


@given(TEXT, TEXT, st.lists(TEXT, max_size=3))
def test_no_turn_breaks_out_of_its_line(text: str, speaker: str, before: list[str]):
    turn = replace(said(text), speaker=speaker)
    lines = prompts.extractor(turn, [said(old) for old in before]).messages[1]["content"].splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("Last turn, "))
    assert lines[at + 1] == f"{prompts.quote(speaker)}: {prompts.quote(text)}" and at in (0, len(before) + 1)


@given(st.lists(TEXT, min_size=1, max_size=8), TEXT)
def test_no_memory_breaks_out_of_the_answerers_list(stored: list[str], question: str):
    found = [replace(hit, memory=replace(hit.memory, speaker="AB"[n % 2])) for n, hit in enumerate(hits(*stored))]
    prompt = prompts.answerer(question, found, START)
    lines = prompt.messages[1]["content"].splitlines()
    assert len(lines) == len(stored) + len({hit.memory.speaker for hit in found}) + 2
    assert lines[-1] == f"Question: {prompts.quote(question)}"
    assert sorted(m.id for m in prompt.shown) == sorted(hit.memory.id for hit in found)


def test_the_answerer_sees_the_papers_lines():
    tea = replace(memory(3), recorded=datetime(2023, 6, 16, 19, 20))
    found = [Hit(tea, 1.0), Hit(memory(5, "I ran.", "Bob", "2023-05-02"), 0.5)]
    assert prompts.answerer("Who?", found, None).messages[1]["content"].splitlines() == [
        'Memories of "Ann":', '- "0" 7:20 pm on 16 June, 2023: "Ann likes tea."',
        'Memories of "Bob":', '- "1" 10:00 am on 1 May, 2023: "I ran." (2 May 2023)', 'Question: "Who?"',
    ]  # fmt: skip


@given(
    WORDS,
    st.lists(WORDS, min_size=1, max_size=3),
    st.lists(WORDS, min_size=15, max_size=15),
    st.lists(WORDS, max_size=3),
)
def test_an_ordinary_turn_costs_at_most_3200_characters(turn, new, stored, before):
    """Facts and memories of up to 20 words, three facts, five candidates each, three turns before it."""
    text = lambda words: " ".join(words)  # noqa: E731
    context = [said(text(words) * 2, n) for n, words in enumerate(before)]
    first = prompts.extractor(said(text(turn) * 3, 9), context)
    candidates = [hits(*(text(w) for w in stored[5 * n : 5 * n + 5]), first=5 * n + 1) for n in range(len(new))]
    second = prompts.manager([Fact(text(words), "Ann", ("t",)) for words in new], candidates)
    assert first.chars + second.chars <= 3_200 and len(second.shown) >= len(new)


def test_candidates_are_shown_once_and_the_best_of_each_fact_always():
    long = "x" * 3_000
    shared = hits("Ann has a dog.", "Ann likes tea.")
    prompt = prompts.manager(FACTS, [shared, [*hits(long, first=5), *shared]])
    assert [m.id for m in prompt.shown] == ["m1", "m5"]
    assert [m.id for m in prompts.manager(FACTS, [shared, shared]).shown] == ["m1", "m2"]


def test_the_answerer_sees_the_best_that_fit():
    prompt = prompts.answerer("Who?", hits(*("x" * 5_000 for _ in range(60))), None)
    assert [m.id for m in prompt.shown] == ["m1", "m2", "m3", "m4"]
    assert len(prompts.answerer("Who?", hits("x" * 50_000), None).shown) == 1


def test_the_schemas_are_strict():
    for reply in (parse.FactsReply, parse.OperationsReply, parse.AnswerReply):
        made = parse.schema(reply)
        objects = [made, *made.get("$defs", {}).values()]
        assert all(o["additionalProperties"] is False and o["required"] == list(o["properties"]) for o in objects)
