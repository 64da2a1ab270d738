"""Which changes become Events."""

import pytest

from keywright.api.status import Condition, ConditionStatus, GrantStatus
from keywright.planning.events import event_for

NEW = ""
GOOD = "Ready=True:Succeeded"
FAILING = "Ready=True:Succeeded RenewalFailing=True:AccessDenied"
FAILING_OTHERWISE = "Ready=True:Succeeded RenewalFailing=True:Throttled"
DENIED = "Ready=False:AccessDenied Reconciling=True:ProgressingWithRetry"
STALLED = "Ready=False:AccessDenied Stalled=True:AccessDenied"
EXPIRED = "Ready=False:Expired Reconciling=True:ProgressingWithRetry"
SUSPENDED = "Ready=True:Suspended"


def _status(text: str, *, words: str = "words") -> GrantStatus:
    conditions = []
    for part in text.split():
        type_, _, rest = part.partition("=")
        value, _, reason = rest.partition(":")
        conditions.append(
            Condition(type=type_, status=ConditionStatus(value), reason=reason, message=words)
        )
    return GrantStatus(conditions=tuple(conditions))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (NEW, GOOD, None),
        (GOOD, GOOD, None),
        (GOOD, SUSPENDED, None),
        (NEW, DENIED, "Warning AccessDenied"),
        (DENIED, DENIED, None),
        (DENIED, STALLED, None),
        (DENIED, GOOD, "Normal Recovered"),
        (GOOD, FAILING, "Warning RenewalFailing"),
        (FAILING, FAILING, None),
        (FAILING, FAILING_OTHERWISE, "Warning RenewalFailing"),
        (FAILING, GOOD, "Normal Recovered"),
        (FAILING, EXPIRED, "Warning Expired"),
        (EXPIRED, GOOD, "Normal Recovered"),
        (EXPIRED, FAILING, "Warning RenewalFailing"),
    ],
)
def test_a_change_for_the_worse_is_told_once_and_so_is_the_recovery(
    before: str, after: str, expected: str | None
) -> None:
    """Renewals and first successes are no news: ten thousand grants would post them all day."""
    step_name = event_for(_status(before, words="old"), _status(after, words="new"))
    found = step_name and f"{'Warning' if step_name.warning else 'Normal'} {step_name.reason}"
    assert found == expected
    assert step_name is None or step_name.note == "new"
