"""The shipped ValidatingAdmissionPolicies: what they refuse and allow, for which author."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from testbed.clusters.api import ApiError
from testbed.world import World
from tests.cluster.commands import KUBECTL
from tests.cluster.eventually import eventually
from tests.cluster.guides import commands, run
from tests.cluster.tenants import Document, Tenant, merged
from tests.cluster.worlds import MakeWorld

_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True)
class Stage:
    """A world with the policies, and a namespace of a tenant who may write our resources there."""

    world: World
    tenant: Tenant

    def apply(self, body: Document, *, user: str = "author") -> str:
        """What the API server answers to that user, by a dry run: empty where it agrees."""
        done = subprocess.run(
            [
                *(KUBECTL, "apply", "--dry-run=server", "--server-side", "--force-conflicts"),
                *(f"--as={user}", "--filename=-"),
            ],
            env={"KUBECONFIG": str(self.world.cluster.kubeconfig), "HOME": "/nonexistent"},
            input=json.dumps(body),
            capture_output=True,
            text=True,
            check=False,
        )
        return "" if done.returncode == 0 else done.stderr

    def source(self, spec: Document) -> Document:
        """The tenant's source with these changes."""
        return merged(self.tenant.source_body(name="candidate"), {"spec": spec})

    def grant(self, spec: Document) -> Document:
        """The tenant's grant with these changes."""
        return merged(self.tenant.grant_body(name="candidate"), {"spec": spec})


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[Stage]:
    """The policies, applied as the guide says."""
    with make_world() as world:
        if world.cluster.audit_log is None:
            pytest.skip("needs a real API server: admission policies")
        (command,) = [c for c in commands("docs/tenancy.md") if "manifests/policies/" in c]
        run(command, world)
        made = Stage(world, Tenant(world, name="team"))
        made.tenant.prepare()
        for user, resources in (
            ("author", {"keywright.dev": ["credentialsources", "apikeygrants"]}),
            ("owner", {"keywright.dev": ["credentialsources", "apikeygrants"], "": ["secrets"]}),
        ):
            _allow(made, user, resources)
        eventually(lambda: made.apply(made.source({"aws": {"webIdentity": None, "ambient": {}}})))
        eventually(lambda: not made.apply(made.source({})))
        yield made


def _allow(stage: Stage, user: str, resources: dict[str, list[str]]) -> None:
    metadata = {"name": user, "namespace": stage.tenant.namespace}
    verbs = ["get", "create", "patch", "update"]
    rules = [
        {"apiGroups": [group], "resources": names, "verbs": verbs}
        for group, names in resources.items()
    ]
    role = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": user},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": user}],
    }
    for body in (role, binding):
        stage.world.api.apply(body)


@dataclass(frozen=True)
class Case:
    """A change of the tenant's source or grant, and the message to its author; empty for none."""

    name: str
    source: Document | None = None
    grant: Document | None = None
    says: str = ""
    user: str = field(default="author")

    def __str__(self) -> str:
        return self.name


def _alibaba(**identity: object) -> Document:
    return {"aws": None, "alibabaCloud": {"regionId": "cn-hangzhou", **identity}}


_RRSA = {
    "serviceAccountRef": {"name": "a"},
    "oidcProviderArn": "acs:ram::1234567890123456:oidc-provider/a",
    "roleArn": "acs:ram::1234567890123456:role/a",
}
_REFERENCE: Document = {"secretKeyRef": {"name": "keys", "key": "a"}}
_LONG: Document = {"bedrockShortTermKey": None, "secret": None}


def _user(name: str) -> Document:
    return {
        **_LONG,
        "bedrockLongTermKey": {"user": {"name": name}, "expiresAfterDays": 30},
    }


def _hop(**more: object) -> Document:
    return {"aws": {"assumeRoles": [{"roleArn": "arn:aws:iam::123456789012:role/a", **more}]}}


