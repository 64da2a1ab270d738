"""The receiving side of a connection to a cloud, with a limit on what precedes a response."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

_MAX_INFORMATIONAL: Final = 8
# Each part holds about a hundred of the shortest responses, which take a few milliseconds.
_PART_BYTES: Final = 8192
_BAD_GATEWAY: Final = 502


class AnswerProtocol(ResponseHandler):
    """Rejects a response after more than a few informational (1xx) responses.

    aiohttp skips them one after the other without returning to the event loop, and reads up to 256
    KiB of them at a time: a server that sends nothing else would block all other tasks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._informational = 0

    def set_response_params(self, **params: Any) -> None:
        """Start with another request."""
        self._informational = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Parse received data in small parts, until the response is rejected."""
        if len(data) <= _PART_BYTES:
            super().data_received(data)
            return
        for start in range(0, len(data), _PART_BYTES):
            if self._is_refused():
                return
            super().data_received(data[start : start + _PART_BYTES])

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Forward one response, unless there were too many informational responses."""
        if data[0].code // 100 == 1:
            self._informational += 1
        if not self._is_refused():
            super().feed_data(data, size)
        elif self.exception() is None:
            self.set_exception(
                HttpProcessingError(code=_BAD_GATEWAY, message="too many informational responses")
            )
            if self.transport is not None:
                self.transport.close()

    def _is_refused(self) -> bool:
        return self._informational > _MAX_INFORMATIONAL


def bound_answers(connector: aiohttp.BaseConnector) -> None:
    """Make the connector's new connections use `AnswerProtocol`.

    aiohttp has no public option for it; `test_interim_answers.py` fails if it has no effect.
    """
    protocol = partial(AnswerProtocol, loop=asyncio.get_running_loop())
    connector._factory = cast("partial[ResponseHandler]", protocol)  # noqa: SLF001
