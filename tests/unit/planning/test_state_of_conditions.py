"""`status.state`: one word that follows from the conditions."""

from __future__ import annotations

import pytest

from keywright.api.status import Condition, ConditionStatus, GrantStatus, SourceStatus
from keywright.planning.conditions import with_state


def _condition(type_: str, *, reason: str = "Any", true: bool = True) -> Condition:
    status = ConditionStatus.TRUE if true else ConditionStatus.FALSE
    return Condition(type=type_, status=status, reason=reason)


_READY = _condition("Ready", reason="Succeeded")


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([], None),
        ([_condition("Reconciling")], None),
        ([_READY], "Ready"),
        ([_condition("Ready", reason="Suspended")], "Suspended"),
        ([_condition("Ready", reason="Suspended"), _condition("RenewalFailing")], "Suspended"),
        ([_condition("Ready", reason="Suspended", true=False)], "Suspended"),
        ([_condition("Ready", reason="SourceNotFound", true=False)], "SourceNotFound"),
        (
            [
                _condition("Ready", reason="Expired", true=False),
                _condition("RenewalFailing", reason="CloudError"),
                _condition("Stalled", reason="AccessDenied"),
            ],
            "Expired",
        ),
        ([_condition("Ready", reason="", true=False)], None),
        ([_condition("RenewalFailing", reason="AccessDenied"), _READY], "RenewalFailing"),
        ([_READY, _condition("RolloutFailing"), _condition("RenewalFailing")], "RenewalFailing"),
        ([_READY, _condition("ProbeFailing"), _condition("SecretContested")], "ProbeFailing"),
        ([_READY, _condition("FormerSecretLeft"), _condition("RolloutFailing")], "RolloutFailing"),
        ([_READY, _condition("ClockSkewed")], "ClockSkewed"),
        ([_READY, _condition("FormerSecretLeft")], "FormerSecretLeft"),
        ([_READY, _condition("RenewalFailing", true=False)], "Ready"),
        ([_READY, _condition("RolloutProgressing")], "Ready"),
        ([_READY, _condition("OfATenant")], "Ready"),
    ],
)
def test_the_state_follows_from_the_conditions(
    conditions: list[Condition], state: str | None
) -> None:
    """The reason where Ready is not True, otherwise the most serious condition; in any order."""
    for order in (conditions, conditions[::-1]):
        assert with_state(GrantStatus(conditions=tuple(order))).state == state
        assert with_state(SourceStatus(conditions=tuple(order))).state == state


def test_a_stored_state_is_not_believed() -> None:
    """It is what a tenant may have written."""
    assert with_state(GrantStatus(conditions=(_READY,), state="Expired")).state == "Ready"
    assert with_state(GrantStatus(state="Ready")).state is None


def test_an_unchanged_status_is_the_same_object() -> None:
    """So that nothing is written for it."""
    status = GrantStatus(conditions=(_READY,), state="Ready")
    assert with_state(status) is status
