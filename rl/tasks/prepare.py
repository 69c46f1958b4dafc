"""Puts data sets where tasks look for them: `data_folder()/<name>/`."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path


def data_folder() -> Path:
    """The folder of all data sets: that of the variable MEMORY_R1_DATA, else in the user's own data folder.

    The environment is read at each call. NLTK's model stands in `data_folder() / "nltk"`, as NLTK lays it out.
    """
    given = os.environ.get("MEMORY_R1_DATA", "")
    return Path(given).expanduser() if given else user_data_path("memory-r1", appauthor=False) / "data"
