"""The last hop of `keywright doctor`: what the operator reports."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from keywright.cli.doctor_reported import Chain, reported_hop
from keywright.cli.hop import Result

_NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def _grant(*, suspend: bool, ready: str = "True") -> dict[str, Any]:
    reason = "Suspended" if suspend else "Issued"
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": "The key ends."}
    return {
        "metadata": {"name": "chat-key", "namespace": "chat", "generation": 1},
        "spec": {"suspend": suspend, "sourceRef": {"name": "bedrock"}, "bedrockShortTermKey": {}},
        "status": {
            "observedGeneration": 1,
            "state": "Suspended" if suspend else "Ready",
            "conditions": [condition],
            "expiresAt": "2026-11-01T20:00:00Z",
            "renewAt": "2026-11-01T18:00:00Z",
            "revision": 1,
            "secretName": "chat-key",
        },
    }


def test_a_suspended_grant_is_not_reported_as_ready() -> None:
    """Its key ends, and the command to resume it is named."""
    hop = reported_hop(_grant(suspend=True), is_source=False, chain=Chain.TRIED, now=_NOW)
    assert hop.title == "the operator reports this grant as Suspended"
    (fact,) = hop.facts
    assert "keywright resume chat-key --namespace chat" in fact


@pytest.mark.parametrize("chain", Chain)
def test_a_grant_that_is_fine_is_ready(chain: Chain) -> None:
    """Whatever was tried before."""
    hop = reported_hop(_grant(suspend=False), is_source=False, chain=chain, now=_NOW)
    assert (hop.result, hop.title) == (Result.OK, "the operator reports this grant as Ready")
    assert not hop.facts
