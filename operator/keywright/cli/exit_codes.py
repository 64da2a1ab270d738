"""Exit codes of the commands, as documented in docs/cli.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command returns to the shell."""

    OK = 0
    FINDINGS = 1  # findings, or not ready
    USAGE = 2  # as argparse does
    UNREACHABLE = 3  # the cluster or a cloud
    TIMEOUT = 4  # `--wait` timed out
