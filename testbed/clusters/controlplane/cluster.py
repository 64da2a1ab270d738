"""The processes of the control plane, their certificates and their users."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import ssl
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from testbed.certificates import Authority, Certificate
from testbed.clusters.api import Api
from testbed.clusters.controlplane.assets import Assets, find_assets
from testbed.clusters.kubeconfigs import write_kubeconfig
from testbed.clusters.public_issuer import PUBLIC_ISSUER
from testbed.processes import ChildProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HERE = Path(__file__).parent
_READY_SECONDS = 60.0
# The controllers that tests need: owner references, namespaces, ServiceAccounts, CA bundles.
_CONTROLLERS = (
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "clusterrole-aggregation-controller",
)
# Federation needs the issuer's documents to be public, as in clusters that federate.


@dataclass(frozen=True, slots=True)
class Memory:
    """Go settings of the API server: the growth in percent between garbage collections.

    Near the limit it is collected more often.
    """

    growth: int = 400
    gibibytes: int = 2

    def environment(self) -> dict[str, str]:
        """The environment variables for Go."""
        return {"GOGC": f"{self.growth}", "GOMEMLIMIT": f"{self.gibibytes}GiB"}


class ControlPlaneCluster:
    """A real API server, ready in about five seconds.

    `crds` are applied before the controller manager starts: its garbage collector only discovers
    new kinds every 30 s, so that owner references to kinds created later wait that long.
    """

    name = "controlplane"
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        directory: Path | None = None,
        *,
        crds: Sequence[Path] = (),
        audit: bool = True,
        memory: Memory | None = None,
    ) -> None:
        self._temporary = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="keywright-controlplane-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._crds = crds
        self._memory = memory or Memory()
        self._children: list[ChildProcess] = []
        self._data: Path | None = None
        self._port = free_port()
        self.server = f"https://127.0.0.1:{self._port}"
        self.issuer = self.server
        self.version = ""
        self.audit_log = self._directory / "audit.jsonl" if audit else None
        self.kubeconfig = self._directory / "admin.kubeconfig"
        self._signing_key = self._directory / "sa.key"
        self._admin_tokens = self._directory / "admin-tokens.csv"
        self._authority = Authority(self._directory, name="controlplane")
        self.ca_file = self._authority.certificate

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start etcd, the API server, the CRDs and the controller manager, in this order."""
        self._write_signing_key()
        assets = self._start_servers()
        api = Api(self.kubeconfig)
        self.version = api.get("/version")["gitVersion"]
        api.apply(PUBLIC_ISSUER)
        api.apply_files(self._crds)
        api.close()
        self._start_controller_manager(assets.controller_manager)

    def _start_servers(self) -> Assets:
        assets = find_assets()
        etcd_url = self._start_etcd(assets.etcd)
        self._start_api_server(assets.apiserver, etcd_url=etcd_url)
        return assets

    def snapshot(self) -> Path:
        """Copy the data of etcd, in the state of a crash at this moment."""
        assert self._data is not None
        etcd = self._children[0]
        copy = self._directory / "etcd-snapshot"
        os.kill(etcd.pid, signal.SIGSTOP)
        try:
            shutil.copytree(self._data, copy)
        finally:
            os.kill(etcd.pid, signal.SIGCONT)
        return copy

    def restore(self, snapshot: Path) -> None:
        """Restart everything from a copy; clients and tokens stay valid."""
        assert self._data is not None
        while self._children:
            self._children.pop().stop()
        shutil.rmtree(self._data)
        shutil.copytree(snapshot, self._data)
        self._start_controller_manager(self._start_servers().controller_manager)

    def stop(self) -> None:
        """Stop in reverse order: an API server that loses its etcd first keeps its port."""
        while self._children:
            self._children.pop().stop()
        if self._data:
            shutil.rmtree(self._data, ignore_errors=True)
        if self._temporary:
            shutil.rmtree(self._directory, ignore_errors=True)

    def service_account_kubeconfig(self, *, namespace: str, name: str, directory: Path) -> Path:
        """A kubeconfig with a token of that ServiceAccount, valid for a day."""
        api = Api(self.kubeconfig)
        answer = api.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": 86400},
            },
        )
        api.close()
        return write_kubeconfig(
            directory / f"{namespace}-{name}.kubeconfig",
            server=self.server,
            ca_file=self.ca_file,
            user={"token": answer["status"]["token"]},
            namespace=namespace,
        )

    def sizes_in_memory(self) -> dict[str, int]:
        """Resident memory of each process in bytes."""
        sizes = {}
        for child in self._children:
            pages = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1])
            sizes[child.name] = pages * 4096
        return sizes

    def processor_seconds(self) -> dict[str, float]:
        """User and system time of each process so far."""
        used = {}
        for child in self._children:
            fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
            used[child.name] = (int(fields[11]) + int(fields[12])) / 100
        return used

    def _write_signing_key(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._signing_key.touch(mode=0o600)
        self._signing_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
        )
        (self._directory / "sa.pub").write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def _write_admin_token(self) -> str:
        """A token of an admin, which costs the API server less per request than a certificate."""
        if self._admin_tokens.exists():
            return self._admin_tokens.read_text().partition(",")[0]
        token = secrets.token_urlsafe()
        self._admin_tokens.touch(mode=0o600)
        self._admin_tokens.write_text(f'{token},admin,admin,"system:masters"\n')
        return token

    def _start_etcd(self, binary: Path) -> str:
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        shared_memory = Path("/dev/shm")  # noqa: S108  a memory disk, if there is one
        root = shared_memory if shared_memory.is_dir() else self._directory
        if self._data is None:
            self._data = Path(tempfile.mkdtemp(prefix="keywright-etcd-", dir=root))
        command: list[str | Path] = [
            binary,
            f"--data-dir={self._data}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]
        child = ChildProcess(
            "etcd",
            [*command, "--unsafe-no-fsync=true", "--log-level=error"],
            log=self._directory / "etcd.log",
        )
        self._children.append(child)
        child.wait_until(lambda: _healthy(f"{client}/health"), seconds=_READY_SECONDS)
        return client

    def _start_api_server(self, binary: Path, *, etcd_url: str) -> None:
        serving = self._authority.issue(
            "apiserver",
            hosts=["127.0.0.1", "localhost", "10.0.0.1", "kubernetes.default.svc"],
        )
        token = self._write_admin_token()
        write_kubeconfig(
            self.kubeconfig, server=self.server, ca_file=self.ca_file, user={"token": token}
        )
        command: list[str | Path] = [
            binary,
            f"--etcd-servers={etcd_url}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self._directory}",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self._admin_tokens}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--allow-privileged=true",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={self.issuer}",
            f"--service-account-key-file={self._directory / 'sa.pub'}",
            f"--service-account-signing-key-file={self._signing_key}",
        ]
        if self.audit_log:
            command += [
                f"--audit-policy-file={_HERE / 'audit-policy.yaml'}",
                f"--audit-log-path={self.audit_log}",
            ]
        child = ChildProcess(
            "kube-apiserver",
            command,
            log=self._directory / "apiserver.log",
            environment={**self._memory.environment(), **os.environ},
        )
        self._children.append(child)
        context = ssl.create_default_context(cafile=str(self.ca_file))
        child.wait_until(
            lambda: _healthy(f"{self.server}/readyz", context=context), seconds=_READY_SECONDS
        )

    def _start_controller_manager(self, binary: Path) -> None:
        certificate = self._authority.issue("system:kube-controller-manager")
        kubeconfig = write_kubeconfig(
            self._directory / "controller-manager.kubeconfig",
            server=self.server,
            ca_file=self.ca_file,
            user=_user(certificate),
        )
        child = ChildProcess(
            "kube-controller-manager",
            [
                binary,
                f"--kubeconfig={kubeconfig}",
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
                "--bind-address=127.0.0.1",
                "--secure-port=0",
                "--leader-elect=false",
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={self._signing_key}",
                f"--root-ca-file={self.ca_file}",
                f"--controllers={','.join(_CONTROLLERS)}",
            ],
            log=self._directory / "controller-manager.log",
        )
        self._children.append(child)
        api = Api(self.kubeconfig)
        child.wait_until(
            lambda: api.exists("/api/v1/namespaces/default/serviceaccounts/default"),
            seconds=_READY_SECONDS,
        )
        api.close()


def _user(certificate: Certificate) -> dict[str, str]:
    return {
        "client-certificate": str(certificate.certificate),
        "client-key": str(certificate.key),
    }


def _healthy(url: str, *, context: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as answer:  # noqa: S310
            text: str = answer.read().decode()
    except (urllib.error.URLError, OSError):
        return False
    if text.startswith("{"):
        return str(json.loads(text).get("health")) == "true"
    return text == "ok"
