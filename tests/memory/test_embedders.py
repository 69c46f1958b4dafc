"""Embedders beyond the built-in one: by name, and a sentence-transformers model built here."""

import asyncio
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from memory_r1.memory.embedders.endpoint import EndpointEmbedder
from memory_r1.memory.embedders.hashing import HashedEmbedder
from memory_r1.memory.embedders.load import load_embedder
from memory_r1.memory.embedders.sentence import SentenceEmbedder, fingerprint
from memory_r1.memory.errors import (
    EmbedderMismatchError,
    InputError,
    MissingExtraError,
    ModelError,
)

KEY = "sk-secret-of-this-test"
TEXTS = ["Ada adopted a dog", "Ben moved to Lyon", "They met in June"]


# --- by name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("spec", "dim"), [("hashed", 512), ("hashed/256", 256), ("hashed-v2/64", 64)])
def test_the_built_in_embedder_loads_by_name(spec: str, dim: int) -> None:
    made = load_embedder(spec)
    assert isinstance(made, HashedEmbedder)
    assert made.dim == dim


def test_a_recorded_name_loads_the_same_embedder() -> None:
    assert load_embedder(HashedEmbedder().name).name == HashedEmbedder().name


@pytest.mark.parametrize(
    "spec",
    ["", "hash", "hashed/", "hashed/4", "hashed:256", "sentence", "sentence:", "openai:", "bert", "hashed-v1/512"],
)
def test_another_spec_is_refused_with_what_there_is(spec: str) -> None:
    with pytest.raises(InputError) as caught:
        load_embedder(spec)
    assert repr(spec) in str(caught.value)


@pytest.mark.parametrize("spec", ["openai:bge-m3", "openai:bge-m3@localhost:8000", "openai:@http://localhost/v1"])
def test_an_endpoint_without_address_or_model_is_refused(spec: str) -> None:
    with pytest.raises(InputError):
        load_embedder(spec)


def test_a_password_in_an_address_is_neither_used_nor_shown() -> None:
    for spec in (f"openai:m@http://user:{KEY}@host/v1", f"oenai:m@http://user:{KEY}@host/v1"):
        with pytest.raises(InputError) as caught:
            load_embedder(spec)
        assert KEY not in str(caught.value)


# --- sentence-transformers ------------------------------------------------------------------------------------

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] ada ben adopted a dog moved to lyon they met in june who query passage :".split()
)


def tiny_model(folder: Path, seed: int) -> Path:
    """A BERT of 16 dimensions with random weights, saved as a sentence-transformers model with prompts."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(seed)
    plain = folder / "plain"
    plain.mkdir(parents=True)
    BertTokenizerFast({word: number for number, word in enumerate(WORDS)}).save_pretrained(plain)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(plain)
    prompts = {"query": "query: ", "document": "passage: "}
    SentenceTransformer(str(plain), prompts=prompts, device="cpu").save(str(folder / "tiny-bert"))
    return folder / "tiny-bert"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Paths of tiny models by seed; the same seed gives equal models in two places."""
    if find_spec("sentence_transformers") is None:
        what = "sentence-transformers is not installed: pip install 'memory-r1[embed]'"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(what)
    os.environ["HF_HUB_OFFLINE"] = "1"
    return lambda seed: tiny_model(tmp_path_factory.mktemp("models"), seed)


async def test_a_sentence_transformer_embeds_as_the_library_does(tiny: Callable[[int], Path]) -> None:
    from sentence_transformers import SentenceTransformer

    path = tiny(1)
    made, reference = SentenceEmbedder(str(path), device="cpu", batch=2), SentenceTransformer(str(path), device="cpu")
    assert made.dim == 16
    documents, questions = await made.embed(TEXTS), await made.embed(TEXTS, query=True)
    np.testing.assert_allclose(
        documents, reference.encode([f"passage: {text}" for text in TEXTS], normalize_embeddings=True), atol=1e-5
    )
    np.testing.assert_allclose(
        questions, reference.encode([f"query: {text}" for text in TEXTS], normalize_embeddings=True), atol=1e-5
    )
    assert documents.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(documents, axis=1), 1, atol=1e-5)
    assert not np.allclose(documents, questions, atol=1e-3)
    assert (await made.embed([])).shape == (0, 16)


async def test_many_tasks_may_share_one_sentence_transformer(tiny: Callable[[int], Path]) -> None:
    made = SentenceEmbedder(str(tiny(1)), device="cpu")
    alone = [await made.embed([text] * size) for text in TEXTS for size in (1, 5)]
    together = await asyncio.gather(*(made.embed([text] * size) for text in TEXTS for size in (1, 5)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_models_name_tells_its_weights_but_not_its_place(tiny: Callable[[int], Path]) -> None:
    first, again, other = (SentenceEmbedder(str(tiny(seed)), device="cpu") for seed in (1, 1, 2))
    assert first.name == again.name != other.name
    assert first.name.startswith("sentence:tiny-bert#")


def test_prompts_belong_to_a_models_identity(tiny: Callable[[int], Path]) -> None:
    from sentence_transformers import SentenceTransformer

    path = str(tiny(1))
    plain = SentenceTransformer(path, device="cpu", prompts={"query": "", "document": ""})
    assert fingerprint(plain) != fingerprint(SentenceTransformer(path, device="cpu"))


def test_a_digest_pins_the_weights(tiny: Callable[[int], Path]) -> None:
    path = tiny(1)
    digest = load_embedder(f"sentence:{path}", device="cpu").name.rpartition("#")[2]
    assert load_embedder(f"sentence:{path}#{digest}", device="cpu").dim == 16
    with pytest.raises(EmbedderMismatchError, match="reembed"):
        load_embedder(f"sentence:{path}#00000000", device="cpu")


async def test_a_models_failure_is_typed(tiny: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    made = SentenceEmbedder(str(tiny(1)), device="cpu")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    def nan(texts: list[str], **_: object) -> np.ndarray:
        return np.full((len(texts), 16), np.nan)

    monkeypatch.setattr(made._model, "encode_document", fail)
    with pytest.raises(ModelError, match="out of memory"):
        await made.embed(["x"])
    monkeypatch.setattr(made._model, "encode_document", nan)
    with pytest.raises(ModelError, match="not finite"):
        await made.embed(["x"])


def test_a_model_that_cannot_be_loaded_is_named(
    tiny: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # or it tries a hub for a minute
    (tmp_path / "config.json").write_text("{}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in (str(tmp_path), "nobody/no-such-model"):
            with pytest.raises(InputError, match="can't be loaded") as caught:
                SentenceEmbedder(model)
            assert repr(model) in str(caught.value)


@pytest.mark.parametrize("model", ["/no/such/model", "./nowhere", "~/nowhere-at-all", " "])
def test_a_missing_directory_is_not_looked_for_on_the_hub(model: str) -> None:
    with pytest.raises(InputError, match="not the directory"):
        SentenceEmbedder(model)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"memory-r1\[embed\]"):
        load_embedder("sentence:all-MiniLM-L6-v2")
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(MissingExtraError, match="httpx"):
        asyncio.run(EndpointEmbedder("m", "http://127.0.0.1:1/v1", 4).embed(["x"]))


def test_importing_the_embedders_loads_no_model_library() -> None:
    code = (
        "import sys, memory_r1.memory.embedders.load, memory_r1.memory.embedders.sentence, "
        "memory_r1.memory.embedders.endpoint; "
        "print(sorted({'torch', 'transformers', 'sentence_transformers', 'httpx'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
