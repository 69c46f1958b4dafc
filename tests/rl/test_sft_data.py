"""Supervised examples: what is learned is what is sampled, batches are alike in length, shares come true."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory_r1.memory.errors import FileFormatError, InputError, SettingsError
from tests.tiny_models import END, make_model

torch = pytest.importorskip("torch", reason="needs pip install 'memory-r1[train]'")
pytest.importorskip("pyarrow", reason="needs pip install 'memory-r1[train]'")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(make_model(tmp_path_factory.mktemp("model") / "model"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    from memory_r1.rl.training.sft import Example
    from memory_r1.rl.training.sft_file import write_examples

    def example(number: int, role: str, kind: str) -> Example:
        asked = ({"role": "system", "content": "question"}, {"role": "user", "content": "fact " * (number + 1)})
        return Example(role, asked, f"answer {number}", (kind,), f"w {number}")  # type: ignore[arg-type]

    made = [example(number, "manager", "add" if number % 4 else "delete") for number in range(40)]
    made += [example(number, "answerer", "present") for number in range(20)]
    write_examples(tmp_path / "sft.parquet", made)
    return tmp_path / "sft.parquet"


def examples(file: Path, tokenizer: object, **config: object):
    from memory_r1.rl.trainer.sft_data import Examples

    return Examples(str(file), tokenizer, {"max_length": 512, **config})


def test_the_prompt_is_the_one_that_the_model_is_asked_with_and_the_loss_is_on_the_reply(file: Path, tokenizer) -> None:
    item = examples(file, tokenizer)[3]
    asked = [{"role": "system", "content": "question"}, {"role": "user", "content": "fact " * 4}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
    ids = item["input_ids"].tolist()
    assert ids[: len(prompt)] == prompt
    assert tokenizer.decode(ids[len(prompt) :]) == f"answer 3{END}"
    assert item["loss_mask"].tolist() == [0] * len(prompt) + [1] * (len(ids) - len(prompt))
    assert item["position_ids"].tolist() == list(range(len(ids)))


def test_the_roles_wanted_are_used(file: Path, tokenizer) -> None:
    assert len(examples(file, tokenizer)) == 60
    assert len(examples(file, tokenizer, roles=["answerer"])) == 20
    with pytest.raises(InputError, match="no example of the roles extractor"):
        examples(file, tokenizer, roles=["extractor"])


def test_an_example_that_is_too_long_is_named(file: Path, tokenizer) -> None:
    with pytest.raises(SettingsError, match=r"longer than data.max_length=20: 'w \d+'"):
        examples(file, tokenizer, max_length=20)


def test_a_file_of_something_else_is_refused(tmp_path: Path, tokenizer) -> None:
    with pytest.raises(FileFormatError, match="there is no file"):
        examples(tmp_path / "nothing.parquet", tokenizer)
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(FileFormatError, match="holds no examples"):
        examples(tmp_path / "text.parquet", tokenizer)


def test_a_template_that_rewrites_the_prompt_is_refused(tokenizer) -> None:
    from memory_r1.rl.trainer.sft_data import tokenise

    class Rewriting:
        eos_token = END

        def apply_chat_template(self, messages: list[object], **_: object) -> str:
            return str(len(messages))

    with pytest.raises(SettingsError, match="changes a prompt"):
        tokenise([{"messages": [{"role": "user"}, {"role": "assistant"}]}], Rewriting(), 9)


def test_shares_and_balance_come_true() -> None:
    from memory_r1.rl.trainer.sft_data import resampled

    kinds = [("manager", ("add",))] * 900 + [("manager", ("delete",))] * 100 + [("answerer", ("present",))] * 9000
    assert resampled(kinds, {}, 1, 0) == list(range(10_000))
    drawn = [kinds[index] for index in resampled(kinds, {"manager": 1, "answerer": 1}, 0.5, 0)]
    managers = [kind for role, kind in drawn if role == "manager"]
    assert len(drawn) == 10_000
    assert abs(len(managers) / 10_000 - 0.5) < 0.02
    assert abs(managers.count(("delete",)) / len(managers) - 0.25) < 0.03
    assert resampled(kinds, {"manager": 1}, 0.5, 7) == resampled(kinds, {"manager": 1}, 0.5, 7)
    with pytest.raises(InputError, match="names 'extractor'"):
        resampled(kinds, {"extractor": 1}, 1, 0)


def test_batches_are_alike_in_length_whole_and_shared_between_ranks() -> None:
    from memory_r1.rl.trainer.sft_data import ByLength

    lengths = [(number * 7) % 100 + 1 for number in range(1003)]
    ranks = [ByLength(lengths, 10, (rank, 2), seed=1) for rank in (0, 1)]
    for epoch in (0, 1):
        for sampler in ranks:
            sampler.set_epoch(epoch)
        first, second = map(list, ranks)
        assert len(first) == len(second) == len(ranks[0]) == 500
        assert len({*first, *second}) == 1000
        spread = [
            max(seen) - min(seen)
            for at in range(0, 500, 10)
            for seen in [[lengths[index] for index in first[at : at + 10] + second[at : at + 10]]]
        ]
        assert max(spread) <= 4
    assert list(ranks[0]) == first
    ranks[0].set_epoch(0)
    assert list(ranks[0]) != first
    with pytest.raises(InputError, match="3 examples don't fill one batch of 4"):
        ByLength([1, 2, 3], 4)


def test_only_the_first_examples_are_read_where_so_many_are_asked_for(monkeypatch, file, tokenizer):
    from memory_r1.rl.trainer import sft_data

    monkeypatch.setattr(sft_data, "READ", 4)
    every = examples(file, tokenizer)
    for many in (4, 6):
        few = sft_data.Examples(str(file), tokenizer, {"max_length": 512}, max_samples=many)
        assert len(few) == many < len(every) == 60
        assert all(torch.equal(few[at]["input_ids"], every[at]["input_ids"]) for at in range(many))
