"""docs/cli.md has a section for each command, and every command line in it is accepted."""

from __future__ import annotations

import re
import shlex

import pytest

from keywright.cli.commands import COMMANDS
from keywright.cli.main import parser
from tests.unit.api.samples import ROOT

_TEXT = (ROOT / "docs" / "cli.md").read_text()
_PROMPT = re.compile(r"^(?:\$ )?(keywright [a-z].*)$", re.MULTILINE)
_INLINE = re.compile(r"`(keywright [a-z][^`]*)`")
_PLACEHOLDERS = {"NAME...": "a b", "COMMAND": "true", "S`": "s"}
# Described in other pages.
_ELSEWHERE = {"run", "serve-credentials"}


def _lines() -> list[str]:
    return sorted({*_PROMPT.findall(_TEXT), *_INLINE.findall(_TEXT)})


@pytest.mark.parametrize("line", _lines())
def test_each_command_line_of_the_docs_is_accepted(line: str) -> None:
    """Its options exist, and its choices are valid."""
    for placeholder, value in _PLACEHOLDERS.items():
        line = line.replace(placeholder, value)
    line = line.partition(" > ")[0]
    words = shlex.split(line)[1:]
    end = words.index("--") if "--" in words else len(words)
    if len(words) > 1 or words[0] not in {"completion", "env", "doctor"}:
        assert parser(words[0]).parse_args(words[:end]).command_module


def test_each_command_is_in_the_table() -> None:
    """With what it does and the right that it needs."""
    table = "\n".join(line for line in _TEXT.splitlines() if line.startswith("| [`"))
    for command in COMMANDS:
        if command.summary and command.name not in _ELSEWHERE:
            assert f"`{command.name}`" in table, command.name
