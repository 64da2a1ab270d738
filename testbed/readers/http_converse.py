"""A pod without any SDK: the bearer token in a header, Converse over plain HTTPS."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from testbed.readers.answers import MODEL, QUESTION, Answer, once

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "http-converse"
_TIMEOUT_SECONDS = 10.0


class RefusedError(RuntimeError):
    """The answer was not 200."""


class HttpConverse:
    """A pod started with this Secret."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._key = data["AWS_BEARER_TOKEN_BEDROCK"]
        proxy = urlsplit(cloud_environment["HTTPS_PROXY"])
        trust = ssl.create_default_context(cafile=cloud_environment["SSL_CERT_FILE"])
        self._connection = http.client.HTTPSConnection(
            str(proxy.hostname), proxy.port, context=trust, timeout=_TIMEOUT_SECONDS
        )
        host = f"bedrock-runtime.{data['AWS_REGION']}.amazonaws.com"
        self._connection.set_tunnel(host, 443)

    def ask(self) -> str:
        """Ask the model once."""
        content = {"messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        path = f"/model/{quote(MODEL, safe='')}/converse"
        try:
            self._connection.request("POST", path, body=json.dumps(content), headers=headers)
            answer = self._connection.getresponse()
            body = json.load(answer)
        except (OSError, http.client.HTTPException):
            self.close()  # the next call connects anew
            raise
        if answer.status != http.HTTPStatus.OK:
            raise RefusedError(f"{answer.status} {json.dumps(body)}")
        return str(body["output"]["message"]["content"][0]["text"])

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()


def call(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One question, asked by a pod started for it."""
    return once(NAME, HttpConverse, data=data, cloud_environment=cloud_environment)
