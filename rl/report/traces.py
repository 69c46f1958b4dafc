"""What each system found for each question, packed so that a page can hold it and open a conversation at a time.

A memory's text stands once for each system and conversation; questions name memories by their place. Each such block
is JSON, gzipped, in base64: a page's <script> can hold it whatever the texts say.
"""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import Any

from memory_r1.rl.evaluation.records import AnswerRow, Found, VerdictRow

SHOWN = 100
"""Memories of one answer that the page holds, the best first; it tells how many there were."""


class Traces:
    """Packs answers by system and conversation. `blocks`: base64 by (system, conversation)."""

    def __init__(self, judges: tuple[str, ...]) -> None:
        self._judges = judges
        self.blocks: dict[tuple[str, str], str] = {}

    def add(self, system: str, conversation: str, rows: Iterable[tuple[AnswerRow, Mapping[str, VerdictRow]]]) -> None:
        """Pack the answers of one system about one conversation, with the verdicts on each by judge."""
        places: dict[Found, int] = {}
        questions = {row.question_id: self._trace(row, said, places) for row, said in rows}
        memories = [_memory(found) for found in places]
        self.blocks[system, conversation] = pack({"memories": memories, "questions": questions})

    def _trace(self, row: AnswerRow, said: Mapping[str, VerdictRow], places: dict[Found, int]) -> dict[str, Any]:
        chosen = set(row.selected)
        shown = [found for at, found in enumerate(row.found) if at < SHOWN or found.id in chosen]
        reasons = [said[judge].reason if judge in said else "" for judge in self._judges]
        return {
            "found": [places.setdefault(found, len(places)) for found in shown],
            "ranks": [at + 1 for at, found in enumerate(row.found) if at >= SHOWN and found.id in chosen],
            "selected": [at for at, found in enumerate(shown) if found.id in chosen],
            "total": len(row.found),
            "reasons": reasons,
            "failures": [[failure.role, failure.kind, failure.detail] for failure in row.failures],
        }


def pack(value: Any) -> str:
    """`value` as JSON, gzipped without any time, in base64: the same value gives the same text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode("utf-8", "replace"), compresslevel=9, mtime=0)).decode()


def _memory(found: Found) -> list[Any]:
    recorded = found.recorded.isoformat(sep=" ", timespec="minutes") if found.recorded else ""
    return [found.id, found.text, found.speaker, recorded, list(found.turns)]
