"""A receiver that checks API keys itself, and a slow client of it: two pods of a partner.

The receiver has the Secret mounted (format ApiGatewayEnv with `includePrevious`), and accepts a
request whose `x-api-key` is the current or the previous value. The client changes to a new key only
HOLD_SECONDS after it was published, as one that reads its key from time to time.
"""

from __future__ import annotations

import hmac
import http.client
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from testbed.readers.mounts import Mount

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "partner-with-previous-key"
HOLD_SECONDS = "PARTNER_HOLD_SECONDS"
KEY, PREVIOUS_KEY = "X_API_KEY", "previousApiKey"
ACCEPTED_CURRENT, ACCEPTED_PREVIOUS = "accepted the current key", "accepted the previous key"
_HOLD = 2.0
_HOST = "127.0.0.1"


class Receiver:
    """The server of the partner; it reads both values from its mount for each request."""

    def __init__(self, folder: Path) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                accepted = accepted_as(self.headers.get("x-api-key", ""), folder=folder)
                body = (accepted or "refused").encode()
                self.send_response(HTTPStatus.OK if accepted else HTTPStatus.FORBIDDEN)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Requests contain a key."""

        self._server = ThreadingHTTPServer((_HOST, 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="receiver")
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def accepted_as(key: str, *, folder: Path) -> str:
    """Which value of the mounted Secret the key is; empty for none. No value is ever empty."""
    for name, accepted in ((KEY, ACCEPTED_CURRENT), (PREVIOUS_KEY, ACCEPTED_PREVIOUS)):
        value = (folder / name).read_text()
        if value and hmac.compare_digest(value, key):
            return accepted
    return ""


class Partner:
    """The receiver, and the client with the key that it has read last."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._mount = Mount(data)
        self._receiver = Receiver(self._mount.folder)
        self._hold = float(cloud_environment.get(HOLD_SECONDS, _HOLD))
        self._key = self._next = data[KEY]
        self._change_at = 0.0

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files of the receiver like the kubelet; the client waits."""
        self._mount.write(data)
        if data[KEY] != self._next:
            self._next, self._change_at = data[KEY], time.monotonic() + self._hold

    def ask(self) -> str:
        """Which of the two values the receiver has accepted; raises OSError if neither."""
        if time.monotonic() >= self._change_at:
            self._key = self._next
        connection = http.client.HTTPConnection(_HOST, self._receiver.port, timeout=10)
        try:
            connection.request("GET", "/orders", headers={"x-api-key": self._key})
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != HTTPStatus.OK:
            raise OSError(f"{answer.status} {text}")
        return text

    def close(self) -> None:
        """End both pods."""
        self._receiver.close()
        self._mount.remove()
