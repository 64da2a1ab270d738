"""Candidates for words that need no cluster."""

from __future__ import annotations

import pytest

from keywright.cli.commands import COMMANDS
from keywright.cli.complete import candidates
from keywright.cli.main import main


def test_commands_are_completed() -> None:
    """Those of the help screen, and no others."""
    listed = {command.name for command in COMMANDS if command.summary}
    assert set(candidates([""])) == listed | {"--help", "--version"}
    assert candidates(["stat"]) == ["status"]
    assert set(candidates([])) == set(candidates([""]))


def test_options_and_choices_are_completed() -> None:
    """Of the command that was typed."""
    assert candidates(["status", "--wa"]) == ["--watch"]
    assert candidates(["status", "-o", ""]) == ["json", "yaml"]
    assert candidates(["completion", ""]) == ["bash", "zsh", "fish"]
    assert candidates(["completion", "bash", ""]) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It asks the program for candidates."""
    assert main(["completion", shell]) == 0
    assert "keywright __complete" in capsys.readouterr().out


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` of each command works, and the list has a line for each."""
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([command.name, "--help"])
        assert ended.value.code == 0
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "__complete" not in shown
    assert all(command.name in shown for command in COMMANDS if command.summary)
