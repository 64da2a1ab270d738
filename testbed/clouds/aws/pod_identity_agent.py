"""The EKS Pod Identity Agent of a node: exchanges a pod's token for credentials.

It serves GET /v1/credentials to the SDKs, as at 169.254.170.23; the answer has the form of the
container credential provider (AWS SDKs and Tools Reference Guide). [R] An error of EKS Auth is
passed on with its status; the form of its body is a guess. [U]
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATH = "/v1/credentials"


class PodIdentityAgent:
    """An agent on a loopback port; `eks_auth` is a boto3 client with the node's credentials."""

    def __init__(self, eks_auth: Any, *, cluster: str) -> None:
        self._eks_auth = eks_auth
        self._cluster = cluster
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}{_PATH}"
        self.answers: list[int] = []
        """The status of each answer."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def credentials(self, path: str, token: str | None) -> tuple[int, Mapping[str, Any]]:
        """Status and body of an answer."""
        if path != _PATH:
            return 404, {"message": "not found"}
        if not token:
            return 400, {"message": "Service account token cannot be empty"}
        try:
            found = self._eks_auth.assume_role_for_pod_identity(
                clusterName=self._cluster, token=token
            )
        except self._eks_auth.exceptions.ClientError as error:
            status = int(error.response["ResponseMetadata"]["HTTPStatusCode"])
            return status, {"message": error.response["Error"]["Message"]}
        credentials = found["credentials"]
        return 200, {
            "AccessKeyId": credentials["accessKeyId"],
            "SecretAccessKey": credentials["secretAccessKey"],
            "Token": credentials["sessionToken"],
            "AccountId": found["assumedRoleUser"]["arn"].split(":")[4],
            "Expiration": credentials["expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, content = agent.credentials(self.path, self.headers.get("Authorization"))
                agent.answers.append(status)
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing: the tests read `answers`."""

        return Handler
