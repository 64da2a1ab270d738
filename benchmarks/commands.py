"""How long each command of the command line takes next to 500 grants, process start included.

`kubectl get` of the same grants runs beside them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.clients import AdminClient
from benchmarks.measures import Row
from benchmarks.worlds import measured_world, names, quiet_operator
from keywright.cli.exit_codes import ExitCode
from testbed.program import Timing, timed
from testbed.world import World

_GRANTS: Final = 500
_NAMESPACES: Final = 10
_RUNS: Final = 5
_HELP_SECONDS: Final = 0.25
_STATUS_SECONDS: Final = 1.2
_FIRST_BYTE_SECONDS: Final = 0.7
# From the lock file, as in the tests.
_KUBECTL: Final = Path(sys.executable).with_name("kubectl")
_CODES: Final = frozenset({ExitCode.OK, ExitCode.FINDINGS})
_SPACE: Final = "bench-0"
_GRANT: Final = "cli-0"
_SOURCE: Final = "bedrock"
# In this order: what changes a grant comes last.
_COMMANDS: Final[Sequence[tuple[str, ...]]] = (
    ("--help",),
    ("--version",),
    ("version",),
    ("completion", "bash"),
    ("__complete", "--", "status", "-n", _SPACE, ""),
    ("status", "-A"),
    ("status", "-A", "-o", "json"),
    ("status", _GRANT, "-n", _SPACE),
    ("check",),
    ("check", "--pre"),
    ("explain", "grant", _GRANT, "-n", _SPACE),
    ("explain", "-f", "examples/bedrock-short-term"),
    ("render", "-f", "examples/bedrock-short-term"),
    ("lint", "examples"),
    ("create", "grant", "chat", "-n", _SPACE, "--source", _SOURCE, "--kind", "bedrock"),
    ("doctor", "source", _SOURCE, "-n", _SPACE),
    ("doctor", "grant", _GRANT, "-n", _SPACE),
    ("audit", "-A"),
    ("env", _GRANT, "-n", _SPACE, "--", "true"),
    ("renew", _GRANT, "-n", _SPACE),
    ("renew", _GRANT, "-n", _SPACE, "--wait"),
    ("suspend", _GRANT, "-n", _SPACE),
    ("resume", _GRANT, "-n", _SPACE),
)
_MAY_BE_LISTED: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["iam:List*", "apigateway:GET"], "Resource": "*"},
    ],
}


async def commands() -> list[Row]:
    """The best of five runs of each command."""
    with measured_world() as world:
        for number in range(_NAMESPACES):
            world.aws.put_role_policy(role=f"bench-{number}", name="audit", document=_MAY_BE_LISTED)
        operator = quiet_operator(world)
        operator.start()
        async with AdminClient(world.cluster) as client:
            made = names("cli", _GRANTS)
            since = await client.version()
            await client.create_grants(made)
            await client.ready_times(made, since=since)
        environment = world.client_environment()
        rows = [_kubectl(world), *(_row(world, command, environment) for command in _COMMANDS)]
        operator.stop()
    return rows


def _kubectl(world: World) -> Row:
    """`kubectl get` of the same grants, as what else a user could type."""
    taken = []
    for _ in range(_RUNS):
        start = time.monotonic()
        subprocess.run(
            [_KUBECTL, f"--kubeconfig={world.cluster.kubeconfig}", "get", "apikeygrants", "-A"],
            check=True,
            capture_output=True,
        )
        taken.append(time.monotonic() - start)
    return Row("kubectl get apikeygrants -A", f"{min(taken):.2f} s")


def _row(world: World, command: Sequence[str], environment: Mapping[str, str]) -> Row:
    runs = [timed(world, *command, environment=environment) for _ in range(_RUNS)]
    for run in runs:
        if run.code not in _CODES:
            raise RuntimeError(f"keywright {' '.join(command)} ended with {run.code}: {run.out}")
    return Row(f"keywright {' '.join(command)}", *_judged(tuple(command), runs))


def _judged(command: Sequence[str], runs: Sequence[Timing]) -> tuple[str, str, bool]:
    total, first = min(run.total for run in runs), min(run.first_byte for run in runs)
    figure = f"{total:.2f} s, first byte {first:.2f} s"
    if command == ("--help",):
        return figure, f"under {_HELP_SECONDS} s", total < _HELP_SECONDS
    if command == ("status", "-A"):
        met = total < _STATUS_SECONDS and first < _FIRST_BYTE_SECONDS
        return figure, f"under {_STATUS_SECONDS} s, first byte {_FIRST_BYTE_SECONDS} s", met
    return figure, "", True
