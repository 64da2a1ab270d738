"""An existing cluster, by a context of a kubeconfig. Nothing is installed on it."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from testbed.clusters import NoClusterError
from testbed.clusters.api import Api
from testbed.clusters.kubeconfigs import write_kubeconfig

_DAY_SECONDS = 86400


class ContextCluster:
    """Implements `Cluster`; its API server cannot be started, stopped or inspected."""

    name = "context"
    environment: Mapping[str, str] = MappingProxyType({})
    audit_log: Path | None = None

    def __init__(
        self, directory: Path | None = None, *, context: str, kubeconfig: Path | None = None
    ) -> None:
        self._directory = directory or Path(tempfile.mkdtemp(prefix="keywright-context-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._context = context
        self._given = kubeconfig
        self.kubeconfig = self._directory / "admin.kubeconfig"
        self.ca_file = self._directory / "ca.crt"
        self.server = ""
        self.issuer = ""
        self.version = ""

    def start(self) -> None:
        """Read its address and the issuer of its tokens.

        Raises:
            NoClusterError: there is no such context, or its API server is unreachable.
        """
        self._write_kubeconfig()
        api = Api(self.kubeconfig)
        try:
            self.version = api.get("/version")["gitVersion"]
            self.issuer = api.get("/.well-known/openid-configuration")["issuer"]
        except Exception as error:
            raise NoClusterError(f"context {self._context}: {error}") from error
        finally:
            api.close()

    def stop(self) -> None:
        """Do nothing: the cluster keeps running."""

    def service_account_kubeconfig(self, *, namespace: str, name: str, directory: Path) -> Path:
        """A kubeconfig with a token of that ServiceAccount, valid for a day."""
        api = Api(self.kubeconfig)
        answer = api.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"expirationSeconds": _DAY_SECONDS},
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

    def _write_kubeconfig(self) -> None:
        """A kubeconfig with this context only, with paths that are valid in any directory."""
        given = self._given or Path(os.environ.get("KUBECONFIG", "~/.kube/config")).expanduser()
        try:
            document = yaml.safe_load(given.read_text())
            entries = {kind: _by_name(document[kind]) for kind in ("contexts", "clusters", "users")}
            context = entries["contexts"][self._context]["context"]
            cluster = entries["clusters"][context["cluster"]]
            user = entries["users"][context["user"]]
        except (OSError, KeyError, TypeError) as error:
            raise NoClusterError(f"no context {self._context} in {given}: {error}") from error
        for entry in (cluster["cluster"], user["user"]):
            for name in ("certificate-authority", "client-certificate", "client-key"):
                if name in entry:
                    entry[name] = str((given.parent / entry[name]).resolve())
        self.server = cluster["cluster"]["server"].rstrip("/")
        self._write_authority(cluster["cluster"])
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [cluster],
                    "users": [user],
                    "contexts": [{"name": self._context, "context": context}],
                    "current-context": self._context,
                }
            )
        )

    def _write_authority(self, cluster: dict[str, str]) -> None:
        if "certificate-authority-data" in cluster:
            self.ca_file.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        elif "certificate-authority" in cluster:
            self.ca_file = Path(cluster["certificate-authority"])
        else:
            raise NoClusterError(f"context {self._context} names no certificate authority")


def _by_name(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(entry["name"]): entry for entry in entries}
