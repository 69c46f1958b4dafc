"""Whether anything of LangChain's wants to see the calls of models: then they are made as LangChain makes them."""

from __future__ import annotations

from langchain_core.globals import get_llm_cache
from langchain_core.runnables.config import ensure_config, get_async_callback_manager_for_config


def watched() -> bool:
    """Whether tracing, callbacks or a cache are to see the calls of models made now."""
    return get_llm_cache() is not None or bool(get_async_callback_manager_for_config(ensure_config()).handlers)
