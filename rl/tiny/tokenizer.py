"""A tokenizer for tiny policies: what the world's prompts and replies are made of, one token each.

A text is cut into names, numbers, dates, the world's words, and the phrases between them. A piece that is frequent in
the world is one token, wherever it stands, so that a copied name is a copied token; a constant instruction of the
prompts is one token, too. Any other text is still written without loss, in shorter pieces and single bytes. What is
left out of an answerer's prompt is named here (`UNSEEN`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from memory_r1.graphs import prompts
from memory_r1.memory.days import MONTHS
from memory_r1.rl.world import lexicon
from memory_r1.rl.world.chance import TOWNS
from memory_r1.rl.world.language import COUNTS

PAD, END = "<|pad|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
CONSTANTS = (prompts.MANAGER, prompts.ANSWERER, prompts.EXTRACTOR, prompts.PLAIN_ANSWERER)
"""Instructions that are one token each."""
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""The end token is the policy's to say: what it is told ends where the next speaker begins."""
PIECES, MERGES = 900, 250
"""So many frequent pieces at most, and so many merges for all other text."""
LENGTH = 1_024
"""Tokens of prompt and reply together."""

_CLOCK = r"\d{1,2}:\d\d [ap]m on \d{1,2} [A-Z][a-z]+, \d{4}"
UNSEEN = ((rf'(?<=\n- "\d{{1,2}}") {_CLOCK}(?=: ")', ""), (rf"\nAsked at {_CLOCK}\.(?=\nQuestion: )", ""))
"""What a tiny policy doesn't see, and what it sees instead: when a memory was recorded, and when the question is asked.
No answer of the world depends on either; both are two fifths of an answerer's prompt."""

WORDS = (
    *lexicon.JOBS, *lexicon.PETS, *lexicon.ACTIVITIES, *lexicon.COLOURS, *lexicon.THINGS, *lexicon.RELATIONS, *COUNTS
)  # fmt: skip
"""The world's words: each is one token."""

_HEADINGS = ("Memories", "Question", "Facts", "Asked", "Before", "Last", "Dates", "Where", "What", "Which", "When",
             "Does", "How")  # fmt: skip
"""Capitalised words of the prompts, which are no names."""


def pattern() -> str:
    """The expression of what stands alone; what is between two matches is a piece, too."""
    listed = "|".join(sorted({re.escape(word) for word in WORDS}, key=lambda word: (-len(word), word)))
    months = "|".join(MONTHS)
    return (
        rf' (?:{months}) \d{{4}}| (?:{months}), \d{{4}}(?:: ")?|:\d\d [ap]m on |\d+|\b(?:{listed})\b'
        rf"|\b(?!(?:{'|'.join((*_HEADINGS, *MONTHS))})\b)[A-Z][a-z]{{3,}}|[.!?]+ "
    )


def syllables() -> str:
    """The expression of what a name is cut into: what ends with a vowel, and the ending of a town."""
    front = "|".join("^[A-Z]" + "[a-z]" * more for more in range(12))
    return (
        rf"(?<={front})(?:{'|'.join(TOWNS)})$"
        rf"|(?:^[A-Z][^aeiou\W]{{0,2}}|(?<={front})[^aeiou\W]{{1,2}})[aeiou](?=[a-z]*$)"
    )


def build(texts: Iterable[str], names: Sequence[str] = (), pieces: int = PIECES) -> PreTrainedTokenizerFast:
    """The tokenizer whose frequent pieces are those of `texts` (prompts without their constants, and replies).

    `names`: each is one token. Without any the vocabulary is open: names are made of syllables.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    cut: Any = pre_tokenizers.Split(Regex(pattern()), "isolated")
    if not names:
        cut = pre_tokenizers.Sequence([cut, pre_tokenizers.Split(Regex(syllables()), "isolated")])
    counts: Counter[str] = Counter()
    seen = normalizers.Sequence([normalizers.Replace(Regex(old), new) for old, new in UNSEEN])
    for text in texts:
        counts.update(piece for piece, _ in cut.pre_tokenize_str(seen.normalize_str(text)))
    closed = dict.fromkeys([*names, *WORDS, *(str(number) for number in range(60))])
    is_name = re.compile("[A-Z][a-z]{3,}").fullmatch
    frequent = [piece for piece, _ in counts.most_common() if len(piece) > 1 and not is_name(piece)][:pieces]
    vocabulary, merges = _merged(counts, alphabet)
    encode = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for piece in (*closed, *sorted(frequent)):
        vocabulary.setdefault(encode.pre_tokenize_str(piece)[0][0], len(vocabulary))
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    core.normalizer = seen
    core.pre_tokenizer = pre_tokenizers.Sequence([cut, encode])
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([PAD, END, *ROLES])
    core.add_tokens([AddedToken(text, normalized=False) for text in CONSTANTS])
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=END, model_max_length=LENGTH, clean_up_tokenization_spaces=False
    )
    made.chat_template = TEMPLATE
    return made


def _merged(counts: Counter[str], alphabet: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges that byte-pair encoding learns from the pieces, as often as each occurs."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + MERGES, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    repeated = (piece for piece, count in sorted(counts.items()) for _ in range(min(count, 20)))
    core.train_from_iterator(repeated, trainer)
    found = json.loads(core.to_str())["model"]
    return dict(found["vocab"]), [tuple(pair) for pair in found["merges"]]
