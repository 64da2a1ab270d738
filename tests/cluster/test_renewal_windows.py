"""Windows and suspension: when a renewal happens, and what happens in spite of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Document, Tenant, after_the_second_of, condition

_ALWAYS = {"schedule": "* * * * *", "duration": "5m"}


def _shut() -> dict[str, str]:
    """A window that opens half a year from now."""
    far = datetime.now(UTC) + timedelta(days=180)
    return {"schedule": f"0 2 1 {far.month} *", "duration": "1h"}


def _in_nine_hours() -> tuple[dict[str, str], datetime]:
    """A window that opens after a key of twelve hours is due, and before it ends; and when."""
    opens = (datetime.now(UTC) + timedelta(hours=9)).replace(minute=0, second=0, microsecond=0)
    return {"schedule": f"0 {opens.hour} * * *", "duration": "1h"}, opens


def _time(status: Document, field: str) -> datetime:
    return datetime.fromisoformat(status[field])


def test_the_status_says_when_in_the_window_the_renewal_is(tenant: Tenant) -> None:
    """It is planned within the window; an edit of the windows moves it, and costs no key."""
    window, opens = _in_nine_hours()
    tenant.apply_source(sessionDuration="12h")
    tenant.apply_grant(renewal={"windows": [window]})
    status = tenant.ready()
    assert opens <= _time(status, "renewAt") <= opens + timedelta(minutes=30)
    tenant.edit_grant(renewal={"windows": [_ALWAYS]})
    status = tenant.ready()
    assert _time(status, "renewAt") < opens
    assert status["revision"] == 1


def test_a_window_opens_by_its_time_zone(tenant: Tenant) -> None:
    """The hour of a schedule is that of the place which `timeZone` names."""
    opens = _in_nine_hours()[1]
    there = opens.astimezone(ZoneInfo("Asia/Tokyo"))
    window = {"schedule": f"0 {there.hour} * * *", "duration": "10m", "timeZone": "Asia/Tokyo"}
    tenant.apply_source(sessionDuration="12h")
    tenant.apply_grant(renewal={"windows": [window]})
    assert opens <= _time(tenant.ready(), "renewAt") <= opens + timedelta(minutes=10)


def test_a_window_that_opens_too_late_is_overridden(tenant: Tenant) -> None:
    """The key is renewed at the last safe moment, later than it was due; the status says why."""
    tenant.world.aws.limit_sessions(seconds=30)
    tenant.apply_source()
    tenant.apply_grant(renewal={"before": "80%", "windows": [_shut()]})
    first = tenant.ready()
    issued, ends, renews = (_time(first, field) for field in ("issuedAt", "expiresAt", "renewAt"))
    assert issued + timedelta(seconds=15) < renews <= ends - timedelta(seconds=10)
    message = condition(first, "Ready")["message"]
    assert "No window of spec.renewal.windows opens in time" in message
    assert first["renewAt"] in message
    second = tenant.revision(2, seconds=40)
    assert renews <= _time(second, "issuedAt") < ends


def test_what_is_asked_for_and_repairs_wait_for_no_window(tenant: Tenant) -> None:
    """A request by either annotation is answered at once, and so is a Secret that was deleted."""
    tenant.apply_source()
    tenant.apply_grant(renewal={"windows": [_shut()]})
    status = tenant.ready()
    for revision, annotation in (
        (2, "keywright.dev/renew-requested-at"),
        (3, "reconcile.fluxcd.io/requestedAt"),
    ):
        after_the_second_of(status)
        tenant.annotate_grant(**{annotation: datetime.now(UTC).isoformat()})
        status = tenant.revision(revision, seconds=5)
    tenant.world.api.delete(tenant.secret_path())
    tenant.revision(4, seconds=5)


@pytest.mark.timeout(60)
def test_a_suspended_grant_mints_nothing_and_tells_its_end(tenant: Tenant) -> None:
    """Ready says Suspended and until when; past it Ready is False; resumed, a key is made."""
    tenant.world.aws.limit_sessions(seconds=6)
    tenant.apply_source()
    tenant.apply_grant(suspend=True)
    reported = tenant.reported("Ready", status="False", reason="Suspended")
    assert not tenant.has_secret()
    tenant.edit_grant(suspend=False)
    tenant.ready()
    tenant.edit_grant(suspend=True)
    reported = tenant.reported("Ready", reason="Suspended")
    end = reported["expiresAt"]
    assert f"The key in Secret {GRANT} ends at {end}." in condition(reported, "Ready")["message"]
    data = tenant.data()
    reported = tenant.reported("Ready", status="False", reason="Suspended")
    assert f"ended at {end}" in condition(reported, "Ready")["message"]
    assert not condition(reported, "Stalled")
    assert tenant.data() == data
    tenant.world.aws.limit_sessions(seconds=None)
    tenant.edit_grant(suspend=False)
    tenant.reported("Ready", and_=lambda status: status["expiresAt"] != end)
    eventually(lambda: tenant.data() != data)
