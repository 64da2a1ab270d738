"""What the tests of contested Secrets have in common."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.cluster.audit import WRITE_SECRET, AuditLog, Mark
from tests.cluster.tenants import Document, Tenant

SECONDS = 20
"""How long another manager takes fields back."""
# The first repair, and those after pauses of 1, 2, 4 and 8 seconds; one more for a late start.
MOST_WRITES = 6
THEIRS = base64.b64encode(b"theirs").decode()
SPEC = {"labels": {"team": "chat"}, "annotations": {"example.com/owner": "chat"}}


def label(name: str) -> Document:
    """The other manager's value of a label."""
    return {"metadata": {"labels": {name: "platform"}}}


def writes_of(audit: AuditLog, tenant: Tenant, since: Mark) -> int:
    """How often the Secret was written."""
    requests = audit.requests(since=since, namespace=tenant.namespace)
    return sum(request.what == WRITE_SECRET for request in requests)


def after(seconds: float) -> Callable[[], bool]:
    """Whether this time has passed since now."""
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return lambda: datetime.now(UTC) >= until
