"""Candidates for the last word of a command line, for the scripts of `keywright completion`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from keywright.api.errors import KeywrightError
from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.cli.cluster_client import CUSTOM, METADATA_LIST, ClusterClient, connect
from keywright.cli.commands import COMMANDS
from keywright.cli.exit_codes import ExitCode
from keywright.cli.installation import namespaces
from keywright.cli.main import parser as program_parser

_KINDS: Final = {"source": SOURCE_PLURAL, "grant": GRANT_PLURAL}
_NAMES: Final = ("name", "names")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the words of the command line, of which the last one is to be completed."""
    parser.add_argument("words", nargs=argparse.REMAINDER)


def run(options: argparse.Namespace) -> int:
    """Print the candidates, one a line; nothing if the cluster cannot be reached."""
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    try:
        for candidate in sorted(set(candidates(words))):
            sys.stdout.write(f"{candidate}\n")
    except KeywrightError:
        return ExitCode.UNREACHABLE
    return ExitCode.OK


def candidates(words: Sequence[str]) -> list[str]:
    """The words that can be in the place of the last one."""
    *before, last = words or [""]
    names = [command.name for command in COMMANDS if command.summary]
    chosen = next((word for word in before if word in names), None)
    if chosen is None:
        return _starting(last, [*names, "--help", "--version"])
    actions = _actions(chosen)
    option = next((a for a in actions if before[-1] in a.option_strings), None)
    if option is not None and option.nargs != 0:
        return _starting(last, _values(option, before))
    if last.startswith("-"):
        return _starting(last, [text for action in actions for text in _long(action)])
    given = before[before.index(chosen) + 1 :]
    positionals = [action for action in actions if not action.option_strings]
    for action in positionals:
        if action.choices is not None and not set(action.choices) & set(given):
            return _starting(last, [str(choice) for choice in action.choices])
    named = next((action for action in positionals if action.dest in _NAMES), None)
    return [] if named is None else _starting(last, _values(named, before))


def _actions(command: str) -> list[argparse.Action]:
    program = program_parser(command)
    # argparse has no public way to the options of a parser.
    for action in program._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return list(action.choices[command]._actions)  # noqa: SLF001
    return []


def _values(action: argparse.Action, before: Sequence[str]) -> list[str]:
    """The values of an option or a positional argument."""
    if action.choices is not None:
        return [str(choice) for choice in action.choices]
    if action.dest == "namespace":
        return namespaces(_client(before))
    if action.dest == "source":
        return _objects(before, SOURCE_PLURAL)
    if action.dest in _NAMES:
        kind = next((word for word in before if word in _KINDS), "grant")
        return [name for name in _objects(before, _KINDS[kind]) if name not in before]
    return []


def _objects(before: Sequence[str], plural: str) -> list[str]:
    client = _client(before)
    path = f"{CUSTOM}/namespaces/{client.namespace}/{plural}"
    return [str(item["metadata"]["name"]) for item in client.items(path, accept=METADATA_LIST)]


def _client(before: Sequence[str]) -> ClusterClient:
    """The cluster that the options in the words choose."""
    found = argparse.Namespace(
        kubeconfig=_option(before, "--kubeconfig"),
        context=_option(before, "--context"),
        namespace=_option(before, "--namespace") or _option(before, "-n"),
    )
    found.kubeconfig = Path(found.kubeconfig).expanduser() if found.kubeconfig else None
    return connect(found)


def _option(words: Sequence[str], name: str) -> str | None:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == name:
            return following or None
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def _long(action: argparse.Action) -> list[str]:
    if action.help == argparse.SUPPRESS:
        return []
    return [text for text in action.option_strings if text.startswith("--")]


def _starting(last: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(last)]
