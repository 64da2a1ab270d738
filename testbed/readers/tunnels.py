"""HTTPS without an SDK, through the proxy and with the CA in the cloud's variables."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_SECONDS = 10.0


class RefusedError(RuntimeError):
    """The status of the response was not 200."""


class Tunnel:
    """One connection to one host, kept open and reopened after a failure."""

    def __init__(self, host: str, *, cloud_environment: Mapping[str, str]) -> None:
        proxy = urlsplit(cloud_environment["HTTPS_PROXY"])
        trust = ssl.create_default_context(cafile=cloud_environment["SSL_CERT_FILE"])
        self._connection = http.client.HTTPSConnection(
            str(proxy.hostname), proxy.port, context=trust, timeout=_TIMEOUT_SECONDS
        )
        self._connection.set_tunnel(host, 443)

    def ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: str | None = None
    ) -> Any:
        """The JSON of the response; raises RefusedError with its text unless the status is 200."""
        try:
            self._connection.request(method, path, body=body, headers=dict(headers))
            answer = self._connection.getresponse()
            content = json.load(answer)
        except (OSError, http.client.HTTPException):
            self.close()  # the next call reconnects
            raise
        if answer.status != http.HTTPStatus.OK:
            raise RefusedError(f"{answer.status} {json.dumps(content)}")
        return content

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
