"""A cluster, an AWS and an operator, wired to each other as an installation would be."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import yaml

from testbed.clouds.aws import AwsCloud
from testbed.clusters import Cluster
from testbed.clusters.api import Api
from testbed.operators import NAMESPACE, SERVICE_ACCOUNT, OperatorProcess

ROOT = Path(__file__).resolve().parents[1]
CRDS = tuple(sorted((ROOT / "crds").glob("*.yaml")))
EXAMPLES = ROOT / "examples"
# What an operator outside the cluster needs of the installation; the rest is for a kubelet to run.
INSTALLED = tuple(
    ROOT / "manifests" / name for name in ("namespace.yaml", "serviceaccount.yaml", "rbac.yaml")
)
AUDIENCE = "sts.amazonaws.com"


class World:
    """Starts everything in order; `operator()` makes further operators in it.

    `make_cluster` gets the directory that the cluster may use.
    """

    def __init__(
        self, make_cluster: Callable[[Path], Cluster], *, directory: Path | None = None
    ) -> None:
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="keywright-world-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.cluster = make_cluster(self.directory / "cluster")
        self.aws = AwsCloud(self.directory / "aws")
        self._operators: list[OperatorProcess] = []
        self._api: Api | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def api(self) -> Api:
        """The API server, as admin."""
        if self._api is None:
            self._api = Api(self.cluster.kubeconfig)
        return self._api

    def start(self) -> None:
        """Start cluster and cloud, install CRDs and RBAC, let the cloud trust the cluster."""
        try:
            self.aws.spawn()  # while the cluster starts: neither needs the other for that
            self.cluster.start()
            self.aws.wait_until_ready()
            self.install()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop whatever runs; what was written goes, where the directory is our own."""
        for operator in self._operators:
            if operator.process.exit_code is None:
                operator.stop()
        if self._api is not None:
            self._api.close()
        self.aws.stop()
        self.cluster.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def install(self) -> None:
        """The CRDs and RBAC as shipped, and the cluster's issuer in the cloud's account."""
        self.api.apply_files(CRDS)
        self.api.apply_files(INSTALLED)
        self.aws.create_identity_provider(
            issuer=self.cluster.issuer, client_ids=[AUDIENCE], ca_file=self.cluster.ca_file
        )

    def operator(
        self,
        *,
        identity: str = "keywright-0",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: Path | None = None,
        fork: str | None = None,
    ) -> OperatorProcess:
        """An operator that is not started yet, with the shipped rights and no more."""
        directory = self.directory / identity
        directory.mkdir(exist_ok=True)
        made = OperatorProcess(
            kubeconfig=self.cluster.service_account_kubeconfig(
                namespace=NAMESPACE, name=SERVICE_ACCOUNT, directory=directory
            ),
            directory=directory,
            environment={**self.aws.client_environment(), **(environment or {})},
            arguments=arguments,
            identity=identity,
            program=program,
            fork=fork,
        )
        self._operators.append(made)
        return made

    def trust_policy(self, *, namespace: str, service_account: str) -> dict[str, Any]:
        """The trust policy of the example, for this cluster's issuer."""
        text = (EXAMPLES / "bedrock-short-term" / "trust-policy.json").read_text()
        host = self.cluster.issuer.removeprefix("https://").rstrip("/")
        example = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"
        subject = f"system:serviceaccount:{namespace}:{service_account}"
        policy: dict[str, Any] = json.loads(
            text.replace(example, host).replace("system:serviceaccount:chat:chat-bedrock", subject)
        )
        return policy

    def create_role(
        self,
        *,
        name: str = "bedrock-invoker",
        namespace: str = "chat",
        service_account: str = "chat-bedrock",
        max_session_seconds: int = 43200,
    ) -> str:
        """The role of the example, with the example's policies; its ARN."""
        permissions = json.loads(
            (EXAMPLES / "bedrock-short-term" / "permissions-policy.json").read_text()
        )
        return self.aws.create_role(
            name=name,
            trust_policy=self.trust_policy(namespace=namespace, service_account=service_account),
            policies={"permissions": permissions},
            max_session_seconds=max_session_seconds,
        )

    def apply_example(self, name: str, *, without: Sequence[str] = ("pod.yaml",)) -> None:
        """The files of an example as its kustomization lists them, but for those."""
        folder = EXAMPLES / name
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        self.api.apply_files(folder / file for file in listed if file not in without)
