"""Reading and writing the status."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.status import (
    Condition,
    ConditionStatus,
    FormerSecret,
    GrantStatus,
    PendingCreate,
    RetiringKey,
    SourceStatus,
)

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_NAMES = st.sampled_from([*GrantStatus().to_body(), *SourceStatus().to_body()])

FULL = GrantStatus(
    conditions=(
        Condition(
            type="Ready",
            status=ConditionStatus.TRUE,
            reason="Succeeded",
            message="The key is good.",
            last_transition_time=NOON,
            observed_generation=2,
        ),
    ),
    observed_generation=2,
    kind="bedrockLongTermKey",
    secret_name="chat-key",
    issued_at=NOON,
    expires_at=NOON,
    renew_at=NOON,
    revision=3,
    key_id="ACCA1",
    fingerprint="a.b.c",
    pending=PendingCreate(started_at=NOON, baseline=("ACCA1",)),
    retiring=(RetiringKey(key_id="ACCA0", retire_at=NOON),),
    failed_attempts=1,
    last_failure_time=NOON,
    last_handled_reconcile_at="2026-11-22T11:00:00Z",
    former_secrets=(
        FormerSecret(name="old", uid="u1", message="it is immutable."),
        FormerSecret(name="older", uid="u2", cleared=True),
    ),
)


def test_a_written_status_is_read_back() -> None:
    """Nothing that was recorded is lost."""
    assert GrantStatus.parse(FULL.to_body()) == FULL
    status = SourceStatus(provider="AWS", identity="arn", grants=2, expires_at=NOON)
    assert SourceStatus.parse(status.to_body()) == status


def test_times_are_written_as_kubernetes_writes_them() -> None:
    """RFC 3339, UTC, seconds."""
    assert FULL.to_body()["expiresAt"] == "2026-11-22T12:00:00Z"


def test_what_is_gone_is_removed_by_a_merge_patch() -> None:
    """An absent value is null on the wire, down to the whole journal."""
    body = GrantStatus().to_body()
    assert body["expiresAt"] is None
    assert body["pending"] is None
    assert body["conditions"] == []


@given(st.dictionaries(_NAMES, _JSON) | _JSON)
def test_a_forged_status_never_raises(raw: object) -> None:
    """For any content of `.status`, both parsers return a status."""
    assert isinstance(GrantStatus.parse(raw), GrantStatus)
    assert isinstance(SourceStatus.parse(raw), SourceStatus)


@pytest.mark.parametrize(
    "raw",
    [
        {"expiresAt": "tomorrow"},
        {"expiresAt": "2026-11-22T12:00:00"},
        {"expiresAt": 7},
        {"expiresAt": "0001-01-01T00:00:00+23:59"},
        {"revision": -1},
        {"revision": True},
        {"failedAttempts": "many"},
        {"conditions": [{"type": "Ready"}, {"status": "True"}, "x", {"type": "A", "status": "?"}]},
        {"conditions": {"type": "Ready"}},
        {"retiring": [{"retireAt": "2026-11-22T12:00:00Z"}]},
        {"pending": "x"},
        {"observedGeneration": -7},
    ],
)
def test_a_value_that_does_not_fit_counts_as_absent(raw: dict[str, object]) -> None:
    """A forged value is no value."""
    assert GrantStatus.parse(raw) == GrantStatus()


def test_a_condition_is_found_by_type() -> None:
    """None where there is none."""
    ready = FULL.condition("Ready")
    assert ready is not None
    assert ready.status is ConditionStatus.TRUE
    assert FULL.condition("Stalled") is None
