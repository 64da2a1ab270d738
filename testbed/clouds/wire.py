"""Requests and responses of the emulator's services: unparsed HTTP.

Path and query keep their on-wire encoding, because signatures are computed over it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from testbed.clouds.errors import CloudError


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are in lower case; a repeated header keeps each value."""

    host: str
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    source_ip: str

    def header(self, name: str) -> str | None:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; a `lost` one never reaches the client.

    With `chunks`, the body is sent in these parts, spread over `seconds`.
    """

    status: int
    body: bytes = field(repr=False)
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False
    chunks: tuple[bytes, ...] = field(default=(), repr=False)
    seconds: float = 0.0


def streamed(chunks: Iterable[bytes], *, content_type: str, seconds: float) -> Response:
    """A response in parts; all at once if it takes no time."""
    parts = tuple(chunks)
    if not seconds:
        return Response(200, b"".join(parts), content_type)
    return Response(200, b"", content_type, chunks=parts, seconds=seconds)


def json_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A response that carries `content` as JSON."""
    return Response(status, json.dumps(content).encode(), "application/json", headers or {})


@dataclass(slots=True)
class Entry:
    """What a service records in the call log; never a token or a secret.

    `session` is the access key ID of the session that the call created.
    """

    principal: str | None = None
    session: str | None = None
    error_code: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)


class Service(Protocol):
    """One service behind its host names."""

    name: str

    def action(self, request: Request) -> str:
        """The name of the API action of the request."""

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call; errors are raised as CloudError."""

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error in the format of this service's protocol."""
