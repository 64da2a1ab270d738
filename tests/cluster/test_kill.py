"""`kill -9` at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import contextlib
import random
import subprocess
from datetime import UTC, datetime

import pytest

from testbed.operators import OperatorProcess
from tests.cluster.tenants import Document, Tenant, after_the_second_of, condition
from tests.cluster.tier import Record

_KILLS = 50
_GRANTS = [f"grant-{number}" for number in range(8)]
_WORK_SECONDS = 0.25
_START_SECONDS = 1.2


def ask_all(tenant: Tenant) -> str:
    """Ask every grant for a renewal; returns the value that its status has afterwards."""
    requested = datetime.now(UTC).isoformat()
    for name in _GRANTS:
        tenant.annotate_grant(name=name, **{"keywright.dev/renew-requested-at": requested})
    return requested


def converged(tenant: Tenant, requested: str) -> dict[str, int]:
    """The revision of each grant, once it is Ready and the request has been handled."""

    def handled(status: Document) -> bool:
        ends = status.get("expiresAt", "never")
        reported = ends in condition(status, "Ready")["message"]
        return reported and status.get("lastHandledReconcileAt") == requested

    return {
        name: tenant.reported("Ready", name=name, seconds=15, and_=handled)["revision"]
        for name in _GRANTS
    }


def live_for(operator: OperatorProcess, seconds: float) -> None:
    """Return after that time, or when the operator has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        operator.process.wait(seconds=seconds)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_fifty_kills_lose_and_double_nothing(
    tenant: Tenant, operator: OperatorProcess, record_property: Record
) -> None:
    """Killed at fifty random moments of its work or its start, the next start converges.

    Then each grant has exactly one Secret and is at most one mint ahead of what was asked; a life
    of the operator costs one session at most; the same identity has its Lease back at once.
    """
    seed = random.randrange(10**6)  # noqa: S311  no secret
    print(f"seed {seed}")  # noqa: T201  pytest shows it where the test fails
    record_property("seed", seed)
    chance = random.Random(seed)  # noqa: S311  no secret
    tenant.apply_source()
    for name in _GRANTS:
        tenant.apply_grant(name=name)
    revisions = {name: tenant.ready(name=name)["revision"] for name in _GRANTS}
    doubled = 0
    lives = 1
    for number in range(_KILLS):
        after_the_second_of(tenant.status(_GRANTS[-1]))
        if chance.random() < 0.3:
            operator.kill()
            requested = ask_all(tenant)
            operator.spawn()
            moment = chance.uniform(0, _START_SECONDS)
            lives += 1
        else:
            requested = ask_all(tenant)
            moment = chance.uniform(0, _WORK_SECONDS)
        live_for(operator, moment)
        operator.kill()
        operator.start()
        lives += 1
        now = converged(tenant, requested)
        ahead = {name: now[name] - revisions[name] for name in _GRANTS}
        assert all(1 <= mints <= 2 for mints in ahead.values()), (number, moment, ahead)
        doubled += sum(mints - 1 for mints in ahead.values())
        revisions = now
    record_property("mints beyond those asked for", doubled)
    listed = tenant.world.api.get(tenant.secret_path("").rstrip("/"))["items"]
    assert sorted(secret["metadata"]["name"] for secret in listed) == _GRANTS
    # a source looks after its own session too, which is shared where it is young enough
    assert tenant.session_calls() <= 2 * lives
