"""The help screen of the commands that run in pods: each option with its default."""

from __future__ import annotations

import argparse

from typing_extensions import override


class DefaultsFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Append the default of an option to its help, unless it is empty."""

    @override
    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default is None or action.default is False or action.default == []
        return action.help if empty else super()._get_help_string(action)
