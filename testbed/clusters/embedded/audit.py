"""The audit log, in the format of the real server with `--audit-log-path` at level Metadata."""

from __future__ import annotations

import datetime
import os
import uuid
from typing import TYPE_CHECKING

from testbed.clusters.embedded.documents import Document, encode

if TYPE_CHECKING:
    from pathlib import Path


def micro_time() -> str:
    """The current time in the format of audit events."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class AuditLog:
    """One JSON line for each completed request."""

    def __init__(self, path: Path | None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._file = None if path is None else os.open(path, flags, 0o600)

    def write(
        self,
        *,
        verb: str,
        uri: str,
        user: str,
        object_ref: Document | None,
        code: int,
        received: str,
        user_agent: str,
    ) -> None:
        """Append one event; the line is in the file when this returns."""
        if self._file is None:
            return
        event: Document = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": str(uuid.uuid4()),
            "stage": "ResponseComplete",
            "requestURI": uri,
            "verb": verb,
            "user": {"username": user},
            "userAgent": user_agent,
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": received,
            "stageTimestamp": micro_time(),
        }
        if object_ref is not None:
            event["objectRef"] = object_ref
        os.write(self._file, encode(event) + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
