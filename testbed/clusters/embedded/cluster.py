"""Starting and stopping the embedded cluster."""

from __future__ import annotations

import secrets
import ssl
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from testbed.certificates import Authority
from testbed.clusters.embedded.control import FaultClient
from testbed.clusters.embedded.documents import Document
from testbed.processes import ChildProcess, accepts_connections, free_port

if TYPE_CHECKING:
    from types import TracebackType

_READY_SECONDS: Final = 20.0
_TOKEN_SECONDS: Final = 24 * 3600
_ROOT: Final = Path(__file__).resolve().parents[3]


class EmbeddedCluster:
    """One cluster in a separate process, which holds its state.

    `directory` is for its certificates, kubeconfig, log and audit log.
    """

    name = "embedded"
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: ChildProcess | None = None
        self._token = secrets.token_urlsafe(32)
        self.version = ""
        self._port = free_port()
        self.server = f"https://127.0.0.1:{self._port}"
        self.issuer = self.server
        self.ca_file = directory / "embedded-ca.crt"
        self.kubeconfig = directory / "admin.kubeconfig"
        self.audit_log: Path | None = directory / "audit.log"

    @property
    def faults(self) -> FaultClient:
        """The client for fault injection."""
        return FaultClient(self.server, ca_file=self.ca_file, token=self._token)

    def start(self) -> None:
        """Start the server and wait until it responds.

        Raises:
            ProcessFailedError: it did not; the message contains its log.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        authority = Authority(self._directory, name="embedded")
        leaf = authority.issue("apiserver", hosts=["127.0.0.1", "localhost"])
        token_file = self._directory / "admin.token"
        _write_private(token_file, self._token)
        self.ca_file = authority.certificate
        assert self.audit_log is not None
        self._process = ChildProcess(
            "embedded cluster",
            [
                sys.executable,
                "-m",
                "testbed.clusters.embedded",
                f"--port={self._port}",
                f"--certificate={leaf.certificate}",
                f"--key={leaf.key}",
                f"--admin-token-file={token_file}",
                f"--audit-log={self.audit_log}",
            ],
            log=self._directory / "embedded.log",
            directory=_ROOT,
        )
        self._write_kubeconfig(self.kubeconfig, self._token, user="admin")
        self._process.wait_until(lambda: accepts_connections(self._port), seconds=_READY_SECONDS)
        self.version = self._call("GET", "/version")["gitVersion"]

    def stop(self) -> None:
        """End the process, which discards its state."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def service_account_kubeconfig(self, *, namespace: str, name: str, directory: Path) -> Path:
        """Create a kubeconfig with a token of an existing ServiceAccount, valid for a day."""
        answer = self._call(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _TOKEN_SECONDS},
            },
        )
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{namespace}-{name}.kubeconfig"
        self._write_kubeconfig(path, answer["status"]["token"], user=f"{namespace}-{name}")
        return path

    def _write_kubeconfig(self, path: Path, token: str, *, user: str) -> None:
        cluster = {"server": self.server, "certificate-authority": str(self.ca_file.resolve())}
        context = {"cluster": self.name, "user": user, "namespace": "default"}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": self.name, "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": self.name, "context": context}],
            "current-context": self.name,
        }
        # JSON is YAML, and every client parses it.
        _write_private(path, msgspec.json.format(msgspec.json.encode(config)).decode() + "\n")

    def _call(self, method: str, path: str, body: Document | None = None) -> Document:
        request = urllib.request.Request(  # noqa: S310  the URL is the testbed's own
            self.server + path,
            data=None if body is None else msgspec.json.encode(body),
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=str(self.ca_file))
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
            found: Document = msgspec.json.decode(answer.read())
            return found


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
