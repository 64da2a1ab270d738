"""`keywright resume`: continue the work for suspended grants."""

from __future__ import annotations

import argparse

from keywright.cli.selection import add_selection
from keywright.cli.suspension import set_suspend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_selection(parser)


def run(options: argparse.Namespace) -> int:
    """Resume the grants."""
    return set_suspend(options, suspend=False)
