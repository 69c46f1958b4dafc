"""The tiny policy: its tokenizer writes the world in few tokens, its model begins with heads that look back."""

import asyncio
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from memory_r1.graphs import prompts
from memory_r1.graphs.completers import Completion
from memory_r1.graphs.local.folder import read_limits
from memory_r1.memory.errors import InputError
from memory_r1.rl.tiny.evaluate import evaluate, figures, judge, judged, taught_by
from memory_r1.rl.tiny.make import LIMITS, make
from memory_r1.rl.tiny.model import BACK, make_model
from memory_r1.rl.tiny.tokenizer import build
from memory_r1.rl.training.sft import Taught, examples
from memory_r1.rl.world import Size, make_world
from memory_r1.rl.world.chance import closed_names

SIZE = Size(sessions=2, turns=10, names=60)


@pytest.fixture(scope="module")
def taught():
    return asyncio.run(examples(make_world(3, "train", 0, SIZE), Taught(asked=1)))


@pytest.fixture(scope="module")
def tokenizer(taught):
    return build((text for one in taught for text in (one.messages[-1]["content"], one.reply)), closed_names(60))


def pieces(tokenizer, text):
    return [tokenizer.decode([token]) for token in tokenizer.encode(text, add_special_tokens=False)]


@settings(max_examples=50)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_written_without_loss(tokenizer, text):
    if not any(constant in text for constant in ("<|", *tokenizer.all_special_tokens)):
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_a_name_is_the_same_token_wherever_it_stands(tokenizer):
    for name in closed_names(60):
        (token,) = tokenizer.encode(name, add_special_tokens=False)
        for text in (f'"{name}"', f"the home of {name}.", f"{name}'s sister", f'["{name}","x"]'):
            assert tokenizer.encode(text, add_special_tokens=False).count(token) == 1


def test_instructions_cost_one_token_and_a_prompt_what_its_content_costs(tokenizer, taught):
    for constant in (prompts.MANAGER, prompts.ANSWERER, prompts.EXTRACTOR, prompts.PLAIN_ANSWERER):
        assert len(tokenizer.encode(constant, add_special_tokens=False)) == 1
    reply = '{"selected":["4"],"answer":"11 May 2023"}'
    assert pieces(tokenizer, reply) == ['{"selected":["', "4", '"],"answer":"', "11", " May 2023", '"}']
    shown = [tokenizer.apply_chat_template(one.messages, return_dict=False) for one in taught]
    assert max(map(len, shown)) < 200


def test_a_policy_does_not_see_when_a_memory_was_recorded(tokenizer):
    text = 'Memories:\n- "3" 1:05 pm on 2 May, 2023: "Ann likes tea."\nAsked at 2:05 pm on 2 May, 2023.\nQuestion: "?"'
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == (
        'Memories:\n- "3": "Ann likes tea."\nQuestion: "?"'
    )
    other = '"Ann": "At 1:05 pm on 2 May, 2023: a walk."\nLast turn, 1:05 pm on 2 May, 2023:\n'
    assert tokenizer.decode(tokenizer.encode(other, add_special_tokens=False)) == other


def test_messages_are_tokenised_one_after_the_other(tokenizer, taught):
    asked = tokenizer.apply_chat_template(taught[0].messages, add_generation_prompt=True, return_dict=False)
    reply = {"role": "assistant", "content": taught[0].reply}
    whole = tokenizer.apply_chat_template([*taught[0].messages, reply], return_dict=False)
    assert whole[: len(asked)] == asked
    assert whole[-1] == tokenizer.eos_token_id


def test_a_made_folder_loads_as_it_was_written(tmp_path, taught):
    make(tmp_path / "model", "test", names=60, worlds=2)
    loaded = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert pieces(loaded, '{"selected":[],"answer":"No"}') == ['{"selected":[],"answer":"No"}']
    assert read_limits(tmp_path / "model") == LIMITS
    found = asyncio.run(evaluate(tmp_path / "model", worlds=1, size=Size(1, 6, 60)))
    assert {one.exact for one in found} == {False}


def test_the_first_heads_look_back(tokenizer):
    model = make_model("tiny", tokenizer).eval()
    model.set_attn_implementation("eager")
    tokens = torch.randint(0, len(tokenizer), (1, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        (first, *_) = model(tokens, output_attentions=True).attentions
    for head in range(BACK):
        found = first[0, head].argmax(-1)[5:] - torch.arange(5, 40)
        assert (found == -(head + 1)).float().mean() > 0.8


def test_a_model_is_the_same_for_the_same_seed(tokenizer):
    one, same, other = (make_model("test", tokenizer, seed) for seed in (0, 0, 1))
    weights = [model.model.embed_tokens.weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    with pytest.raises(InputError, match="no size 'huge'"):
        make_model("huge", tokenizer)


class Recited:
    """Replies with the right text to every prompt but those of one role, to which it says something unreadable."""

    def __init__(self, taught, mute):
        self.replies = {one.messages[1]["content"]: "?" if one.role == mute else one.reply for one in taught}

    async def complete(self, messages):
        return Completion(self.replies[messages[1]["content"]])


def test_figures_tell_right_from_unreadable(taught):
    found = figures(asyncio.run(judged(Recited(taught, "extractor"), taught)))
    assert found["manager"]["exact"] == found["answerer"]["exact"] == found["joint"]["exact"] == 1.0
    assert found["extractor"] == {"calls": found["extractor"]["calls"], "exact": 0.0, "readable": 0.0}


def test_operations_count_as_right_kinds_also_where_their_texts_are_wrong(taught):
    example = next(one for one in taught if one.role == "manager" and one.kinds == ("add",))
    other = json.loads(example.reply)
    other["operations"][0]["text"] = "Something else."
    found = judge(example, json.dumps(other))
    assert (found.read, found.kind, found.exact) == (True, True, False)


def test_a_policy_is_shown_what_its_limits_say():
    assert taught_by(LIMITS).limits == Taught().limits
    assert taught_by(LIMITS.model_copy(update={"hits": 3})).limits.hits == 3
