"""Runs commands of the program on the API server of a world, as its admin."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keywright.cli.main import main
from testbed.world import World


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What `-o json` has written."""
        return json.loads(self.out)


def keywright(world: World, *arguments: str, kubeconfig: Path | None = None) -> Result:
    """Run a command in this process; it has no terminal, so its output has no colors."""
    out, err = io.StringIO(), io.StringIO()
    given = [*arguments[:1], f"--kubeconfig={kubeconfig or world.cluster.kubeconfig}"]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([*given, *arguments[1:]])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Result(code, out.getvalue(), err.getvalue())
