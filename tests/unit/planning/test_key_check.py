"""When the key in the Secret is looked up in the cloud, and how its loss is reported."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from keywright.api.grant import ApiKeyGrant, GrantIdentity
from keywright.planning.decide import decide
from keywright.planning.state import KeyFault
from keywright.planning.status import next_status
from keywright.planning.steps import ListKeys, NoOp, ReportLost, Step, Verify
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon, secret, state, status
from tests.unit.replace import replace

A = "123456789012/bedrock-chat/ACCAA"
_KEY = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}
_HELD = secret(key_id=A, expires_at=None, renew_at=noon(days=1))
_STATUS = status(kind="bedrockLongTermKey", key_id=A, expires_at=None)


def _known(**identity: Any) -> ApiKeyGrant:
    """The grant with this identity."""
    found = grant(bedrockShortTermKey=None, bedrockLongTermKey=_KEY)
    return replace(found, identity=GrantIdentity(grant_id="id", **identity))


_LOOK, _PAST, _FUTURE = ListKeys(prepare=False), NOON - timedelta(hours=1), noon(hours=1)


@pytest.mark.parametrize(
    ("identity", "verify_at", "expected"),
    [
        ({"cluster_id": "here"}, None, _LOOK),
        ({"cluster_id": "here"}, _PAST, _LOOK),
        ({"cluster_id": "here"}, NOON, _LOOK),
        ({"cluster_id": "here"}, _FUTURE, NoOp()),
        ({"cluster_id": "here", "take_over": "there"}, _FUTURE, _LOOK),
        ({"cluster_id": "here", "recorded": True}, None, NoOp()),
        ({"cluster_id": "here", "recorded": True}, _PAST, Verify()),
        ({"cluster_id": "here", "recorded": True, "take_over": "there"}, _FUTURE, NoOp()),
        ({}, None, NoOp()),
        ({}, _PAST, Verify()),
    ],
)
def test_a_key_that_may_lack_tags_is_listed(
    identity: dict[str, Any], verify_at: datetime | None, expected: Step
) -> None:
    """The listing sets them: immediately for a key that is taken over, otherwise when it is due.

    If the status records the tags, or the ID of the cluster is unknown, the key is only verified.
    """
    known = state(
        grant=_known(**identity),
        status=_STATUS,
        secret=_HELD,
        has_finalizer=True,
        verify_at=verify_at,
    )
    assert decide(known, now=NOON) == expected


@pytest.mark.parametrize(
    ("fault", "key_id", "words"),
    [
        (KeyFault.DISABLED, A, ["was disabled", "refused", "A key with another value is issued"]),
        (KeyFault.NOT_ENABLED, A, ["is disabled", "enabled again", "enabled: false"]),
        (KeyFault.OUTSIDE_PLAN, A, ["usage plan", "refused", "added again"]),
        (KeyFault.MISSING, A, ["does not exist", "deleted or made inactive", "Another is issued"]),
        (KeyFault.MISSING, A + "B", ["does not exist", "old copy", "Another is issued"]),
    ],
)
def test_a_lost_key_is_reported(fault: KeyFault, key_id: str, words: list[str]) -> None:
    """Ready=False names the key, what happened to it, and what the operator does."""
    held = replace(_HELD, key_id=key_id, lost=True, fault=fault)
    known = state(grant=_known(), status=_STATUS, secret=held, has_finalizer=True)
    step = decide(known, now=NOON)
    assert step == ReportLost(key_id)
    ready = next_status(known, ReportLost(key_id), now=NOON).condition("Ready")
    assert ready is not None
    assert (ready.status.value, ready.reason) == ("False", "KeyLost")
    assert ready.message.startswith(f"key {key_id} in Secret chat-key ")
    assert [each for each in words if each not in ready.message] == []
