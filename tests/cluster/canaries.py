"""What an operator says, and what a leak of a secret in it would look like."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from testbed.operators import OperatorProcess
from testbed.world import World
from tests.otlp_receiver import OtlpReceiver

# Of a value that is cut, its beginning or end would be left.
_PIECE = 24


def traced(collector: OtlpReceiver) -> dict[str, str]:
    """The environment of an operator that sends its traces to this collector."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_SERVICE_NAME": "keywright-canary",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


TALKATIVE = ("--log-level=debug", "--traces=otlp")


def forms(secret: str) -> set[str]:
    """What a leak of a secret would look like: whole or cut, as it is, in base64, or in a URL."""
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    whole = {secret, encoded[:-4], quote(secret, safe="")}
    return {piece for form in whole for piece in (form, form[:_PIECE], form[-_PIECE:])}


def said(
    world: World, operator: OperatorProcess, collector: OtlpReceiver | None = None
) -> dict[str, str]:
    """Everything that the operator has written to logs, Events, statuses, metrics and traces."""
    custom = "/apis/keywright.dev/v1alpha1"
    places = {
        "events": "/apis/events.k8s.io/v1/events",
        "core events": "/api/v1/events",
        "grants": f"{custom}/apikeygrants",
        "sources": f"{custom}/credentialsources",
        "leases": "/apis/coordination.k8s.io/v1/leases",
    }
    log = operator.log.read_text()
    return {
        "log": log,
        "audit": "\n".join(line for line in log.splitlines() if '"keywright.audit"' in line),
        "metrics": operator.get("/metrics"),
        "command line": subprocess.run(
            ["ps", "-o", "args=", "-p", str(operator.process.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout,
        **({} if collector is None else {"traces": collector.text}),
        **{name: json.dumps(world.api.get(path)) for name, path in places.items()},
    }


def leaks(texts: Mapping[str, str], secrets: Iterable[str]) -> set[tuple[str, str]]:
    """The places with a secret, and its beginning."""
    return {
        (place, form[:8])
        for place, text in texts.items()
        for secret in secrets
        for form in forms(secret)
        if form in text
    }
