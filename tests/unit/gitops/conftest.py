"""kstatus itself, as a program."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pytest

from testbed.go_tools import TOOLS, NoGoError, go_tool
from tests.cluster.tier import without_tool

Kstatus: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], list[str]]


@pytest.fixture(scope="session")
def real_kstatus(request: pytest.FixtureRequest) -> Kstatus:
    """The statuses that sigs.k8s.io/cli-utils computes for objects; skips loudly without Go."""
    try:
        program = go_tool("kstatus", module=TOOLS / "kstatus")
    except NoGoError as error:
        without_tool(request.config, "kstatus", str(error))

    def compute(objects: Sequence[Mapping[str, Any]]) -> list[str]:
        done = subprocess.run(
            [program], input=json.dumps(objects), capture_output=True, text=True, check=True
        )
        statuses: list[str] = json.loads(done.stdout)
        return statuses

    return compute
