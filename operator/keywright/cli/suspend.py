"""`keywright suspend`: stop the work for grants; their keys stay valid until they expire."""

from __future__ import annotations

import argparse

from keywright.cli.selection import add_selection
from keywright.cli.suspension import set_suspend


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_selection(parser)


def run(options: argparse.Namespace) -> int:
    """Suspend the grants and say when their keys expire."""
    return set_suspend(options, suspend=True)
