"""Errors that end a command, with the remedy and the exit code."""

from __future__ import annotations

from keywright.api.errors import KeywrightError
from keywright.cli.exit_codes import ExitCode


class CommandError(KeywrightError):
    """A command cannot continue; `main` prints the message and the remedy to stderr."""

    def __init__(
        self, message: str, *, remedy: str = "", code: ExitCode = ExitCode.UNREACHABLE
    ) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code


class NotFoundError(CommandError):
    """An object that the command line names does not exist."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy, code=ExitCode.FINDINGS)


class ForbiddenError(CommandError):
    """The API server refuses a request of the current user; the message names the right."""
