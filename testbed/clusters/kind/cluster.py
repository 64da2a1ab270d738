"""A complete cluster in a container: kubelet, scheduler, pods."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from testbed.clusters import NoClusterError
from testbed.clusters.api import Api
from testbed.clusters.context import ContextCluster
from testbed.clusters.kind.binary import kind_binary
from testbed.clusters.kind.engine import Engine
from testbed.clusters.kind.host_state import thaw
from testbed.clusters.kind.node_image import node_image
from testbed.clusters.public_issuer import PUBLIC_ISSUER
from testbed.processes import free_port, wait_for

_NETWORK = "kind"
_READY_SECONDS = 120
_ACCOUNT_SECONDS = 60.0


class KindCluster:
    """One node, ready in about half a minute; its docker engine starts and stops with it.

    The issuer of its tokens is the API server's address on this machine, so that the emulated
    clouds can fetch the keys. With `engine`, a running one is used.
    """

    name = "kind"
    audit_log: Path | None = None

    def __init__(self, directory: Path | None = None, *, engine: Engine | None = None) -> None:
        self._temporary = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="keywright-kind-"))
        self._directory.mkdir(parents=True, exist_ok=True)
        self._borrowed = engine is not None
        self.engine = engine or Engine()
        self._label = f"keywright-{os.getpid()}"
        self._kind: Path | None = None
        self._own = self._directory / "kind.kubeconfig"
        self._context = ContextCluster(
            self._directory, context=f"kind-{self._label}", kubeconfig=self._own
        )
        self.version = ""
        self.server = ""
        self.issuer = ""
        self.ca_file = self._context.ca_file
        self.kubeconfig = self._context.kubeconfig

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which `docker` and `kind` find the node."""
        return self.engine.own_environment

    @property
    def node(self) -> str:
        """The container of the node."""
        return f"{self._label}-control-plane"

    def start(self) -> None:
        """Start the cluster and wait until pods can be created.

        Raises:
            NoClusterError: there is no engine, no kind or no image of a node; the message says so.
        """
        if not self._borrowed:
            self.engine.start()
        try:
            self._kind = kind_binary()
            self._create()
        except BaseException:
            self.stop()
            raise
        self._context.start()
        self.version, self.server = self._context.version, self._context.server
        self.issuer = self._context.issuer
        api = Api(self.kubeconfig)
        api.apply(PUBLIC_ISSUER)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        wait_for(lambda: api.exists(account), seconds=_ACCOUNT_SECONDS, what=account)
        api.close()

    def stop(self) -> None:
        """Delete the cluster, and stop the engine if it was started here."""
        if self._kind is not None:
            self._delete()
            self._kind = None
        if not self._borrowed:
            self.engine.stop()
        if self._temporary:
            shutil.rmtree(self._directory, ignore_errors=True)

    def service_account_kubeconfig(self, *, namespace: str, name: str, directory: Path) -> Path:
        """A kubeconfig with a token of that ServiceAccount, valid for a day."""
        return self._context.service_account_kubeconfig(
            namespace=namespace, name=name, directory=directory
        )

    def load_images(self, *names: str) -> None:
        """Make images of the engine available to pods, without pulling; shared layers once."""
        self._run("load", "docker-image", *names, "--name", self._label)

    def host_address(self) -> str:
        """This machine's address for pods: the gateway of the nodes' network."""
        [network] = json.loads(self.engine.docker("network", "inspect", _NETWORK))
        gateways = [part["Gateway"] for part in network["IPAM"]["Config"] if "Gateway" in part]
        return next(str(gateway) for gateway in gateways if ":" not in gateway)

    def signal_container(self, container_id: str, signal: str) -> None:
        """Send a signal to the first process of a pod's container."""
        self.engine.docker(
            *("exec", self.node, "ctr", "--namespace", "k8s.io", "tasks", "kill"),
            *("--signal", signal, container_id),
        )

    def _create(self) -> None:
        image = node_image(self.engine)
        config = self._directory / "kind.yaml"
        config.write_text(yaml.safe_dump(_config(port=free_port())))
        chosen = [] if image is None else ["--image", image]
        try:
            self._run(
                *("create", "cluster", "--name", self._label, "--config", str(config)),
                *("--kubeconfig", str(self._own), "--wait", f"{_READY_SECONDS}s", *chosen),
            )
        except subprocess.CalledProcessError as error:
            if image is None and "failed to pull image" in error.stderr:
                raise NoClusterError(
                    "the image of kind's node cannot be pulled here: `make node-image` builds one"
                    " from Debian packages and Go modules"
                ) from None
            raise

    def _delete(self) -> None:
        """A node that is killed while a pod starts may leave a frozen process."""
        delete = ("delete", "cluster", "--name", self._label)
        try:
            self._run(*delete)
        except subprocess.CalledProcessError:
            thaw(container_id=self.engine.docker("inspect", "--format", "{{.Id}}", self.node))
            self._run(*delete)

    def _run(self, *arguments: str) -> None:
        """Its output is shown if it failed."""
        assert self._kind is not None
        done = subprocess.run(
            [self._kind, *arguments],
            env=self.engine.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stderr, file=sys.stderr)
            raise subprocess.CalledProcessError(
                done.returncode, f"kind {arguments[0]}", stderr=done.stderr
            )


def _config(*, port: int) -> dict[str, Any]:
    """A configuration of kind: one node, and an issuer that this machine can reach."""
    issuer = f"https://127.0.0.1:{port}"
    patch = {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": [
                {"name": "service-account-issuer", "value": issuer},
                {"name": "service-account-jwks-uri", "value": f"{issuer}/openid/v1/jwks"},
            ]
        },
    }
    return {
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "kind": "Cluster",
        "networking": {"apiServerAddress": "127.0.0.1", "apiServerPort": port},
        "nodes": [{"role": "control-plane", "kubeadmConfigPatches": [yaml.safe_dump(patch)]}],
    }
