"""Policies: who plays the three roles, published as one version that never changes.

    Candidate   roles → model folders or model strings, hashed: what may be published
    Policy      a version of the registry: its roles, its files, where it came from
    Decision    one line of the log: promoted, kept or rolled back, from what to what, and why

`graphs.policies.registry` keeps them on the disk, `graphs.policies.pinned` makes model strings of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import TypeAdapter

from memory_r1.graphs.local.folder import LOCAL, SERVED, checked, find_folder, read_limits
from memory_r1.graphs.models import RULES
from memory_r1.graphs.policies.files import File, hashed
from memory_r1.graphs.policies.pinned import is_policy
from memory_r1.graphs.roles import Role
from memory_r1.memory.errors import SettingsError
from memory_r1.memory.stores.open import redacted

ROLES = cast("tuple[Role, ...]", get_args(Role))
HERE = "./"
"""Begins the role of a policy that is one of its own folders: "./manager"."""

Kind = Literal["promoted", "kept", "rolled back"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be published. `roles`: as those of `Policy`; `folders`: where the files of each top folder are now.

    `given`: what the caller named for each role. `digest`: of all that the roles do; no name, no date.
    """

    roles: Mapping[Role, str]
    files: tuple[File, ...]
    folders: Mapping[str, Path]
    given: Mapping[Role, str]
    digest: str

    def models(self, url: str = "") -> dict[Role, str]:
        """The model string of each role; `url`: of a server that runs the folders, "" for this process."""
        return model_strings(self.roles, self.folders, url)


@dataclass(frozen=True, slots=True)
class Policy:
    """One version. `id`: as "v0007-3f2a9c1d", a number and the beginning of `digest`.

    `roles`: for each of the three "rules", a model string, or "./manager", a folder of the version; two roles that the
    same model plays have one folder. `source`: who published it. `given`: what each role was copied from. `scores`:
    what it was published for. `files`: all of its folders.
    """

    id: str
    digest: str
    created: datetime
    source: str
    roles: Mapping[Role, str]
    files: tuple[File, ...]
    given: Mapping[Role, str] = field(default_factory=dict[Role, str])
    scores: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be decided. `version`: in use from then on. `candidate`: the digest of what was weighed.

    `scores`: how it was weighed, as JSON has it. `margin`: what the difference had to reach; None where none was asked.
    """

    kind: Kind
    version: str
    reason: str
    candidate: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict[str, Any])
    margin: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, as the log has it. `version`, `previous`: in use after and before it, "" for none.

    `number`: from 1, without gaps. `by`: who decided. The others as in `Verdict`.
    """

    number: int
    kind: Kind
    version: str
    previous: str
    reason: str
    when: datetime
    by: str
    candidate: str = ""
    scores: Mapping[str, Any] = field(default_factory=dict[str, Any])
    margin: float | None = None

    @property
    def promoted(self) -> bool:
        """Whether a policy was put in use."""
        return self.kind == "promoted"

    def data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"promoted": self.promoted, **DECISION.dump_python(self, mode="json")}


POLICY: TypeAdapter[Policy] = TypeAdapter(Policy)
DECISION: TypeAdapter[Decision] = TypeAdapter(Decision)


def read_candidate(roles: Mapping[str, str]) -> Candidate:
    """What `roles` name, hashed. A role's value is a model folder, or a model string; roles without one: "rules".

    A folder ("local:PATH", "tiny" and "served:PATH@URL" are folders, too) must hold a model that has learned the role.
    Reads every file. Raises SettingsError, naming the role.
    """
    if unknown := set(roles) - set(ROLES):
        raise SettingsError(f"there is no role {sorted(unknown)[0]!r}: the roles are {', '.join(ROLES)}")
    if not roles:
        raise SettingsError("a policy needs a model for some role: give manager=FOLDER, answerer=FOLDER or both")
    given: dict[Role, str] = {role: roles.get(role, RULES) for role in ROLES}
    named: dict[Role, str] = {}
    seen: dict[str, str] = {}
    folders: dict[str, Path] = {}
    files: list[File] = []
    for role, value in given.items():
        folder = _folder(role, value)
        if folder is None:
            named[role] = value
            continue
        found = hashed(folder, role)
        alike = _digest([(file.path.partition("/")[2], file.sha256) for file in found])
        given[role] = str(folder.absolute())
        if alike not in seen:
            seen[alike], folders[role] = role, folder
            files += found
        named[role] = HERE + seen[alike]
    return Candidate(named, tuple(files), folders, given, digest_of(named, files))


def digest_of(roles: Mapping[Role, str], files: Iterable[File]) -> str:
    """The SHA-256 of who plays the roles, with the bytes of all folders."""
    return _digest([sorted(roles.items()), sorted((file.path, file.sha256) for file in files)])


def model_strings(roles: Mapping[Role, str], folders: Mapping[str, Path], url: str = "") -> dict[Role, str]:
    """The model string of each role, given where its folders are. Roles of one folder get one string."""
    found: dict[Role, str] = {}
    for role, value in roles.items():
        if value.startswith(HERE):
            path = folders[value.removeprefix(HERE)].absolute()
            found[role] = f"{SERVED}{path}@{url}" if url else f"{LOCAL}{path}"
        else:
            found[role] = value
    return found


def standing(decisions: Sequence[Decision]) -> list[str]:
    """The versions that were put in use one after another, without those rolled back; the last is in use."""
    stack: list[str] = []
    for decision in decisions:
        if decision.kind == "promoted":
            stack.append(decision.version)
        elif decision.kind == "rolled back":
            before = stack[:-1]
            while before and before[-1] != decision.version:
                before.pop()
            stack = before or [*stack[:-1], decision.version]
    return stack


def withdrawn(version: str, decisions: Sequence[Decision]) -> Decision | None:
    """The decision by which `version` was rolled back, if it wasn't promoted since."""
    found: Decision | None = None
    for decision in decisions:
        if decision.kind == "rolled back" and decision.previous == version != decision.version:
            found = decision
        elif decision.kind == "promoted" and decision.version == version:
            found = None
    return found


def _folder(role: Role, value: str) -> Path | None:
    """The model folder that `value` names for `role`, checked; None for a model string."""
    if value == RULES:
        return None
    if is_policy(value):
        raise SettingsError(f"{role}: {redacted(value)!r} is a policy itself: name a model folder, or a model")
    plain = Path(value).expanduser()
    folder = find_folder(value) or (plain if plain.is_dir() else None)
    if folder is None:
        return _string(role, value)
    learned = read_limits(checked(folder)).roles
    if role not in learned:
        plays = " and ".join(learned) or "nothing"
        raise SettingsError(f"{str(folder)!r} plays no {role}, but {plays}: name another folder for that role")
    return folder


def _string(role: Role, value: str) -> None:
    provider, _, rest = value.partition(":")
    if not (provider.isidentifier() and rest):
        raise SettingsError(
            f"{role}: {redacted(value)!r} is neither a folder nor a model: give a folder, rules, or PROVIDER:MODEL"
        )
    if redacted(value) != value:
        raise SettingsError(
            f"{role}: the URL of {redacted(value)!r} holds a secret, which a registry must not keep: leave it out, and "
            f"give it as MEMORY_R1_API_KEY"
        )


def _digest(value: object) -> str:
    return sha256(json.dumps(value, ensure_ascii=False).encode()).hexdigest()
