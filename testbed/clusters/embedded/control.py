"""The client's side of faults on demand."""

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
    """Tells a running server what goes wrong next.

    `match` is a regular expression over the path with its query, `verbs` are those of RBAC
    (`get`, `list`, `watch`, `create`, ...; none means all), `count` how many requests meet the
    fault (None: every one until `clear`). Open watches that match are hit at once by `close`,
    `reset` and `stall`, and are not counted: `count=0` means only them. With `after` the request
    is carried out and only its answer is spoilt.
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
        """The connection ends without an answer."""
        self._arm("close", match, verbs=verbs, count=count, after=after)

    def reset(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        count: int | None = 1,
        after: bool = False,
    ) -> None:
        """The connection is reset."""
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
        """Silence, with the connection open."""
        self._arm("stall", match, verbs=verbs, count=count, after=after, seconds=seconds)

    def slow(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        seconds: float = 1,
        count: int | None = 1,
    ) -> None:
        """The request is carried out, but later."""
        self._arm("slow", match, verbs=verbs, count=count, seconds=seconds)

    def gone(self, match: str = "") -> None:
        """History is compacted: open watches and resumed ones get 410 Expired."""
        self._arm("gone", match)

    def too_many_requests(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        retry_after: int = 1,
        count: int | None = 1,
    ) -> None:
        """429 with Retry-After."""
        self._arm("too-many-requests", match, verbs=verbs, count=count, seconds=retry_after)

    def internal_error(
        self,
        match: str = "",
        *,
        verbs: Sequence[str] = (),
        count: int | None = 1,
        after: bool = False,
    ) -> None:
        """500."""
        self._arm("internal-error", match, verbs=verbs, count=count, after=after)

    def unauthorized(
        self, match: str = "", *, verbs: Sequence[str] = (), count: int | None = 1
    ) -> None:
        """401."""
        self._arm("unauthorized", match, verbs=verbs, count=count)

    def clear(self) -> None:
        """No more faults; what stalls goes on."""
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
        """Ask for a fault in the server's own words."""
        self._send("POST", msgspec.json.encode(fault))

    def _send(self, method: str, body: bytes | None) -> None:
        request = urllib.request.Request(  # noqa: S310  the URL is the testbed's own
            self._url, data=body, method=method, headers={"Authorization": f"Bearer {self._token}"}
        )
        context = ssl.create_default_context(cafile=str(self._ca_file))
        with urllib.request.urlopen(request, timeout=_SECONDS, context=context):  # noqa: S310
            pass
