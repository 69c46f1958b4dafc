"""A Hugging Face model folder as the roles use it: where it is, whether it can play, and what it was trained within.

Nothing here loads a model. `memory_r1.json` in the folder states the limits, for use and for training alike:

    {"hits": 12, "candidates": 5, "answer_chars": 2000, "max_tokens": 96}
"""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory_r1.graphs.roles import Role
from memory_r1.memory.errors import SettingsError
from memory_r1.memory.stores.open import redacted

LOCAL = "local:"
SERVED = "served:"
"""Begins "served:FOLDER@URL": the model in FOLDER, run by a server at URL."""
TINY = "tiny"
"""The model string of the policy that the package brings."""
TINY_FOLDER = Path(__file__).parent / "tiny"
LIMITS_FILE = "memory_r1.json"
ROLES = cast("tuple[Role, ...]", get_args(Role))

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


class FolderLimits(BaseModel):
    """What a model has learned to play, to read and to write; None leaves it to the caller.

    `roles`: those that it plays. `hits`, `per_speaker`: memories per question; `candidates`: memories per fact;
    `answer_chars`: characters of the memories that the answerer is shown; `max_tokens`: of a reply; `repair`: whether
    it can mend a reply that is shown to it with its error; `distil`: whether it selects memories before it answers.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    roles: tuple[Role, ...] = ROLES
    hits: int | None = Field(default=None, ge=1)
    per_speaker: int | None = Field(default=None, ge=1)
    candidates: int | None = Field(default=None, ge=1)
    answer_chars: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    repair: bool = True
    distil: bool = True

    def save(self, folder: Path) -> None:
        """Write the limits into `folder`, but for those that are as usual."""
        (folder / LIMITS_FILE).write_text(
            self.model_dump_json(indent=2, exclude_defaults=True) + "\n", encoding="utf-8"
        )


def find_folder(name: str) -> Path | None:
    """The folder that the model string `name` means, there or not; None where it means no folder.

    Raises SettingsError for "local:" without a path, "served:" without a path or a URL.
    """
    if name == TINY:
        return TINY_FOLDER
    if name.startswith(SERVED):
        return served_at(name)[0]
    if not name.startswith(LOCAL):
        return None
    path = name.removeprefix(LOCAL)
    if not path:
        raise SettingsError(f"model {name!r} names no folder: write local:PATH")
    return Path(path).expanduser()


def served_at(name: str) -> tuple[Path, str]:
    """Folder and URL of "served:FOLDER@URL". Raises SettingsError where one is missing."""
    path, at, url = name.removeprefix(SERVED).partition("@http")
    if not (path and at and url.startswith(("://", "s://"))):
        raise SettingsError(f"model {redacted(name)!r} needs a folder and a URL: write served:PATH@http://host:port/v1")
    return Path(path).expanduser(), f"http{url}"


def checked(folder: Path) -> Path:
    """`folder`, if it holds a model, its weights, its tokenizer and its chat template. Raises SettingsError."""
    if folder == TINY_FOLDER and not folder.is_dir():
        raise SettingsError("model 'tiny' is not in this installation: give local:PATH, or another model")
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {str(folder)!r}: local:PATH takes a Hugging Face model folder")
    lacking = [
        what
        for what, there in {
            "config.json": (folder / "config.json").is_file(),
            "weights (*.safetensors)": _any(folder, _WEIGHTS),
            "tokenizer.json": _any(folder, _TOKENIZERS),
            "a chat template (chat_template.jinja)": _has_template(folder),
        }.items()
        if not there
    ]
    if lacking:
        raise SettingsError(
            f"the folder {str(folder)!r} lacks {', '.join(lacking)}: local:PATH takes a Hugging Face folder of a chat "
            f"model, as save_pretrained of model and tokenizer writes it"
        )
    return folder


def read_limits(folder: Path) -> FolderLimits:
    """The limits that `folder` states; none without the file. Raises SettingsError for a file that can't be read."""
    path = folder / LIMITS_FILE
    try:
        return FolderLimits.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return FolderLimits()
    except OSError as error:
        raise SettingsError(f"{str(path)!r} can't be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise SettingsError(
            f"{str(path)!r}: {where}: {first['msg']}; its fields are {', '.join(FolderLimits.model_fields)}"
        ) from None


def _any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in patterns)


def _has_template(folder: Path) -> bool:
    if _any(folder, ("chat_template.jinja", "chat_template.json")):
        return True
    config = folder / "tokenizer_config.json"
    return config.is_file() and b'"chat_template"' in config.read_bytes()
