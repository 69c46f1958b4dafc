"""Random tiny language models as Hugging Face folders: the real classes, small enough to train within a test.

    folder = make_model(tmp_path / "model", words=["Ann", "Utrecht"])

Nothing is downloaded. Same arguments, same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

END, START, PAD = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = ("system", "user", "assistant", "memory", "fact", "question", "answer", "ADD", "UPDATE", "DELETE", "NONE")


def make_model(
    folder: Path,
    words: Iterable[str] = WORDS,
    *,
    hidden: int = 32,
    layers: int = 2,
    positions: int = 512,
    seed: int = 0,
) -> Path:
    """A random Qwen2 with a byte-level tokenizer and a chat template in `folder`; its path.

    `words` are one token each, alone and behind a space; everything else is spelled in bytes, so that no text is out
    of the vocabulary. Float32, tied embeddings, heads of 16.
    """
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokenizer = _tokenizer(words)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=layers,
        num_attention_heads=hidden // 16, num_key_value_heads=hidden // 16, max_position_embeddings=positions,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    Qwen2ForCausalLM(config).to(torch.float32).save_pretrained(folder)
    return folder


def _tokenizer(words: Iterable[str]):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=100_000, special_tokens=[PAD, START, END], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(sorted({form for word in words for form in (word, f" {word}")}), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    fast.chat_template = TEMPLATE
    return fast
