"""The policy registry: a folder of versions, which of them is in use, and why.

    DIR/versions/v0007-3f2a9c1d/policy.json     who plays the roles, where it came from, the SHA-256 of every file
    DIR/versions/v0007-3f2a9c1d/manager/…       a model folder, for each that the roles need
    DIR/in_use.json                             the decision by which the policy in use is in use
    DIR/log.jsonl                               every decision, one a line

A version never changes. It is copied under a hidden name and renamed when it is whole; `in_use.json` is replaced as a
whole and holds its decision, so that the log can be mended from it. Any number of processes may read at any time;
those that publish take turns, and so do those that decide. A process killed at any point leaves a registry that works:
the next one that publishes removes what it left, the next one that decides mends the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from memory_r1.graphs.policies.files import (
    changed,
    copy,
    lacking,
    locked,
    read_bytes,
    remove,
    written,
)
from memory_r1.graphs.policies.types import (
    DECISION,
    HERE,
    POLICY,
    Candidate,
    Decision,
    Policy,
    Verdict,
    digest_of,
    model_strings,
    standing,
)
from memory_r1.graphs.roles import Role
from memory_r1.memory.durable import sync, sync_folder, write_file, write_whole
from memory_r1.memory.errors import DamagedPolicyError, PolicyError, UnknownPolicyError

_ID = re.compile(r"v(\d{4,})-[0-9a-f]{8}")
_PARTIAL = ".new-"
"""Begins the name of a version that is being copied."""
DECIDING, PUBLISHING = 60.0, 3600.0
"""Seconds to wait for another process that decides, or that copies a version."""

Judge = Callable[[str, Sequence[Decision]], Verdict]
"""What is to be decided, given the version in use ("" for none) and all decisions before."""


class Registry:
    """The registry in `folder`, which is made when something is published. Reading takes no lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = folder / "versions"
        self._pointer = folder / "in_use.json"
        self._log = folder / "log.jsonl"

    def mark(self) -> bytes:
        """What changes whenever another policy is put in use; b"" while none is."""
        return read_bytes(self._pointer)

    def used(self) -> str:
        """The id of the policy in use, whether it is there or not; "" before the first. Raises DamagedPolicyError."""
        pointer = self._pointed()
        return pointer.version if pointer else ""

    def in_use(self) -> Policy | None:
        """The policy in use; None before the first. Raises DamagedPolicyError."""
        id = self.used()
        return self.policy(id) if id else None

    def ids(self) -> list[str]:
        """The versions, oldest first."""
        if not self._versions.is_dir():
            return []
        return sorted((path.name for path in self._versions.iterdir() if _ID.fullmatch(path.name)), key=_number)

    def policy(self, id: str) -> Policy:
        """The version `id`, whose files are all there. Raises UnknownPolicyError, and DamagedPolicyError."""
        if not _ID.fullmatch(id) or not (self._versions / id).is_dir():
            if id and id == self.used():
                raise DamagedPolicyError(f"policy {id!r} is in use, and its folder is gone: {_AWAY}", policy=id)
            raise UnknownPolicyError(f"there is no policy {id!r} in {str(self.folder)!r}: list the policies", policy=id)
        path = self._versions / id / "policy.json"
        try:
            found = POLICY.validate_json(read_bytes(path))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise self._damaged(id, f"policy.json: {first['msg']}") from None
        if (found.id, found.digest) != (id, digest_of(found.roles, found.files)) or not id.endswith(found.digest[:8]):
            raise self._damaged(id, "policy.json was changed")
        if gap := next(lacking(found.files, self._versions / id), ""):
            raise self._damaged(id, gap)
        return found

    def verify(self, id: str) -> Policy:
        """The version `id`, every file compared with what was published. Raises as `policy`."""
        found = self.policy(id)
        if gap := next(changed(found.files, self._versions / id, _tops(found)), ""):
            raise self._damaged(id, gap)
        return found

    def models(self, policy: Policy, url: str = "") -> dict[Role, str]:
        """The model string of each role of `policy`; `url`: of a server that runs its folders, "" for this process."""
        return model_strings(policy.roles, {top: self._versions / policy.id / top for top in _tops(policy)}, url)

    def decisions(self) -> list[Decision]:
        """Every decision, in order. Raises DamagedPolicyError for a line that can't be read."""
        found: list[Decision] = []
        lines = read_bytes(self._log).split(b"\n")[:-1]  # behind the last line end is nothing, or what a crash cut off
        for number, line in enumerate(lines, 1):
            try:
                found.append(DECISION.validate_json(line))
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                raise DamagedPolicyError(f"{str(self._log)!r}, line {number}: {first['msg']}; mend it") from None
        pointer = self._pointed()
        if pointer and (not found or found[-1].number < pointer.number):
            found.append(pointer)
        return found

    def store(self, candidate: Candidate, source: str, scores: Mapping[str, Any], when: datetime) -> Policy:
        """Copy `candidate` into a version of its own, not in use yet; the version of the same content, if there is one.

        Raises SettingsError for a folder that changed meanwhile, StoreUnavailableError when the disk refuses.
        """
        with written(self.folder):
            self._versions.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / ".publishing", PUBLISHING, "publishing a policy"):
                for left in self._versions.glob(f"{_PARTIAL}*"):
                    remove(left)
                return self.find(candidate.digest) or self._copied(candidate, source, scores, when)

    def find(self, digest: str) -> Policy | None:
        """The version of that content, verified; None where there is none, or a damaged one."""
        for id in reversed(self.ids()):
            if id.endswith(f"-{digest[:8]}"):
                try:
                    found = self.verify(id)
                except DamagedPolicyError:
                    continue
                if found.digest == digest:
                    return found
        return None

    def decide(self, judge: Judge, when: datetime, by: str) -> Decision:
        """Ask `judge` what is to be in use, and make it so. The log has it when this returns.

        Raises what `judge` raises, and StoreUnavailableError when the disk refuses; nothing is decided then.
        """
        with written(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with locked(self.folder / ".deciding", DECIDING, "deciding"):
                before = self.decisions()
                previous = self.used()
                verdict = judge(previous, before)
                said = {one.name: getattr(verdict, one.name) for one in fields(Verdict)}
                number = before[-1].number + 1 if before else 1
                decision = Decision(number=number, previous=previous, when=when, by=by, **said)
                self._note(before)  # the decision of the pointer, if a crash kept it from the log
                if decision.version != previous:
                    write_whole(self._pointer, DECISION.dump_json(decision, indent=2) + b"\n")
                self._note([*before, decision])
                return decision

    def promote(self, id: str, reason: str, when: datetime, by: str) -> Decision:
        """Put the version `id` in use, whatever its scores. Raises UnknownPolicyError, DamagedPolicyError."""
        policy = self.verify(id)

        def judge(previous: str, _: Sequence[Decision]) -> Verdict:
            if previous == id:
                return Verdict("kept", id, f"{id} is in use already", policy.digest)
            return Verdict("promoted", id, reason, policy.digest)

        return self.decide(judge, when, by)

    def rollback(self, to: str, reason: str, when: datetime, by: str) -> Decision:
        """Put the version that was in use before back in use, or the version `to`.

        Again, it goes one further back. Raises PolicyError where there is none before it, UnknownPolicyError, and
        DamagedPolicyError for a version that isn't as it was published.
        """
        seen = self.decisions()
        before = standing(seen)
        if not before:
            raise PolicyError(f"no policy is in use in {str(self.folder)!r}: there is nothing to roll back")
        if not to and len(before) < 2:
            raise PolicyError(f"{before[-1]} has no policy before it: promote another, or name one with --to")
        target = self.verify(to or before[-2])
        if target.id == before[-1]:
            raise PolicyError(f"{target.id} is in use already: name another version")

        def judge(_: str, now: Sequence[Decision]) -> Verdict:
            if standing(now) != before:
                raise PolicyError("another policy was put in use just now: look at the list, and roll back again")
            return Verdict("rolled back", target.id, reason, target.digest)

        return self.decide(judge, when, by)

    def _pointed(self) -> Decision | None:
        text = read_bytes(self._pointer)
        try:
            return DECISION.validate_json(text) if text else None
        except ValidationError as error:
            wrong = error.errors(include_url=False)[0]["msg"]
            raise DamagedPolicyError(f"{str(self._pointer)!r}: {wrong}; delete it and promote a version") from None

    def _damaged(self, id: str, what: str) -> DamagedPolicyError:
        return DamagedPolicyError(f"policy {id!r} in {str(self.folder)!r} is damaged: {what}; {_AWAY}", policy=id)

    def _copied(self, candidate: Candidate, source: str, scores: Mapping[str, Any], when: datetime) -> Policy:
        known = [*self.ids(), *(decision.version for decision in self.decisions() if decision.version)]
        number = max(map(_number, known), default=0) + 1
        id = f"v{number:04}-{candidate.digest[:8]}"
        made = Policy(id, candidate.digest, when, source, candidate.roles, candidate.files, candidate.given, scores)
        partial = self._versions / f"{_PARTIAL}{id}"
        partial.mkdir()
        try:
            copy(candidate.files, candidate.folders.items(), partial)
        except BaseException:
            remove(partial)
            raise
        write_file(partial / "policy.json", POLICY.dump_json(made, indent=2) + b"\n")
        sync_folder(partial)
        partial.rename(self._versions / id)
        sync_folder(self._versions)
        sync_folder(self.folder)
        return made

    def _note(self, decisions: Sequence[Decision]) -> None:
        """Append those of `decisions` that the log hasn't, behind its last whole line."""
        whole = read_bytes(self._log)
        end = whole.rfind(b"\n") + 1
        lines = whole[:end].count(b"\n")
        if end == len(whole) and lines == len(decisions):
            return
        with self._log.open("r+b" if self._log.exists() else "w+b") as log:
            log.truncate(end)
            log.seek(end)
            log.write(b"".join(DECISION.dump_json(decision) + b"\n" for decision in decisions[lines:]))
            sync(log)
        sync_folder(self.folder)


_AWAY = "roll back to another version, or publish it again"


def _tops(policy: Policy) -> list[str]:
    return sorted({value.removeprefix(HERE) for value in policy.roles.values() if value.startswith(HERE)})


def _number(id: str) -> int:
    found = _ID.fullmatch(id)
    return int(found[1]) if found else 0
