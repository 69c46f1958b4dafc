"""Imports verl for tests: it warns of what it imports itself, and here warnings are errors.

from tests import verl_imports  # noqa: F401  before anything that imports verl
"""

import warnings

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("verl")
    import verl.experimental.agent_loop.agent_loop
    import verl.trainer.main_ppo
    import verl.trainer.ppo.v1  # noqa: F401