_OTHERS = "you must be allowed to get the Secrets that you refer to"
_HOST = "is not allowed here; add it to endpoints"
CASES = (
    Case("web identity", source={}),
    Case(
        "ambient",
        source={"aws": {"webIdentity": None, "ambient": {}}},
        says="spec.aws.ambient: the operator's own identity must not be used here",
    ),
    Case("default chain", source=_alibaba(defaultChain={}), says="spec.alibabaCloud.defaultChain"),
    Case(
        "node", source=_alibaba(ecsRamRole={"roleName": "a"}), says="spec.alibabaCloud.ecsRamRole"
    ),
    Case("an opaque Secret", grant={"secret": {"type": "Opaque"}}),
    Case("no type", grant={"secret": None}),
    Case(
        "a Secret for TLS",
        grant={"secret": {"type": "kubernetes.io/tls"}},
        says="spec.secret.type: kubernetes.io/tls is not allowed here",
    ),
    Case(
        "a login to registries",
        grant={"bedrockShortTermKey": None, "secret": None, "ecrToken": {}},
        says="spec.secret.type: kubernetes.io/dockerconfigjson is not allowed here",
    ),
    Case(
        "a login to registries by its format",
        grant={
            "bedrockShortTermKey": None,
            "secret": {"formats": ["ApiKey", "DockerConfigJson"]},
            "ecrToken": {},
        },
        says="spec.secret.type: kubernetes.io/dockerconfigjson is not allowed here",
    ),
    Case(
        "a login to registries as a password",
        grant={"bedrockShortTermKey": None, "secret": {"formats": ["ApiKey"]}, "ecrToken": {}},
    ),
    Case(
        "a login to registries in an opaque Secret",
        grant={
            "bedrockShortTermKey": None,
            "secret": {"type": "Opaque", "formats": ["DockerConfigJson"]},
            "ecrToken": {},
        },
    ),
    Case(
        "an endpoint of the vendor",
        source={"aws": {"stsEndpoint": "https://vpce-1.sts.us-west-2.vpce.amazonaws.com"}},
    ),
    Case(
        "an endpoint of a third party",
        source={"aws": {"stsEndpoint": "https://sts.example.com"}},
        says="https://sts.example.com (stsEndpoint, credentialsUri, generic.endpoint or probe.url)"
        f" {_HOST}",
    ),
    Case(
        "an endpoint that looks like the vendor's",
        source={"aws": {"stsEndpoint": "https://amazonaws.com.example.com/.amazonaws.com"}},
        says=_HOST,
    ),
    Case(
        "an Alibaba Cloud endpoint",
        source=_alibaba(oidcRoleArn=_RRSA, stsEndpoint="sts-vpc.cn-hangzhou.aliyuncs.com"),
    ),
    Case(
        "an Alibaba Cloud endpoint of a third party",
        source=_alibaba(oidcRoleArn=_RRSA, stsEndpoint="sts.example.com"),
        says=_HOST,
    ),
    Case(
        "a credentials URI",
        source=_alibaba(credentialsUri={"uri": "https://vending.example.com/"}),
        says=_HOST,
    ),
    Case(
        "a probe of a foreign host",
        grant={
            "bedrockShortTermKey": None,
            "secret": None,
            "apiGatewayKey": {"usagePlan": {"id": "abc123"}},
            "probe": {"mode": "Http", "url": "https://api.example.com/"},
        },
        says=_HOST,
    ),
    Case("a user of another team", grant=_user("search-user"), says="must start with team-"),
    Case(
        "a user of another team for another service",
        grant={
            **_LONG,
            "awsLongTermKey": {
                "service": "XRay",
                "user": {"name": "search-user"},
                "expiresAfterDays": 30,
            },
        },
        says="spec.awsLongTermKey.user.name: must start with team-",
    ),
    Case(
        "a Secret that the author cannot read", source=_hop(externalIdFrom=_REFERENCE), says=_OTHERS
    ),
    Case("a Secret that the author can read", source=_hop(externalIdFrom=_REFERENCE), user="owner"),
    Case(
        "an access key",
        source={"aws": {"webIdentity": None, "accessKey": {"secretRef": {"name": "keys"}}}},
        says=_OTHERS,
    ),
    *(
        Case(
            f"a Secret of {identity}",
            source=_alibaba(**{identity: {"secretRef": {"name": "keys"}, **more}}),
            says=_OTHERS,
        )
        for identity, more in (
            ("accessKey", {}),
            ("sts", {}),
            ("bearer", {}),
            ("ramRoleArn", {"roleArn": "acs:ram::1234567890123456:role/a"}),
            ("profile", {"format": "CliConfig"}),
        )
    ),
    Case(
        "a private key",
        source=_alibaba(
            rsaKeyPair={
                "publicKeyId": "LTAI5tExample",
                "privateKeySecretRef": {"name": "keys", "key": "a"},
            }
        ),
        says=_OTHERS,
    ),
    *(
        Case(
            f"an import by {kind}",
            grant={
                "bedrockShortTermKey": None,
                "secret": None,
                "apiGatewayKey": {"usagePlan": {"id": "abc123"}, kind: _REFERENCE},
            },
            says=_OTHERS,
        )
        for kind in ("valueFrom", "csvFrom")
    ),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_policies_decide(stage: Stage, case: Case) -> None:
    """The message names the field or the Secret, and the remedy."""
    body = stage.grant(case.grant or {}) if case.source is None else stage.source(case.source)
    answer = stage.apply(body, user=case.user)
    if case.says:
        assert case.says in answer
    else:
        assert answer == ""


def test_a_user_is_named_after_its_namespace(stage: Stage) -> None:
    """Or by the prefix that an annotation of the namespace gives."""
    own = stage.grant(_user(f"{stage.tenant.namespace}-bedrock"))
    assert stage.apply(own) == ""
    path = f"/api/v1/namespaces/{stage.tenant.namespace}"
    key = "policies.keywright.dev/user-prefix"
    stage.tenant.patch(path, {"metadata": {"annotations": {key: "search-"}}})
    eventually(lambda: stage.apply(stage.grant(_user("search-user"))) == "")
    stage.tenant.patch(path, {"metadata": {"annotations": {key: None}}})


def test_what_was_let_in_before_can_go_on_and_go(stage: Stage) -> None:
    """Annotations and finalizers change; another edit of the spec is judged again."""
    api, tenant = stage.world.api, stage.tenant
    bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
    binding = api.get(f"{bindings}/keywright-user-names")
    api.delete(f"{bindings}/keywright-user-names")
    body = merged(tenant.grant_body(name="before"), {"spec": _user("search-user")})
    eventually(lambda: stage.apply(body) == "")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    api.apply(body)
    for name in ("resourceVersion", "uid", "managedFields", "creationTimestamp", "generation"):
        binding["metadata"].pop(name, None)
    api.apply(binding)
    eventually(lambda: stage.apply(stage.grant(_user("search-user"))))
    path = tenant.grant_path("before")
    with pytest.raises(ApiError, match="must start with team-"):
        tenant.patch(path, {"spec": {"suspend": True}})
    tenant.annotate_grant(name="before", **{"example.com/a": "b"})
    api.delete(path)
    tenant.patch(path, {"metadata": {"finalizers": None}})
    eventually(lambda: not api.exists(path))


def test_the_operator_is_not_hindered(stage: Stage) -> None:
    """Its writes of statuses and finalizers pass."""
    stage.world.operator().start()
    stage.tenant.become_ready()
