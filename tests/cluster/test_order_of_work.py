"""Who goes first where there is more to do than workers: seen in the API server's audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pytest

from testbed.operators import OperatorProcess
from tests.cluster.audit import WRITE_SECRET, AuditLog
from tests.cluster.conftest import DEBUG
from tests.cluster.eventually import eventually
from tests.cluster.tenants import ACCOUNT_NAME, Document, Tenant

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
# Lifetime of their keys in seconds, and the margin of their renewal. They are created, and
# listed, in another order than they are to be served in.
_ENDING = {"soon-a": (75, "60%"), "soon-b": (60, "60%")}
_ENDED = {"without-a": (18, "25%"), "without-b": (15, "25%")}
_NEW = ["new-a", "new-b"]
_FAILED = "again"


def _apply(tenant: Tenant, name: str, *, before: str | None = None, **source: str) -> None:
    """A grant with a source, so a session, of its own."""
    tenant.apply_source(name=name, **source)
    tenant.apply_grant(name=name, source=name, renewal={"before": before} if before else {})


def _times(tenant: Tenant, names: Iterable[str], field: str) -> dict[str, datetime]:
    """A time in the status of each."""
    return {name: datetime.fromisoformat(tenant.status(name)[field]) for name in names}


def _make_keys(tenant: Tenant) -> None:
    """A grant whose first try has failed, and those that have short-lived keys."""
    _apply(tenant, _FAILED, roleArn=f"{tenant.role_arn}-later")
    eventually(lambda: tenant.status(_FAILED).get("failedAttempts"))
    for name, (seconds, before) in (_ENDING | _ENDED).items():
        tenant.world.aws.limit_sessions(seconds=seconds)
        _apply(tenant, name, before=before)
        tenant.ready(name=name)


def _serve_with_one_worker(tenant: Tenant) -> OperatorProcess:
    """An operator of that namespace alone, which reconciles one grant at a time."""
    operator = tenant.world.operator(
        identity=f"one-worker-{tenant.namespace}",
        arguments=(
            *DEBUG,
            "--workers=1",
            f"--namespace={tenant.namespace}",
            "--no-leader-election",
        ),
        fork="keywright",
    )
    operator.start()
    return operator


def test_who_is_without_a_key_goes_first_and_who_failed_last(
    tenant: Tenant, operator: OperatorProcess, audit: AuditLog
) -> None:
    """Ended keys, then those about to end, each by its end; then new grants; then retries.

    All of them wait when the operator starts, and were made in another order.
    """
    _make_keys(tenant)
    operator.kill()
    try:
        tenant.world.aws.limit_sessions(seconds=None)
        tenant.world.create_role(
            name=f"{tenant.role}-later",
            namespace=tenant.namespace,
            service_account=ACCOUNT_NAME,
        )
        for name in _NEW:
            _apply(tenant, name)
        ended, ending = (_times(tenant, names, "expiresAt") for names in (_ENDED, _ENDING))
        due = [*ended.values(), *_times(tenant, _ENDING, "renewAt").values()]
        eventually(lambda: datetime.now(UTC) > max(due), seconds=60)
        assert datetime.now(UTC) < min(ending.values())
        since = audit.mark()
        single = _serve_with_one_worker(tenant)
        for name, end in (ended | ending).items():
            tenant.reported("Ready", name=name, and_=_ends_after(end))
        for name in (*_NEW, _FAILED):
            tenant.ready(name=name)
        single.stop()
    finally:
        operator.start()
    requests = audit.requests(since=since, namespace=tenant.namespace)
    writes = sorted((r for r in requests if r.what == WRITE_SECRET), key=lambda r: r.received)
    by_end = [*sorted(ended, key=ended.__getitem__), *sorted(ending, key=ending.__getitem__)]
    assert list(dict.fromkeys(write.name for write in writes)) == [*by_end, *_NEW, _FAILED]


def _ends_after(end: datetime) -> Callable[[Document], bool]:
    return lambda status: datetime.fromisoformat(status["expiresAt"]) > end
