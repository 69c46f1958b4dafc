"""The Python in the agent's documentation runs."""

import re
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "graphs" / "README.md"


def test_the_examples_of_the_readme_run(capsys):
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, str(README), "exec"), names)
    assert "3 May 2023 m1" in capsys.readouterr().out
