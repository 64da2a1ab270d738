"""What the API server itself says was asked of it: its audit log, read from a mark on."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

OPERATOR = "system:serviceaccount:keywright-system:keywright"
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_CREDENTIAL = "authentication.kubernetes.io/credential-id"


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the operator. `what` is its verb and resource; `credential` its token's id."""

    what: str
    namespace: str
    name: str
    code: int
    credential: str
    received: datetime

    @property
    def is_write(self) -> bool:
        """Whether it changed something; asking for a token, or for a right, changes nothing."""
        return self.what.split()[0] in _WRITES and self.what not in _QUESTIONS


TOKEN_REQUEST = "create serviceaccounts/token"
_QUESTIONS = frozenset({TOKEN_REQUEST, "create selfsubjectaccessreviews"})
WRITE_SECRET = "patch secrets"
WRITE_STATUS = "patch apikeygrants/status"
CREATE_EVENT = "create events"
SOURCE_STATUS = "patch credentialsources/status"
RENEW_LEASE = "update leases"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the log, and the time it was made: what came before is answered behind it too."""

    position: int
    moment: datetime


BEGINNING = Mark(0, datetime.min.replace(tzinfo=UTC))


class AuditLog:
    """The requests that the operator made, whichever replica of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> Mark:
        """Now: what the API server is asked from here on.

        It notes a request after its answer, so that one whose effect was seen may not stand yet.
        """
        return Mark(self._path.stat().st_size, datetime.now(UTC))

    def requests(self, *, since: Mark = BEGINNING, namespace: str | None = None) -> list[Request]:
        """Every request after the mark, in one namespace or in all."""
        return [
            request
            for request in self._all(since)
            if namespace is None or request.namespace == namespace
        ]

    def writes(self, *, since: Mark = BEGINNING, namespace: str | None = None) -> list[Request]:
        """Those that change something, the Lease's apart."""
        return [
            request
            for request in self.requests(since=since, namespace=namespace)
            if request.is_write and request.what != RENEW_LEASE
        ]

    def written(self, *, since: Mark, namespace: str) -> Counter[str]:
        """What was written for the grants of a namespace.

        Without the status of its source, and without Events, which are posted at any later time
        (test_audit_lines.py counts them).
        """
        writes = self.writes(since=since, namespace=namespace)
        others = (SOURCE_STATUS, CREATE_EVENT)
        return Counter(write.what for write in writes if write.what not in others)

    def _all(self, since: Mark) -> Iterator[Request]:
        with self._path.open("rb") as log:
            log.seek(since.position)
            for line in log:
                if OPERATOR.encode() not in line or not line.endswith(b"\n"):
                    continue
                event = json.loads(line)
                if event["user"]["username"] != OPERATOR:
                    continue
                request = _request(event)
                if request.received >= since.moment:
                    yield request


def credential_of(kubeconfig: Path) -> str:
    """The id, as the audit log has it, of the token in a kubeconfig."""
    token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"JTI={claims['jti']}"


def _request(event: dict[str, Any]) -> Request:
    reference = event.get("objectRef", {})
    resource = "/".join(
        filter(None, [reference.get("resource", "none"), reference.get("subresource")])
    )
    return Request(
        what=f"{event['verb']} {resource}",
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        credential=event["user"].get("extra", {}).get(_CREDENTIAL, [""])[0],
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
    )
