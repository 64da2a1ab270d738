"""What the demo starts, in which order, and how it is stopped.

The emulated cloud starts concurrently with the cluster; the operator while the examples are
applied. No more can be concurrent: the operator needs a token of the cluster and the ports of the
cloud.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import signal
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from urllib3.exceptions import HTTPError

from testbed.clusters import Cluster
from testbed.clusters.api import ApiError
from testbed.demo.examples import Example, examples, wanted_roles
from testbed.demo.leftovers import Leftovers
from testbed.demo.observed import Place
from testbed.demo.partner import partner_example, prepare
from testbed.demo.shell import applied_by_kubectl, write_environment
from testbed.operators import OperatorProcess
from testbed.processes import ChildProcess
from testbed.readers import PollingReader
from testbed.readers.reports import DEFAULT_CLIENTS
from testbed.world import CRDS, World

# In total less than the three seconds after which users press Ctrl-C again.
_STOP_SECONDS = 0.7
_LOG_LINES = 12


class Scene:
    """Cluster, cloud, operator and, once there is a Secret, its clients."""

    def __init__(
        self,
        *,
        cluster: str,
        kube_context: str | None,
        lifetime_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._lifetime_seconds = lifetime_seconds
        self._say = say
        self._context = kube_context
        self._leftovers: Leftovers | None = None
        self._operator: OperatorProcess | None = None
        self._readers: list[PollingReader] = []
        self.directory = Path(tempfile.mkdtemp(prefix="keywright-demo-"))
        make_cluster = _cluster_maker(cluster, kube_context=kube_context)
        self.world = World(make_cluster, directory=self.directory)
        self.examples = examples()
        self.partner = partner_example()

    @property
    def operator(self) -> OperatorProcess:
        """The running operator."""
        assert self._operator is not None
        return self._operator

    def start(self) -> None:
        """Start everything and apply the examples; the keys are issued after that."""
        world = self.world
        self._say(
            f"starting the {world.cluster.name} cluster and the emulated AWS"
            if self.own_cluster
            else f"starting the emulated AWS; the cluster is context {self._context}"
        )
        world.aws.spawn()
        world.cluster.start()
        self._say(f"Kubernetes {world.cluster.version} answers at {world.cluster.server}")
        if self._context is not None:
            applied = [*self.examples, self.partner]
            self._leftovers = Leftovers(world.api, examples=applied, context=self._context)
        world.aws.wait_until_ready()
        world.install()
        world.aws.limit_sessions(seconds=self._lifetime_seconds)
        self._say(f"CRDs and RBAC applied; sessions of AWS end after {self._lifetime_seconds:g} s")
        self._operator = world.operator(arguments=["--log-format=text"])
        self._operator.spawn()
        for example in self.examples:
            self._apply(example)
        prepare(world, self.partner)
        self._say(f"examples/{self.partner.name} applied, with an overlap of seconds")
        self._operator.process.wait_until(self._operator.is_ready, seconds=30)
        self._say(f"operator ready, pid {self._operator.process.pid}")

    def read(
        self, *, namespace: str, secret: str, clients: Sequence[str] = DEFAULT_CLIENTS
    ) -> PollingReader:
        """Start the clients of a Secret."""
        reader = PollingReader(
            self.directory / "readers",
            kubeconfig=self.world.cluster.kubeconfig,
            namespace=namespace,
            secret=secret,
            cloud_environment=self.world.aws.client_environment(),
            clients=clients,
        )
        reader.start()
        self._readers.append(reader)
        return reader

    def place(self) -> Place:
        """What runs where."""
        cluster = self.world.cluster
        environment = write_environment(
            self.directory,
            kubeconfig=cluster.kubeconfig,
            server=cluster.server,
            variables={**cluster.environment, **self.world.client_environment()},
        )
        return Place(
            cluster=f"{self._context or cluster.name}, Kubernetes {cluster.version},"
            f" {cluster.server}",
            cloud=f"AWS emulated on this machine, sessions end after {self._lifetime_seconds:g} s",
            operator=f"pid {self.operator.process.pid}, logs in {self.directory}",
            environment=f". {environment}",
        )

    @property
    def own_cluster(self) -> bool:
        """Whether the cluster was started for the demo, on this machine."""
        return self._context is None

    def ended(self) -> str | None:
        """The process that ended unexpectedly, with the end of its log."""
        children: list[tuple[str, ChildProcess]] = [
            ("the operator", self.operator.process),
            ("the emulated AWS", self.world.aws.process),
            *(("the clients' process", reader.process) for reader in self._readers),
        ]
        for name, child in children:
            if child.exit_code is not None:
                log = child.log_end(lines=_LOG_LINES) or "(its log is empty)"
                return f"{name} ended with {child.exit_code}:\n{log}"
        return None

    def cluster_log_end(self) -> str:
        """The last lines of the cluster's latest log; empty for an existing cluster."""
        logs = sorted(
            (self.directory / "cluster").glob("*.log"), key=lambda log: log.stat().st_mtime
        )
        ends = [log for log in logs if log != self.world.cluster.audit_log and log.stat().st_size]
        lines = ends[-1].read_text(errors="replace").splitlines()[-_LOG_LINES:] if ends else []
        return "\n".join(lines)

    def stop(self, *, keep: bool) -> None:
        """Stop everything; `keep` keeps the logs."""
        for reader in self._readers:
            reader.process.send(signal.SIGTERM)
        for reader in self._readers:
            reader.process.stop(seconds=_STOP_SECONDS)
        if self._operator is not None:
            self._operator.process.stop(seconds=_STOP_SECONDS)
        if self._leftovers is not None:
            self._say(self._removed(self._leftovers))
        with contextlib.suppress(AssertionError):  # the cloud was never started
            self.world.aws.process.stop(seconds=_STOP_SECONDS)
        self.world.stop()
        if keep:  # for the logs; the kubeconfig of an existing cluster is not a log
            for kubeconfig in self.directory.rglob("*.kubeconfig"):
                kubeconfig.unlink()
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _removed(self, leftovers: Leftovers) -> str:
        try:
            return leftovers.remove()
        except (ApiError, HTTPError) as error:  # the rest must be stopped as well
            return f"not all was removed from context {self._context}: {error}"

    def _apply(self, example: Example) -> None:
        for role in wanted_roles(example):
            self.world.create_role(
                name=role.name, namespace=role.namespace, service_account=role.service_account
            )
        for document in example.documents:
            self.world.api.apply(applied_by_kubectl(document))
        self._say(f"examples/{example.name} applied")


def _cluster_maker(name: str, *, kube_context: str | None) -> Callable[[Path], Cluster]:
    """Each type of cluster imports its own libraries: only the requested one."""
    if kube_context is not None:
        from testbed.clusters.context import ContextCluster  # noqa: PLC0415

        return functools.partial(ContextCluster, context=kube_context)
    if name == "controlplane":
        from testbed.clusters.controlplane import ControlPlaneCluster  # noqa: PLC0415

        return functools.partial(ControlPlaneCluster, crds=CRDS)
    if name == "kind":
        from testbed.clusters.kind import KindCluster  # noqa: PLC0415

        return KindCluster
    from testbed.clusters.embedded import EmbeddedCluster  # noqa: PLC0415

    return EmbeddedCluster
