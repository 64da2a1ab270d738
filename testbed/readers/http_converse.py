"""A pod without any SDK: the bearer token in a header, Converse over plain HTTPS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from testbed.readers.answers import MODEL, QUESTION, Answer, once
from testbed.readers.tunnels import Tunnel

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "http-converse"


class HttpConverse:
    """A pod started with this Secret."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        self._key = data["AWS_BEARER_TOKEN_BEDROCK"]
        host = f"bedrock-runtime.{data['AWS_REGION']}.amazonaws.com"
        self._tunnel = Tunnel(host, cloud_environment=cloud_environment)

    def ask(self) -> str:
        """Send one prompt."""
        content = {"messages": [{"role": "user", "content": [{"text": QUESTION}]}]}
        answer = self._tunnel.ask(
            "POST",
            f"/model/{quote(MODEL, safe='')}/converse",
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
            body=json.dumps(content),
        )
        return str(answer["output"]["message"]["content"][0]["text"])

    def close(self) -> None:
        """Close the connections."""
        self._tunnel.close()


def call(data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> Answer:
    """One prompt, by a pod started for it."""
    return once(NAME, HttpConverse, data=data, cloud_environment=cloud_environment)
