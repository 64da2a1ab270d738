"""The client for fault injection."""

from __future__ import annotations

import ssl
import urllib.request
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SECONDS = 10


class FaultClient:
    """Injects faults into a running server.

    `match` is a regular expression over the path with its query, `verbs` are those of RBAC (`get`,
    `list`, `watch`, `create`, ...; none means all), `count` the number of affected requests (None:
    all until `clear`). Open watches that match are affected immediately by `close`, `reset` and
    `stall`, and are not counted: `count=0` means only them. With `after` the request is executed
    and only its response is affected.
    """

    def __init__(self, server: str, *, ca_file: Path, token: str) -> None:
        self._url = f"{server}/_faults"
        self._token = token
        self._ca_file = ca_file

    def close(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        count: int | None = 1,
        after: bool = False,
    ) -> None:
        """End the connection without a response."""
        self._arm("close", match, verbs=verbs, count=count, after=after)

    def reset(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        count: int | None = 1,
        after: bool = False,
    ) -> None:
        """Reset the connection."""
        self._arm("reset", match, verbs=verbs, count=count, after=after)

    def stall(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        seconds: float = 600,
        count: int | None = 1,
        after: bool = False,
    ) -> None:
        """Send nothing, with the connection open."""
        self._arm("stall", match, verbs=verbs, count=count, after=after, seconds=seconds)

    def slow(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        seconds: float = 1,
        count: int | None = 1,
    ) -> None:
        """Execute the request with a delay."""
        self._arm("slow", match, verbs=verbs, count=count, seconds=seconds)

    def gone(self, match: str = "") -> None:
        """Compact the history: open watches and resumed ones get 410 Expired."""
        self._arm("gone", match)

    def too_many_requests(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        retry_after: int = 1,
        count: int | None = 1,
    ) -> None:
        """Respond with 429 and Retry-After."""
        self._arm("too-many-requests", match, verbs=verbs, count=count, seconds=retry_after)

    def internal_error(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        count: int | None = 1,
        after: bool = False,
    ) -> None:
        """Respond with 500."""
        self._arm("internal-error", match, verbs=verbs, count=count, after=after)

    def unauthorized(
        self, match: str = "", *, verbs: Sequence[str] = (), count: int | None = 1
    ) -> None:
        """Respond with 401."""
        self._arm("unauthorized", match, verbs=verbs, count=count)

    def clear(self) -> None:
        """Remove all faults; stalled requests continue."""
        self._send("DELETE", None)

    def _arm(
        self,
        kind: str,
        match: str,
        *,
        verbs: Sequence[str] = (),
        count: int | None = 1,
        seconds: float = 1,
        after: bool = False,
    ) -> None:
        fault = {
            "kind": kind,
            "match": match,
            "verbs": list(verbs),
            "count": count,
            "seconds": seconds,
            "after": after,
        }
        self.send(fault)

    def send(self, fault: Mapping[str, object]) -> None:
        """Inject a fault in the server's own format."""
        self._send("POST", msgspec.json.encode(fault))

    def _send(self, method: str, body: bytes | None) -> None:
        request = urllib.request.Request(  # noqa: S310  the URL is the testbed's own
            self._url, data=body, method=method, headers={"Authorization": f"Bearer {self._token}"}
        )
        context = ssl.create_default_context(cafile=str(self._ca_file))
        with urllib.request.urlopen(request, timeout=_SECONDS, context=context):  # noqa: S310
            pass
