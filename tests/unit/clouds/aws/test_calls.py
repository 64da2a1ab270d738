"""Nothing of the operator's own AWS environment takes part in a tenant's calls."""

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from testbed.certificates import Authority

ROOT = Path(__file__).parents[4]
PROGRAM = Path(__file__).with_name("sts_client_program.py")
ANSWER = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>a</Arn><UserId>u</UserId><Account>123456789012</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""


class RecordingSts(HTTPServer):
    """Answers every caller, and remembers how they signed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authorizations: list[str | None] = []


class _Handler(BaseHTTPRequestHandler):
    server: RecordingSts

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.authorizations.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def sts() -> Iterator[RecordingSts]:
    """On loopback, for one test."""
    with RecordingSts() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="sts")
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _run(*arguments: str, **environment: str) -> list[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        env=clean | {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "NO_PROXY": "*"} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_planted_credentials_are_not_used_and_do_no_harm(sts: RecordingSts, tmp_path: Path) -> None:
    """Rule 10: not those of variables, files or a profile, be it one that does not exist."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = planted\n")
    endpoint = f"http://127.0.0.1:{sts.server_port}"
    reported = _run(
        endpoint,
        AWS_PROFILE="does-not-exist",
        AWS_DEFAULT_PROFILE="neither",
        AWS_ACCESS_KEY_ID="AKIAPLANTED",
        AWS_SECRET_ACCESS_KEY="planted",
        AWS_SESSION_TOKEN="planted",
        AWS_SHARED_CREDENTIALS_FILE=str(file),
        AWS_CONFIG_FILE=str(tmp_path / "missing"),
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/operator",
        AWS_WEB_IDENTITY_TOKEN_FILE=str(file),
        AWS_REGION="ap-south-1",
    )
    assert reported == ["123456789012"] * 2
    signed, unsigned = sts.authorizations
    assert signed is not None
    assert "Credential=ASIA1/" in signed
    assert "/us-west-2/sts/" in signed
    assert unsigned is None


def test_the_networks_own_variables_work(sts: RecordingSts, tmp_path: Path) -> None:
    """A VPC endpoint by AWS_ENDPOINT_URL_STS, trusted by AWS_CA_BUNDLE and not without it."""
    authority = Authority(tmp_path)
    issued = authority.issue("sts", hosts=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, keyfile=issued.key)
    sts.socket = context.wrap_socket(sts.socket, server_side=True)
    endpoint = f"https://127.0.0.1:{sts.server_port}"
    bundle = str(authority.certificate)
    assert _run(AWS_ENDPOINT_URL_STS=endpoint, AWS_CA_BUNDLE=bundle) == ["123456789012"] * 2
    assert len(sts.authorizations) == 2
    assert all("SSL" in line for line in _run(endpoint))
    assert len(sts.authorizations) == 2
