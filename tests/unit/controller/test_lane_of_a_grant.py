"""Which grants share the slow workers of an account."""

import time

from keywright.api.status import SourceStatus
from keywright.clouds.pacing import Pacing
from keywright.controller.wiring import _lane
from tests.unit.controller.samples import UID, Scene, scene

VICTIM = "123456789012"


def _refuse(pacing: Pacing, account: str) -> None:
    """More than a single refusal, which may be chance."""
    for _ in range(2):
        pacing.throttled(account, "iam")


def _verified(made: Scene) -> Pacing:
    """The source's status names the victim's account, which has said "slow down"."""
    (record,) = made.store.sources.values()
    record.status = SourceStatus(account_id=VICTIM)
    pacing = Pacing(clock=time.monotonic)
    _refuse(pacing, VICTIM)
    return pacing


def test_an_account_that_the_vendor_reported_has_a_lane() -> None:
    """All of its grants."""
    made = scene()
    assert _lane(made.store, _verified(made), UID) == VICTIM


def test_an_account_that_a_custom_endpoint_claims_has_none() -> None:
    """The source has one of its own, once it is slowed down itself."""
    made = scene(source=False)
    made.put_source(stsEndpoint="https://sts.example.com")
    pacing = _verified(made)
    assert _lane(made.store, pacing, UID) is None
    _refuse(pacing, "source s")
    assert _lane(made.store, pacing, UID) == "source s"


def test_a_grant_without_a_source_has_none() -> None:
    """Nor has one that is not known."""
    made = scene(source=False)
    pacing = Pacing(clock=time.monotonic)
    assert _lane(made.store, pacing, UID) is None
    assert _lane(made.store, pacing, "nobody") is None
