"""The built-in embedder."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.memory.embedders import HashedEmbedder

PRINT = """
from memory_r1.memory.embedders.hashing import HashedEmbedder
print(HashedEmbedder(64).vectors(["Anna paints the sea"]).tobytes().hex())
"""


def similar(a: str, b: str) -> float:
    first, second = HashedEmbedder().vectors([a, b])
    return float(first @ second)


async def test_vectors_are_unit_norm_float32_rows():
    vectors = await HashedEmbedder(128).embed(["a dog barked", "the cat", ""])
    assert vectors.shape == (3, 128)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0], atol=1e-6)


async def test_no_texts_give_no_rows():
    assert (await HashedEmbedder().embed([])).shape == (0, 512)


def test_the_name_tells_the_dimension():
    assert HashedEmbedder(256).name == "hashed-v2/256"


def test_too_few_dimensions_are_refused():
    with pytest.raises(ValueError, match="not 4"):
        HashedEmbedder(4)


def test_another_process_gets_the_same_vectors():
    made = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, check=True).stdout.strip()
    assert made == HashedEmbedder(64).vectors(["Anna paints the sea"]).tobytes().hex()


@given(st.lists(st.text(max_size=60), max_size=5))
def test_a_text_is_embedded_alike_alone_and_in_a_batch(texts: list[str]):
    embedder = HashedEmbedder(64)
    together = embedder.vectors(texts)
    for text, row in zip(texts, together, strict=True):
        assert np.array_equal(embedder.vectors([text])[0], row)


def test_forms_spellings_and_concepts_of_a_word_lie_near():
    other = similar("a painter", "the invoice")
    assert similar("a painter", "some painting") > other + 0.3
    assert similar("the thermometr", "thermometer") > other + 0.15
    assert similar("a puppy", "our pet") > other + 0.2


def test_order_and_case_do_not_matter_but_words_do():
    assert similar("Anna met Ben", "ben met ANNA") == pytest.approx(1, abs=1e-6)
    assert similar("We went to Rome", "We went to Oslo") < 0.95
