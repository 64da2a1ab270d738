"""The page of the commands: their arguments and options, from the parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, Final

from keywright.cli.commands import COMMANDS
from keywright.cli.main import parser
from tools.reference.markdown import code, page, plain, sentence, table

_NO_DEFAULT: Final[tuple[object, ...]] = (None, False, argparse.SUPPRESS, [], (), "")
# Defaults that depend on the process that prints them.
_OF_THE_PROCESS: Final = {
    "identity": "name of the pod, otherwise host name and process ID",
    "own_namespace": "namespace of the pod, otherwise `keywright-system`",
}


def commands_page() -> str:
    """Each listed command, with the commands in it."""
    lines: list[str] = [
        "# Commands and options",
        "",
        (
            "Every command of `keywright` with its arguments and options, as `keywright"
            " COMMAND --help` prints them. [Command line](../cli.md) explains what the"
            " commands do, and [Options](../install.md#options) those of the operator."
            " This page is generated from the parsers in"
            " [operator/keywright/cli/](../../operator/keywright/cli/)."
        ),
        "",
    ]
    for command in COMMANDS:
        if command.summary:
            (found,) = [
                each for name, each in _parsers_in(parser(command.name)) if name == command.name
            ]
            lines += _command(found, level=2)
    return page(lines)


def _command(found: argparse.ArgumentParser, *, level: int) -> Iterator[str]:
    nested = _parsers_in(found)
    yield f"{'#' * level} {found.prog}"
    yield ""
    if found.description:
        yield sentence(plain(found.description))
        yield ""
    if not nested:
        yield f"`{_usage(found)}`"
        yield ""
    shown = [action for action in _actions(found) if _is_shown(action)]
    if shown:
        yield from table(
            ("argument", "default", "meaning"), (_row(action, found) for action in shown)
        )
    if found.epilog:
        yield plain(found.epilog)
        yield ""
    for _, each in nested:
        yield from _command(each, level=level + 1)


def _parsers_in(found: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    return [
        (name, each)
        for action in _actions(found)
        if isinstance(action.choices, Mapping)
        for name, each in action.choices.items()
    ]


def _actions(found: argparse.ArgumentParser) -> list[argparse.Action]:
    return list(found._actions)  # noqa: SLF001  argparse lists them nowhere else


def _is_shown(action: argparse.Action) -> bool:
    return (
        action.help != argparse.SUPPRESS
        and not isinstance(action.choices, Mapping)
        and "--help" not in action.option_strings
    )


def _usage(found: argparse.ArgumentParser) -> str:
    words = [found.prog]
    shown = [action for action in _actions(found) if _is_shown(action)]
    if any(action.option_strings for action in shown):
        words.append("[OPTIONS]")
    for action in shown:
        if not action.option_strings:
            name = _value(action)
            optional = action.nargs in {"?", "*"}
            many = "..." if action.nargs in {"*", "+"} else ""
            words.append(f"[{name}{many}]" if optional else f"{name}{many}")
    return " ".join(words)


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices:
        return "|".join(map(str, action.choices))
    return action.dest.upper()


def _row(action: argparse.Action, found: argparse.ArgumentParser) -> tuple[str, str, str]:
    names = ", ".join(map(code, action.option_strings)) or code(_value(action))
    if action.option_strings and action.nargs != 0:
        names += f" {code(_value(action))}"
    values: dict[str, Any] = {**vars(action), "prog": found.prog}
    text = (action.help or "") % values
    return names.replace("|", r"\|"), _default(action), plain(text)


def _default(action: argparse.Action) -> str:
    default = action.default
    if action.dest in _OF_THE_PROCESS:
        return _OF_THE_PROCESS[action.dest]
    if default in _NO_DEFAULT:
        return ""
    if default is True:
        return "on"
    if isinstance(default, list | tuple):
        return code(", ".join(map(str, default)))
    return code(str(default))
