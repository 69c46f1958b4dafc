"""Where each data set comes from: one file, pinned to a version, with its checksum and its licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MSC_TERMS = "no licence stated with the data (ParlAI's code: MIT)"


@dataclass(frozen=True, slots=True)
class Source:
    """One published file.

    `file`: its name in our folder. `url`: pinned to a version wherever the publisher has versions. `sha256`: of that
    file; `vouched` says who states it. `size`: bytes, None where unknown. `unpack`: what is taken out of an archive, as
    the folder in it that comes to stand under `file`; "" keeps the file as it is.
    """

    title: str
    licence: str
    homepage: str
    file: str
    url: str
    sha256: str
    vouched: str
    size: int | None = None
    unpack: str = ""


_LFS = "other projects that pin this version; compared with no download by us"

SOURCES: Mapping[str, Source] = {
    "locomo": Source(
        "LoCoMo: 10 long conversations, 1,986 questions with evidence turns",
        "CC BY-NC 4.0",
        "https://github.com/snap-research/locomo",
        "locomo10.json",
        "https://raw.githubusercontent.com/snap-research/locomo/3eb6f2c585f5e1699204e3c3bdf7adc5c28cb376/data/locomo10.json",
        "79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4",
        "computed from the published file",
        2_805_274,
    ),
    "longmemeval-oracle": Source(
        "LongMemEval, evidence sessions only: 500 questions",
        "MIT",
        "https://github.com/xiaowu0162/LongMemEval",
        "longmemeval_oracle.json",
        "https://huggingface.co/datasets/xiaowu0162/longmemeval-cleaned/resolve/98d7416c24c778c2fee6e6f3006e7a073259d48f/longmemeval_oracle.json",
        "821a2034d219ab45846873dd14c14f12cfe7776e73527a483f9dac095d38620c",
        _LFS,
        15_388_478,
    ),
    "longmemeval-s": Source(
        "LongMemEval S, as cleaned by its authors in 2025: 500 questions, about 48 sessions each",
        "MIT",
        "https://github.com/xiaowu0162/LongMemEval",
        "longmemeval_s_cleaned.json",
        "https://huggingface.co/datasets/xiaowu0162/longmemeval-cleaned/resolve/98d7416c24c778c2fee6e6f3006e7a073259d48f/longmemeval_s_cleaned.json",
        "d6f21ea9d60a0d56f34a05b609c79c88a451d2ae03597821ea3d5a9678c3a442",
        _LFS,
        277_383_467,
    ),
    "msc": Source(
        "MSC-Self-Instruct: 500 conversations of five sessions, a question each",
        "Apache-2.0",
        "https://huggingface.co/datasets/MemGPT/MSC-Self-Instruct",
        "msc_self_instruct.jsonl",
        "https://huggingface.co/datasets/MemGPT/MSC-Self-Instruct/resolve/5138f416f8fa76b75b2e080da87e8a8e346e1500/msc_self_instruct.jsonl",
        "d3dbea36848b41dc46c0f1548d0ebf74eeaf6390d6f3fe9318e8480dc984495e",
        _LFS,
    ),
    "msc-personas": Source(
        "Multi-Session Chat's persona summaries: the facts that people wrote down from each turn",
        MSC_TERMS,
        "https://parl.ai/projects/msc",
        "msc_personasummary",
        "https://parl.ai/downloads/msc/msc_v0.1.tar.gz",
        "e640e37cf4317cd09fc02a4cd57ef130a185f23635f4003b0cee341ffcb45e60",
        "the publisher's own download script (ParlAI)",
        unpack="msc_personasummary",
    ),
    "nltk": Source(
        "NLTK's sentence model punkt_tab (English), which BLEU-1 needs",
        "Apache-2.0",
        "https://github.com/nltk/nltk_data",
        "tokenizers/punkt_tab/english",
        "https://raw.githubusercontent.com/nltk/nltk_data/550b6625bcef1f2abff2ff770a5a0d272c9c6b2a/packages/tokenizers/punkt_tab.zip",
        "e57f64187974277726a3417ca6f181ec5403676c717672eef6a748a7b20e0106",
        _LFS,
        4_319_076,
        unpack="english",
    ),
}
"""Every data set that `memory-r1 data prepare` knows. All but "nltk" are tasks."""
