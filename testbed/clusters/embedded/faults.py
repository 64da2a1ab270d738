"""Fault injection: the fault, the affected requests, and their number."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.field_errors import ApiError, bad_request

if TYPE_CHECKING:
    from aiohttp import web

    from testbed.clusters.embedded.documents import Document

_NO_LINGER: Final = struct.pack("ii", 1, 0)


class FaultKind(enum.Enum):
    """The type of a fault."""

    CLOSE = "close"
    RESET = "reset"
    STALL = "stall"
    GONE = "gone"
    TOO_MANY_REQUESTS = "too-many-requests"
    INTERNAL_ERROR = "internal-error"
    UNAUTHORIZED = "unauthorized"
    SLOW = "slow"


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault for `count` more requests; None for all until it is cleared.

    With `after`, the request is executed and only its response is affected. Open watches are
    affected immediately when a fault is armed, and are not counted.
    """

    kind: FaultKind
    match: re.Pattern[str]
    verbs: frozenset[str]
    count: int | None = 1
    seconds: float = 1.0
    after: bool = False
    cleared: asyncio.Event = field(default_factory=asyncio.Event)

    def meets(self, path: str, verb: str) -> bool:
        """Whether the fault applies to a request."""
        return (not self.verbs or verb in self.verbs) and bool(self.match.search(path))


def parse_fault(body: Document) -> Fault:
    """Parse the fault of a client; raises ApiError (400)."""
    try:
        count = body.get("count", 1)
        return Fault(
            kind=FaultKind(body["kind"]),
            match=re.compile(body.get("match") or ""),
            verbs=frozenset(body.get("verbs") or ()),
            count=None if count is None else int(count),
            seconds=float(body.get("seconds", 1.0)),
            after=bool(body.get("after")),
        )
    except (KeyError, ValueError, TypeError, re.error) as error:
        raise bad_request(f"no fault: {error!r}") from error


class Faults:
    """The armed faults."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """Arm a fault."""
        if fault.count != 0:
            self._armed.append(fault)

    def clear(self) -> None:
        """Remove all faults; stalled requests continue."""
        for fault in self._armed:
            fault.cleared.set()
        self._armed.clear()

    def __bool__(self) -> bool:
        return bool(self._armed)

    def take(self, path: str, verb: str, *, after: bool) -> Fault | None:
        """The fault for this request, which is counted."""
        for fault in self._armed:
            if fault.after is after and fault.meets(path, verb):
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count == 0:
                        self._armed.remove(fault)
                return fault
        return None


async def happen(fault: Fault, request: web.BaseRequest) -> bool:
    """Apply a fault to a request; True if the connection is closed.

    Raises:
        ApiError: the fault is an error response.
    """
    match fault.kind:
        case FaultKind.CLOSE:
            close(request)
            return True
        case FaultKind.RESET:
            reset(request)
            return True
        case FaultKind.TOO_MANY_REQUESTS:
            raise ApiError(
                "Too many requests, please try again later.",
                code=429,
                reason="TooManyRequests",
                details={"retryAfterSeconds": max(1, int(fault.seconds))},
                retry_after=max(1, int(fault.seconds)),
            )
        case FaultKind.INTERNAL_ERROR:
            raise ApiError(
                "Internal error occurred: a fault on demand",
                code=500,
                reason="InternalError",
                details={"causes": [{"message": "a fault on demand"}]},
            )
        case FaultKind.UNAUTHORIZED:
            raise ApiError("Unauthorized", code=401, reason="Unauthorized")
        case FaultKind.SLOW | FaultKind.STALL:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(fault.seconds):
                    await fault.cleared.wait()
        case FaultKind.GONE:
            pass
    return False


def close(request: web.BaseRequest) -> None:
    """Close the connection."""
    if request.transport is not None:
        request.transport.close()


def reset(request: web.BaseRequest) -> None:
    """Close the connection with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
