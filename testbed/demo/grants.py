"""One grant from its status, and attempts with the first key after its expiry."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from testbed.demo.observed import Grant, Key
from testbed.readers import http_converse

# An immediate attempt could hit the last moment of a session that expires on a whole second.
_AFTER_END_SECONDS = 0.5
_BETWEEN_TRIES_SECONDS = 0.5
_REFUSED = "RefusedError: 403 "


def grant_seen(document: Mapping[str, Any], *, before: Grant | None) -> Grant:
    """The grant of a document, with what is remembered of its first key."""
    metadata, status = document["metadata"], document.get("status", {})
    conditions: list[dict[str, str]] = status.get("conditions", [])
    ready = next((one for one in conditions if one["type"] == "Ready"), {})
    key = _key(status)
    return Grant(
        name=f"{metadata['namespace']}/{metadata['name']}",
        ready=ready.get("status", "Unknown"),
        reason=ready.get("reason", ""),
        message=ready.get("message", ""),
        kind=status.get("kind", ""),
        secret=status.get("secretName", ""),
        key=key,
        first=key if before is None or before.first is None else before.first,
        first_refused_at=None if before is None else before.first_refused_at,
        first_good_until=None if before is None else before.first_good_until,
    )


class FirstKey:
    """The data of the first Secret, to prove that a key really expires."""

    def __init__(
        self, data: Mapping[str, str], *, key: Key, cloud_environment: Mapping[str, str]
    ) -> None:
        self._data = {name: base64.b64decode(value).decode() for name, value in data.items()}
        self._cloud_environment = cloud_environment
        self._next = key.expires_at + _AFTER_END_SECONDS
        self.key = key
        self.refusal = ""

    def tried(self, grant: Grant) -> Grant:
        """The grant after an attempt, if one is due: every half second until the key is refused."""
        now = time.time()
        if grant.first_refused_at is not None or now < self._next:
            return grant
        self._next = now + _BETWEEN_TRIES_SECONDS
        answer = http_converse.call(self._data, cloud_environment=self._cloud_environment)
        if answer.ok:
            return dataclasses.replace(grant, first_good_until=now)
        # No response, or another one: that proves nothing about the key.
        if not (answer.error or "").startswith(_REFUSED):
            return grant
        self.refusal = _message(answer.error or "")
        self._data = {}
        return dataclasses.replace(grant, first_refused_at=now)


def _key(status: Mapping[str, Any]) -> Key | None:
    if "revision" not in status or "expiresAt" not in status:
        return None
    issued, renew, expires = (
        datetime.fromisoformat(status[name]).timestamp()
        for name in ("issuedAt", "renewAt", "expiresAt")
    )
    return Key(
        revision=status["revision"],
        key_id=status.get("keyId", ""),
        issued_at=issued,
        renew_at=renew,
        expires_at=expires,
    )


def _message(error: str) -> str:
    """The cloud's message in the JSON of the refusal."""
    body = json.loads(error.removeprefix(_REFUSED))
    return f"403 {body.get('message') or body.get('Message') or ''}".rstrip()
