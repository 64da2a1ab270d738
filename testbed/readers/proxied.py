"""Pods with clients that never read their key again, beside the proxy of `serve-credentials`.

Each is started once with the address of the proxy and a placeholder as its key. Only the proxy has
the Secret mounted.
"""

from __future__ import annotations

import http.client
import json
import subprocess
from typing import TYPE_CHECKING

import requests
from botocore.config import Config
from openai import OpenAI

from testbed.boto3_sessions import boto3_session
from testbed.processes import free_port
from testbed.readers.answers import MODEL, QUESTION, pod_environment
from testbed.readers.sidecars import Sidecar

if TYPE_CHECKING:
    from collections.abc import Mapping

STS = "sts-behind-proxy"
OPENAI, STREAM = "openai-behind-proxy", "openai-stream-behind-proxy"
BOTO3, CONVERSE_STREAM = "boto3-behind-proxy", "boto3-stream-behind-proxy"
HTTP, REQUESTS, CURL = "http-behind-proxy", "requests-behind-proxy", "curl-behind-proxy"
SLOW_STREAM, SLOW_CONVERSE = "openai-slow-stream-behind-proxy", "boto3-slow-stream-behind-proxy"
SLOW_QUESTION = f"{QUESTION} Take 8 s."  # longer than between two renewals of the test
"""A question whose streamed answer takes seconds, so that it outlasts a renewal."""
ANTHROPIC_MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
_PLACEHOLDER = "placeholder"
_REGION = "us-west-2"
_MESSAGES = [{"role": "user", "content": [{"text": QUESTION}]}]
_CONVERSE, _BODY = f"/model/{MODEL}/converse", json.dumps({"messages": _MESSAGES})


class Proxied:
    """A pod with the proxy and one client."""

    service = "bedrock-runtime"
    options: tuple[str, ...] = ()
    question = QUESTION

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        port = free_port()
        self.region = data.get("AWS_REGION", _REGION)
        upstream = f"https://{self.service}.{self.region}.amazonaws.com"
        self._sidecar = Sidecar(
            data,
            arguments=(f"--proxy={upstream}", f"--proxy-port={port}", *self.options),
            environment=cloud_environment,
        )
        self._sidecar.wait_for_port(port)
        self.port = port

    @property
    def url(self) -> str:
        """The address of the proxy."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self) -> str:
        """Call once through the proxy."""
        raise NotImplementedError

    def remount(self, data: Mapping[str, str]) -> None:
        """Update the files of the proxy like the kubelet; the client learns nothing."""
        self._sidecar.mount.write(data)

    def close(self) -> None:
        """End the proxy."""
        self._sidecar.close()


class ProxiedOpenAI(Proxied):
    """The openai SDK."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        super().__init__(data, cloud_environment=cloud_environment)
        with pod_environment({}):
            self._client = OpenAI(
                base_url=f"{self.url}/openai/v1", api_key=_PLACEHOLDER, max_retries=0
            )

    def ask(self) -> str:
        """Send one prompt."""
        answer = self._client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": QUESTION}]
        )
        return answer.choices[0].message.content or ""

    def close(self) -> None:
        """End the client and the proxy."""
        self._client.close()
        super().close()


class ProxiedStream(ProxiedOpenAI):
    """The openai SDK, reading the events of a stream."""

    def ask(self) -> str:
        """Send one prompt, and join what arrives."""
        events = self._client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": self.question}], stream=True
        )
        return "".join(event.choices[0].delta.content or "" for event in events if event.choices)


class ProxiedSlowStream(ProxiedStream):
    """The openai SDK, with streams that outlast a renewal."""

    question = SLOW_QUESTION


class ProxiedBoto3(Proxied):
    """boto3, which signs with keys of its own that no cloud knows."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        super().__init__(data, cloud_environment=cloud_environment)
        self._variables = {
            "AWS_ACCESS_KEY_ID": _PLACEHOLDER,
            "AWS_SECRET_ACCESS_KEY": _PLACEHOLDER,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with pod_environment(self._variables):
            self._client = boto3_session().client(
                self.service,
                region_name=self.region,
                endpoint_url=self.url,
                config=Config(retries={"total_max_attempts": 1}),
            )

    def ask(self) -> str:
        """Send one prompt."""
        with pod_environment(self._variables):
            answer = self._client.converse(modelId=MODEL, messages=_MESSAGES)
        return str(answer["output"]["message"]["content"][0]["text"])

    def close(self) -> None:
        """End the client and the proxy."""
        self._client.close()
        super().close()


class ProxiedConverseStream(ProxiedBoto3):
    """boto3, whose parser checks each message of an AWS event stream."""

    def ask(self) -> str:
        """Send one prompt, and join what arrives."""
        messages = [{"role": "user", "content": [{"text": self.question}]}]
        with pod_environment(self._variables):
            answer = self._client.converse_stream(modelId=MODEL, messages=messages)
            deltas = [
                event["contentBlockDelta"]["delta"]["text"]
                for event in answer["stream"]
                if "contentBlockDelta" in event
            ]
        return "".join(deltas)


class ProxiedSlowConverseStream(ProxiedConverseStream):
    """boto3, with streams that outlast a renewal."""

    question = SLOW_QUESTION


class ProxiedSts(ProxiedBoto3):
    """boto3 for STS, whose requests the proxy signs again."""

    service = "sts"
    options = (f"--proxy-sign=sts/{_REGION}", "--proxy-path=/")

    def ask(self) -> str:
        """The ARN of the caller."""
        with pod_environment(self._variables):
            return str(self._client.get_caller_identity()["Arn"])


class ProxiedHttp(Proxied):
    """The standard library, with a new connection for each call."""

    def ask(self) -> str:
        """Send one prompt."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                "POST",
                _CONVERSE,
                body=_BODY,
                headers={"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise OSError(f"{answer.status} {text}")
        return _said(text)


class ProxiedRequests(Proxied):
    """requests, with a session whose connections are kept."""

    def __init__(self, data: Mapping[str, str], *, cloud_environment: Mapping[str, str]) -> None:
        super().__init__(data, cloud_environment=cloud_environment)
        self._session = requests.Session()
        self._session.trust_env = False

    def ask(self) -> str:
        """Send one prompt."""
        answer = self._session.post(
            f"{self.url}{_CONVERSE}",
            data=_BODY,
            headers={"Authorization": f"Bearer {_PLACEHOLDER}", "Content-Type": "application/json"},
            timeout=10,
        )
        answer.raise_for_status()
        return _said(answer.text)

    def close(self) -> None:
        """End the client and the proxy."""
        self._session.close()
        super().close()


class ProxiedCurl(Proxied):
    """curl, a process for each call."""

    def ask(self) -> str:
        """Send one prompt."""
        command = [
            *("curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "10"),
            *("--header", f"Authorization: Bearer {_PLACEHOLDER}", "--noproxy", "*"),
            *("--json", _BODY, f"{self.url}{_CONVERSE}"),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise OSError(f"curl: {ended.stderr.strip()} {ended.stdout}")
        return _said(ended.stdout)


def _said(text: str) -> str:
    return str(json.loads(text)["output"]["message"]["content"][0]["text"])
