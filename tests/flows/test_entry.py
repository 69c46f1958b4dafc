"""The command's entry point names the extra that it lacks."""

import sys

import pytest

from memory_r1.flows import cli


def test_without_its_packages_the_command_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delitem(sys.modules, "memory_r1.flows.cli.app", raising=False)
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 4
    assert capsys.readouterr().err == "error: typer is not installed: pip install 'memory-r1[flows]'\n"
