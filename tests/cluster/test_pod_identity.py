"""EKS Pod Identity: the operator's own identity comes from the agent of its node."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.clouds.aws.pod_identity import AUDIENCE
from testbed.clouds.aws.pod_identity_agent import PodIdentityAgent
from testbed.operators import NAMESPACE, SERVICE_ACCOUNT, OperatorProcess
from testbed.readers import http_converse
from testbed.world import World
from tests.cluster.chains import EVERYTHING, apply_chain
from tests.cluster.tenants import Document, Tenant, condition
from tests.cluster.worlds import MakeWorld

_CLUSTER = "production"
_TRUST: Document = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
    ],
}
_SECONDS = 12
_RENEWALS = 5


@dataclass(frozen=True)
class Node:
    """An operator in a pod of EKS: a token in a file, and the agent of the node."""

    world: World
    agent: PodIdentityAgent
    token_file: Path
    operator: OperatorProcess
    role_arn: str

    def rotate_token(self) -> str:
        """Write a new token, as the kubelet does."""
        answer = self.world.api.request(
            "POST",
            f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{SERVICE_ACCOUNT}/token",
            body={
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {"audiences": [AUDIENCE], "expirationSeconds": 3600},
            },
        )
        token = str(answer["status"]["token"])
        self.token_file.write_text(token)
        return token

    def associate(self, role_arn: str | None) -> None:
        """Associate the operator's ServiceAccount with a role, or with none."""
        self.world.aws.associate_pod_identity(
            cluster=_CLUSTER,
            namespace=NAMESPACE,
            service_account=SERVICE_ACCOUNT,
            role_arn=role_arn,
        )


@pytest.fixture
def node(make_world: MakeWorld, tmp_path: Path) -> Iterator[Node]:
    """A started operator; the agent's calls are signed by the role of the node."""
    with make_world() as world:
        aws = world.aws
        role_arn = aws.create_role(
            name="keywright", trust_policy=_TRUST, policies={"everything": EVERYTHING}
        )
        aws.create_cluster(
            name=_CLUSTER, issuer=world.cluster.issuer, ca_file=world.cluster.ca_file
        )
        eks_auth = aws.administrator("eks-auth", region="us-west-2")
        token_file = tmp_path / "eks-pod-identity-token"
        with PodIdentityAgent(eks_auth, cluster=_CLUSTER) as agent:
            operator = world.operator(
                arguments=["--allow-ambient"],
                environment={
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.url,
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token_file),
                },
            )
            made = Node(world, agent, token_file, operator, role_arn)
            made.associate(role_arn)
            made.rotate_token()
            operator.start()
            yield made
        log = operator.log.read_text()
        assert [secret for secret in aws.secrets() if secret in log] == []


@pytest.fixture
def tenant(node: Node) -> Tenant:
    """A tenant without a source yet."""
    tenant = Tenant(node.world)
    tenant.prepare()
    return tenant


@pytest.mark.timeout(180)
def test_keys_are_renewed_with_the_sessions_of_the_agent(node: Node, tenant: Tenant) -> None:
    """Also when the kubelet has replaced the token, and the one before is no longer accepted."""
    node.world.aws.limit_sessions(seconds=_SECONDS)
    apply_chain(tenant, [], ambient={})
    tenant.apply_grant()
    first = tenant.ready()
    source = tenant.source_reported("Ready")
    assert source["identity"].startswith("arn:aws:sts::123456789012:assumed-role/keywright/eks-")
    environment = node.world.client_environment()
    assert http_converse.call(tenant.data(), cloud_environment=environment).ok
    node.rotate_token()
    for revision in range(2, 2 + _RENEWALS):
        status = tenant.revision(revision, seconds=60)
        assert http_converse.call(tenant.data(), cloud_environment=environment).ok
    assert status["keyId"] != first["keyId"]
    assert set(node.agent.answers) == {200}
    (tags,) = {json.dumps(each.tags, sort_keys=True) for each in node.world.aws.sessions()}
    assert json.loads(tags)["kubernetes-service-account"] == SERVICE_ACCOUNT


def _no_association(node: Node) -> None:
    node.associate(None)


def _not_trusted(node: Node) -> None:
    trust = {**_TRUST, "Statement": [{**_TRUST["Statement"][0], "Action": "sts:AssumeRole"}]}
    node.world.aws.put_trust_policy(name="keywright", trust_policy=trust)


def _another_token(node: Node) -> None:
    node.token_file.write_text(node.rotate_token()[:-4] + "AAAA")


def _no_token_file(node: Node) -> None:
    node.token_file.unlink()


def _agent_is_gone(node: Node) -> None:
    node.agent.__exit__()


_FAULTS: dict[str, tuple[Callable[[Node], None], str]] = {
    "no association": (_no_association, "no association for keywright-system/keywright"),
    "role without sts:TagSession": (_not_trusted, "permissions to assume the role"),
    "a token that is not the cluster's": (_another_token, "The token provided is invalid"),
    "no token file": (_no_token_file, "No such file"),
    "agent is gone": (_agent_is_gone, "Could not connect"),
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_refusals_name_the_cure(node: Node, tenant: Tenant, fault: str) -> None:
    """What the agent says is quoted, and nothing of a token."""
    plant, words = _FAULTS[fault]
    plant(node)
    apply_chain(tenant, [], ambient={})
    ready = condition(tenant.source_reported("Ready", status="False"), "Ready")
    assert ready["reason"] == "AmbientUnavailable"
    assert "spec.aws.ambient" in ready["message"]
    assert words in ready["message"]
    assert "networkPolicy.podIdentity" in ready["message"]


def test_an_association_that_is_made_later_is_noticed(node: Node, tenant: Tenant) -> None:
    """The failure is retried."""
    node.associate(None)
    apply_chain(tenant, [], ambient={})
    tenant.apply_grant()
    tenant.reported("Ready", status="False")
    node.associate(node.role_arn)
    assert tenant.ready(seconds=60)["keyId"].startswith("ASIA")
