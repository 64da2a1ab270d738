"""Old managed keys wait for workloads that have not been restarted yet, for a limited time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from keywright.api.status import Condition, ConditionStatus, GrantStatus, RetiringKey
from keywright.planning.decide import decide
from keywright.planning.requeue import requeue_at
from keywright.planning.retirement import predecessor_id, retirement_notice
from keywright.planning.rollout_status import RolloutProgress
from keywright.planning.state import CloudKey, GrantState
from keywright.planning.status import next_status
from keywright.planning.steps import Issue, ListKeys, NoOp, Remove, Wait, Written
from tests.unit.api.samples import grant
from tests.unit.fakes.clock import NOON
from tests.unit.planning.samples import noon, secret, state, status
from tests.unit.replace import replace

A, B, C = (f"123456789012/bedrock-chat/ACCA{letter}" for letter in "ABC")
_ROLLOUT = {"restart": [{"kind": "Deployment", "name": "chat"}]}
_PROGRESSING = Condition(
    type="RolloutProgressing",
    status=ConditionStatus.TRUE,
    reason="SecretChanged",
    message="0 of 1 workloads have been restarted for Secret chat-key.",
    last_transition_time=noon(hours=-2),
    observed_generation=1,
)
_LISTED = (CloudKey(A, created_at=noon(hours=-2)), CloudKey(B, created_at=noon(days=-7)))


def given(
    *,
    overlap: str = "2h",
    rolling: bool = True,
    ends: datetime | None = None,
    renews: datetime | None = None,
    recorded_data_hash: str = "new",
    **changed: Any,
) -> GrantState:
    """Key A is in use, and the overlap of key B is over since noon."""
    key = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d", "overlap": overlap}
    usual = status(kind="bedrockLongTermKey", key_id=A, expires_at=None)
    step_name = status_of(usual, rolling=rolling, ends=ends)
    known = state(
        grant=grant(bedrockShortTermKey=None, bedrockLongTermKey=key, rollout=_ROLLOUT),
        status=step_name,
        secret=secret(key_id=A, expires_at=None, renew_at=renews or noon(days=7), data_hash="new"),
        recorded_data_hash=recorded_data_hash,
        has_finalizer=True,
    )
    return replace(known, **changed)


def status_of(usual: GrantStatus, *, rolling: bool, ends: datetime | None) -> GrantStatus:
    """The status with a key that retires since noon, and with a rollout under way or none."""
    old = RetiringKey(key_id=B, retire_at=NOON, expires_at=ends)
    conditions = (*usual.conditions, *([_PROGRESSING] if rolling else []))
    return status(
        kind=usual.kind, key_id=A, expires_at=None, conditions=conditions, retiring=(old,)
    )


@pytest.mark.parametrize(
    ("known", "until"),
    [
        pytest.param(given(), noon(hours=2), id="as long again as the overlap"),
        pytest.param(given(overlap="1m"), noon(hours=1), id="an hour at least"),
        pytest.param(given(ends=noon(minutes=20)), noon(minutes=20), id="not past its own end"),
        pytest.param(given(renews=noon(minutes=30)), noon(minutes=30), id="nor the next renewal"),
        pytest.param(given(ends=noon(minutes=-5)), NOON, id="what has ended goes"),
        pytest.param(given(rolling=False), NOON, id="no rollout is under way"),
        pytest.param(
            given(rolling=False, recorded_data_hash="old"),
            noon(hours=2),
            id="a rollout has yet to begin",
        ),
    ],
)
def test_an_old_key_stays_for_a_rollout_within_bounds(known: GrantState, until: datetime) -> None:
    """Until that time nothing is asked of the cloud, and then the key goes in spite of it.

    The next look is when it goes, not over and over. The bound of the key itself is its
    `expiresAt`; without a rollout the overlap alone counts.
    """
    if until > NOON:
        assert decide(known, now=NOON) == NoOp()
        assert requeue_at(known, NoOp(), now=NOON) == until
    assert isinstance(decide(known, now=until), ListKeys)
    listed = replace(known, listed=(_LISTED[0], replace(_LISTED[1], active=False)))
    assert decide(listed, now=until) == Remove((B,))


def test_the_condition_names_the_key_that_stays_and_until_when() -> None:
    """Said once, however often it is looked at, and no more once the rollout is over."""
    known = given()
    for _ in range(2):
        step_name = next_status(known, None, news=RolloutProgress(noon(seconds=9), 0, 1), now=NOON)
        progress = step_name.condition("RolloutProgressing")
        assert progress is not None
        assert progress.message == (
            "0 of 1 workloads have been restarted for Secret chat-key."
            f" The old key {B} stays for those that are not yet, until"
            " 2026-11-22T14:00:00Z at most."
        )
        known = replace(known, status=step_name)
    over = next_status(known, None, news=RolloutProgress(None, 1, 1), now=NOON)
    assert over.condition("RolloutProgressing") is None
    after = replace(known, status=over)
    assert requeue_at(after, NoOp(), now=NOON) == NOON
    assert decide(after, now=NOON) == ListKeys(prepare=False)


def test_a_key_that_goes_in_a_rollout_is_told() -> None:
    """By a Warning that names it; one that goes after its rollout needs no word."""
    known = given()
    gone = next_status(known, Remove((B,)), now=noon(hours=2))
    found = retirement_notice(known.status, gone)
    assert found is not None
    assert (found.warning, found.reason) == (True, "KeyRetiredInRollout")
    assert B in found.note
    calm = given(rolling=False)
    assert retirement_notice(calm.status, next_status(calm, Remove((B,)), now=NOON)) is None


def test_a_renewal_that_is_asked_for_waits_as_long() -> None:
    """IAM has room for two: the place of the old key is not taken while workloads have it."""
    requested = given(pending_probe=None, listed=_LISTED)
    due = replace(requested, secret=replace(secret(key_id=A, data_hash="new"), matches_spec=False))
    assert due.secret is not None
    due = replace(due, secret=replace(due.secret, expires_at=None, renew_at=noon(days=7)))
    assert decide(due, now=NOON) == Wait(noon(hours=2))
    assert decide(due, now=noon(hours=2)) == Remove((B,))
    assert not isinstance(decide(due, now=NOON), Issue)


_OLD, _OLDER = (RetiringKey(key_id=key_id, retire_at=NOON) for key_id in (B, C))


@pytest.mark.parametrize(
    ("key_id", "retiring", "unproved", "expected"),
    [
        (A, (), (), None),
        (A, (_OLD, _OLDER), (), B),
        (A, (_OLD, _OLDER), (B,), C),
        (A, (_OLD,), (B,), None),
        (C, (_OLD,), (), A),
        (None, (_OLD,), (), A),
        (C, (), (A,), None),
    ],
    ids=[
        "none",
        "the first that retires",
        "an unproved one does not count",
        "none is proved",
        "the one in use until now",
        "the new one has no ID",
        "the one in use is unproved",
    ],
)
def test_the_predecessor_may_still_exist(
    key_id: str | None,
    retiring: tuple[RetiringKey, ...],
    unproved: tuple[str, ...],
    expected: str | None,
) -> None:
    """The Secret names it, so that it retires even if the status is lost."""
    before = given(rolling=False, unproved_ids=frozenset(unproved))
    known = replace(before, status=replace(before.status, retiring=retiring))
    assert predecessor_id(known, key_id=key_id) == expected


def test_a_key_that_can_be_reissued_has_no_predecessor() -> None:
    """Nothing remains in the cloud, whatever its status says."""
    known = state(status=status(kind="bedrockLongTermKey", key_id=A, retiring=(_OLD,)))
    assert predecessor_id(known, key_id=None) is None


def test_the_own_end_of_an_old_key_is_kept_in_the_status() -> None:
    """It was the end of the key in use until then."""
    before = given(rolling=False)
    step_name = status(kind="bedrockLongTermKey", key_id=A, expires_at=noon(days=3))
    written = Written(secret(key_id=B, replaces=A, expires_at=noon(days=30)), B)
    after = next_status(replace(before, status=step_name), written, now=NOON)
    assert after.retiring == (
        RetiringKey(key_id=A, retire_at=noon(hours=2), expires_at=noon(days=3)),
    )
