"""Whether anything of LangChain's wants to see what runs: then it runs as LangChain and LangGraph would have it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

from langchain_core.globals import get_llm_cache
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    var_child_runnable_config,
)

_ALONE: ContextVar[bool] = ContextVar("memory_r1_alone", default=False)


def watched() -> bool:
    """Whether tracing, callbacks or a cache are to see the calls of models made now."""
    if _ALONE.get() and not _inside():
        return False
    return get_llm_cache() is not None or bool(get_async_callback_manager_for_config(ensure_config()).handlers)


def alone() -> bool:
    """Whether no other graph or chain is running this, and nothing watches."""
    return not _inside() and not watched()


@contextmanager
def left_alone() -> Generator[None]:
    """Take it that what runs inside the block is watched no more than it was found to be: asking has its price."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def _inside() -> bool:
    return var_child_runnable_config.get() is not None
