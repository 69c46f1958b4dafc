"""Records on their way from the rollouts to the trainer: plain dicts in a sample's extra fields, JSON in validation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from memory_r1.rl.rollouts.types import Record

RECORD = "record"
"""Where a sample's record stands in its extra fields; verl leaves this key alone."""
RECORDS = "records"
"""Where `reward_extra_info` holds the records of the whole rollout, as JSON: verl's validation hands it on."""


def record_of(plain: Mapping[str, Any]) -> Record:
    """The record that `dataclasses.asdict` made plain."""
    kinds = {name: tuple(plain[name]) for name in ("operations", "right")}
    return Record(**{**plain, **kinds, "parts": dict(plain["parts"])})


def of_sample(extra: Mapping[str, Any]) -> Record:
    """The record in a sample's extra fields."""
    return record_of(extra[RECORD])


def of_validation(text: str) -> list[Record]:
    """The records of one rollout, from the JSON that validation hands on."""
    return [record_of(plain) for plain in json.loads(text)]
