"""An OpenID Connect issuer on the loopback address, as a Kubernetes API server is one."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.jwk import RSAKey
from typing_extensions import override

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.certificates import Authority

SUBJECT = "system:serviceaccount:team-a:chat"
AUDIENCE = "sts.amazonaws.com"


class Issuer:
    """Publishes a discovery document and a JWKS over TLS, and signs tokens."""

    def __init__(self, authority: Authority) -> None:
        self.ca_file: Path = authority.certificate
        self.fetches = 0
        self._keys = [self._new_key("first")]
        certificate = authority.issue("issuer", hosts=["127.0.0.1"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="issuer")
        self._thread.start()

    def stop(self) -> None:
        """No longer reachable."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rotate(self, key_id: str) -> None:
        """Sign with a new key from now on; the old one stays published."""
        self._keys.append(self._new_key(key_id))

    def token(self, *, without: str | None = None, key: RSAKey | None = None, **claims: Any) -> str:
        """A token as the TokenRequest API gives it, with these claims changed."""
        now = int(time.time())
        content = {
            "iss": self.url,
            "aud": [AUDIENCE],
            "sub": SUBJECT,
            "iat": now,
            "nbf": now,
            "exp": now + 600,
            **claims,
        }
        content.pop(without or "", None)
        signing = key or self._keys[-1]
        return jwt.encode({"alg": "RS256", "kid": self._keys[-1].kid}, content, signing)

    @staticmethod
    def _new_key(key_id: str) -> RSAKey:
        return RSAKey.generate_key(2048, {"kid": key_id})

    def _document(self, path: str) -> dict[str, Any] | None:
        self.fetches += 1
        documents: dict[str, dict[str, Any]] = {
            "/.well-known/openid-configuration": {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/openid/v1/jwks",
            },
            "/openid/v1/jwks": {"keys": [key.as_dict(private=False) for key in self._keys]},
        }
        return documents.get(path)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                document = issuer._document(self.path)
                body = json.dumps(document).encode()
                self.send_response(404 if document is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
