"""As much of a Kubernetes API as the polling reader asks for: one Secret.

Behind TLS with a client certificate and a token, so that both ways of a kubeconfig are used.
"""

from __future__ import annotations

import base64
import http.server
import json
import ssl
import threading
from typing import TYPE_CHECKING

import yaml
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.certificates import Authority

_TOKEN = "reader-token"


class SecretServer:
    """Serves the Secret that was put last; 404 before that, 500 while `broken`."""

    def __init__(self, authority: Authority) -> None:
        self.broken = False
        self._secret: dict[str, object] | None = None
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        certificate = authority.issue("kubernetes", hosts=["127.0.0.1"])
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate)
        )
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate.certificate, certificate.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._authority = authority
        self._thread = threading.Thread(target=self._server.serve_forever, name="kubernetes")
        self._thread.start()

    def stop(self) -> None:
        """No longer reachable."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, data: Mapping[str, str], *, revision: str) -> None:
        """Replace the Secret."""
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
        annotations = {"keywright.dev/revision": revision, "keywright.dev/expires-at": "later"}
        self._secret = {"metadata": {"annotations": annotations}, "data": encoded}

    def kubeconfig(self, directory: Path) -> Path:
        """A kubeconfig that leads here."""
        file = directory / "kubeconfig"
        server = f"https://127.0.0.1:{self._server.server_port}"
        certificate = self._authority.issue("reader")
        cluster = {"server": server, "certificate-authority": str(self._authority.certificate)}
        user = {
            "token": _TOKEN,
            "client-certificate": str(certificate.certificate),
            "client-key-data": base64.b64encode(certificate.key.read_bytes()).decode(),
        }
        content = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "reader"}}],
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": "reader", "user": user}],
        }
        file.write_text(yaml.safe_dump(content))
        return file

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                secret = served._secret
                known = self.path == "/api/v1/namespaces/team-a/secrets/chat"
                status = 200 if secret is not None and known else 404
                if self.headers.get("Authorization") != f"Bearer {_TOKEN}":
                    status = 403
                body = json.dumps(secret).encode()
                self.send_response(500 if served.broken else status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
