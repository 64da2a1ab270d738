"""A client of an API in API Gateway: plain HTTPS with `x-api-key` (format ApiGatewayEnv).

The pod has the API's address: API_URL in its environment, complete with stage and path.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from testbed.readers.answers import Answer, once
from testbed.readers.tunnels import Tunnel

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "http-api"
URL = "API_URL"


class HttpApi:
    """A client started with this Secret."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        url = urlsplit(cloud_environment[URL])
        self._path = url.path
        self._headers = {"x-api-key": data["X_API_KEY"]}
        self._tunnel = Tunnel(str(url.hostname), cloud_environment=cloud_environment)

    def ask(self) -> str:
        """Call the API once; returns its response as JSON."""
        return json.dumps(self._tunnel.ask("GET", self._path, headers=self._headers))

    def close(self) -> None:
        """Close the connections."""
        self._tunnel.close()


def call(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One call, by a client started for it."""
    return once(NAME, HttpApi, data=data, cloud_environment=cloud_environment)
