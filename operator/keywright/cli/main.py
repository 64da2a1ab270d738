"""`keywright`: the program. Each command is a module, imported only when the command runs."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, Protocol, cast

from typing_extensions import override

from keywright.api.errors import ApiError
from keywright.cli.commands import COMMANDS, Command
from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.screen import clean
from keywright.version import product_version

# As shells report a program that SIGINT has ended.
_INTERRUPTED = 130
# Imports create objects that stay: searching them more often takes a tenth of a short command.
_COLLECT_EVERY = 50_000


class CommandModule(Protocol):
    """What the module of a command defines."""

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Add the arguments and options of the command."""

    def run(self, options: argparse.Namespace, /) -> int:
        """Run the command and return the exit code, see `keywright.cli.exit_codes`."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command in the arguments, and return its exit code."""
    gc.set_threshold(_COLLECT_EVERY, *gc.get_threshold()[1:])
    given = sys.argv[1:] if arguments is None else arguments
    # The first argument that is a command's name; a value of a global option could only
    # import a command in vain.
    names = {command.name for command in COMMANDS}
    chosen = next((word for word in given if word in names), None)
    program = parser(chosen)
    takes_command = chosen is not None and _takes_command(chosen)
    end = given.index("--") if takes_command and "--" in given else len(given)
    options = program.parse_args(given[:end])
    options.command = given[end + 1 :]
    command: CommandModule = options.command_module
    try:
        return command.run(options)
    except CommandError as error:
        sys.stderr.write(clean(f"error: {error.message}") + "\n")
        if error.remedy:
            sys.stderr.write(clean(f"  {error.remedy}") + "\n")
        return error.code
    except ApiError as error:
        sys.stderr.write(clean(f"error: the API server refuses a request: {error}") + "\n")
        if error.is_missing:
            sys.stderr.write("  Check that the CRDs are installed: keywright check\n")
        return ExitCode.UNREACHABLE
    except BrokenPipeError:
        # The reader of a pipe, such as head, has ended; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except KeyboardInterrupt:
        return _INTERRUPTED


def parser(*names: str | None) -> argparse.ArgumentParser:
    """Return the parser of the program, with the arguments of the commands `names` alone."""
    program = argparse.ArgumentParser(
        prog="keywright",
        description="Short-lived cloud credentials and API keys in Kubernetes Secrets.",
    )
    program.add_argument("--version", action=_PrintVersion, help="print the version")
    commands = program.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        listed: dict[str, Any] = {"help": command.summary} if command.summary else {}
        subparser = commands.add_parser(command.name, description=command.summary, **listed)
        if command.name in names:
            module = _module_of(command)
            module.add_arguments(subparser)
            subparser.set_defaults(command_module=module)
    return program


class _PrintVersion(argparse.Action):
    """As argparse's own action does, but it asks for the version only when it is needed."""

    def __init__(self, option_strings: Sequence[str], **options: Any) -> None:
        super().__init__(option_strings, nargs=0, **options)

    @override
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"{product_version()}\n")
        parser.exit()


def _takes_command(name: str) -> bool:
    """Whether the words after `--` are a command that this one runs."""
    command = next(command for command in COMMANDS if command.name == name)
    return getattr(_module_of(command), "TAKES_COMMAND", False) is True


def _module_of(command: Command) -> CommandModule:
    return cast("CommandModule", importlib.import_module(command.module))


if __name__ == "__main__":
    sys.exit(main())
