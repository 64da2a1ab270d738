"""A cluster, one or two clouds and an operator, connected as in an installation."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Self

import yaml

from testbed.clouds.alibaba import AlibabaCloud
from testbed.clouds.aws import AwsCloud
from testbed.clouds.aws.hosts import DOMAINS as AWS_DOMAINS
from testbed.clouds.emulator import EmulatedCloud
from testbed.clouds.vendors import TokenVendors
from testbed.clusters import Cluster
from testbed.clusters.api import Api
from testbed.faults import FaultProxy, Line
from testbed.operators import NAMESPACE, PACE_OF_TESTS, SERVICE_ACCOUNT, OperatorProcess

ROOT = Path(__file__).resolve().parents[1]
CRDS = tuple(sorted((ROOT / "crds").glob("*.yaml")))
EXAMPLES = ROOT / "examples"
# The parts of the installation for an operator outside the cluster; a kubelet runs the rest.
MANIFESTS = ROOT / "manifests"
INSTALLED = (
    MANIFESTS / "operator" / "namespace.yaml",
    MANIFESTS / "operator" / "serviceaccount.yaml",
    MANIFESTS / "operator" / "leaderelection.yaml",
    MANIFESTS / "operator" / "orphans.yaml",
    MANIFESTS / "operator" / "clusterid.yaml",
    MANIFESTS / "operator" / "rollouts.yaml",
    MANIFESTS / "operator" / "metrics.yaml",
    MANIFESTS / "all-namespaces" / "rbac.yaml",
)
AUDIENCE = "sts.amazonaws.com"
ALIBABA_AUDIENCE = "sts.aliyuncs.com"


class Vendor(Enum):
    """The clouds of an environment."""

    AWS = "aws"
    ALIBABA = "alibaba"
    TOKENS = "vendors"


class World:
    """Starts everything in order; `operator()` creates further operators in it.

    `make_cluster` gets the directory that the cluster may use. Of the clouds only those of the
    `providers` run; with both of them, one proxy and one file of CAs lead to both.
    """

    def __init__(
        self,
        make_cluster: Callable[[Path], Cluster],
        *,
        directory: Path | None = None,
        providers: Collection[Vendor] = (Vendor.AWS,),
    ) -> None:
        self._temporary = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="keywright-world-"))
        self.directory.mkdir(parents=True, exist_ok=True)
        self.cluster = make_cluster(self.directory / "cluster")
        self.providers = frozenset(providers)
        self.aws = AwsCloud(self.directory / "aws")
        self.alibaba = AlibabaCloud(self.directory / "alibaba")
        self.vendors = TokenVendors(self.directory / "vendors")
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
        """Start cluster and clouds, install CRDs and RBAC, make the clouds trust the cluster."""
        try:
            for cloud in self._clouds():
                cloud.spawn()  # concurrently with the cluster: they are independent until later
            self.cluster.start()
            for cloud in self._clouds():
                cloud.wait_until_ready()
            self.install()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything; written files are removed if the directory is the environment's own."""
        for operator in self._operators:
            if operator.process.exit_code is None:
                operator.stop()
        if self._api is not None:
            self._api.close()
        for cloud in self._clouds():
            cloud.stop()
        self.cluster.stop()
        if self._temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def install(self) -> None:
        """Install the shipped CRDs and RBAC, and register the cluster's issuer in the clouds."""
        self.api.apply_files(CRDS)
        self.api.apply_files(INSTALLED)
        issuer, ca_file = self.cluster.issuer, self.cluster.ca_file
        if Vendor.AWS in self.providers:
            self.aws.create_identity_provider(issuer=issuer, client_ids=[AUDIENCE], ca_file=ca_file)
        if Vendor.TOKENS in self.providers:
            self.vendors.trust_issuer(issuer, ca_file=ca_file)
        if Vendor.ALIBABA in self.providers:
            self.alibaba.create_identity_provider(
                issuer=issuer, client_ids=[ALIBABA_AUDIENCE], ca_file=ca_file
            )

    def client_environment(self) -> dict[str, str]:
        """The environment in which an unmodified SDK uses these clouds."""
        if len(self.providers) == 1:
            (cloud,) = self._clouds()
            return cloud.client_environment()
        self.alibaba.relay(AWS_DOMAINS, proxy_port=self.aws.proxy_port)
        bundle = self.directory / "certificates.pem"
        bundle.write_text("".join(cloud.ca_file.read_text() for cloud in self._clouds()))
        both = {**self.aws.client_environment(), **self.alibaba.client_environment()}
        authorities = {str(cloud.ca_file) for cloud in self._clouds()}
        return {
            name: str(bundle) if value in authorities else value for name, value in both.items()
        }

    def _clouds(self) -> list[EmulatedCloud]:
        clouds: dict[Vendor, EmulatedCloud] = {
            Vendor.AWS: self.aws,
            Vendor.ALIBABA: self.alibaba,
            Vendor.TOKENS: self.vendors,
        }
        return [
            cloud for cloud_provider, cloud in clouds.items() if cloud_provider in self.providers
        ]

    def operator(
        self,
        *,
        identity: str = "keywright-0",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: Path | None = None,
        fork: str | None = None,
        proxy: FaultProxy | None = None,
        line: Line | None = None,
        pace: Sequence[str] = PACE_OF_TESTS,
    ) -> OperatorProcess:
        """An operator that is not started yet, with the shipped permissions only.

        It reaches the API server through the `proxy` or the `line`, if there is one.
        """
        directory = self.directory / identity
        directory.mkdir(exist_ok=True)
        kubeconfig = self.cluster.service_account_kubeconfig(
            namespace=NAMESPACE, name=SERVICE_ACCOUNT, directory=directory
        )
        for way in (proxy, line):
            if way is not None:
                way.lead(kubeconfig)
        made = OperatorProcess(
            kubeconfig=kubeconfig,
            directory=directory,
            environment={**self.client_environment(), **(environment or {})},
            arguments=arguments,
            identity=identity,
            program=program,
            fork=fork,
            line=line,
            pace=pace,
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
        """Create the role of the example, with the example's policies; returns its ARN."""
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
        """Apply the files in the kustomization of an example, except for those."""
        folder = EXAMPLES / name
        listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        self.api.apply_files(folder / file for file in listed if file not in without)
