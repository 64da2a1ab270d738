"""Ways for a tenant to get another's credentials, or the operator's, as tables of objects.

Each row is what a tenant applies who may do everything in its own namespace, and nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from testbed.clouds.aws.cloud import ACCOUNT
from tests.cluster.tenants import ACCOUNT_NAME, GRANT, SOURCE, Document, Tenant, merged

_ANNOTATED = "eks.amazonaws.com/role-arn"


@dataclass(frozen=True)
class Attack:
    """One way, and what the attacker is told.

    `grant` and `source` are merged into the specs of the attacker's; each may be made from the
    attacker and the victim. `prepare` is what the attacker does before.
    """

    name: str
    says: tuple[str, ...]
    grant: Mapping[str, Any] | Callable[[Tenant, Tenant], Document] = field(default_factory=dict)
    source: Mapping[str, Any] | Callable[[Tenant, Tenant], Document] = field(default_factory=dict)
    prepare: Callable[[Tenant, Tenant], None] = lambda *_: None
    reason: str = ""

    def __str__(self) -> str:
        return self.name

    def grant_body(self, attacker: Tenant, victim: Tenant) -> Document:
        """The attacker's grant."""
        spec = self.grant(attacker, victim) if callable(self.grant) else self.grant
        return merged(attacker.grant_body(), {"spec": spec})

    def source_body(self, attacker: Tenant, victim: Tenant) -> Document:
        """The attacker's source."""
        spec = self.source(attacker, victim) if callable(self.source) else self.source
        return merged(attacker.source_body(), {"spec": spec})


def _identity(**fields: Any) -> Document:
    return {"aws": {"webIdentity": fields}}


def _with_key(**reference: str) -> Document:
    return {"aws": {"webIdentity": None, "accessKey": {"secretRef": reference}}}


def _alibaba(**identity: Any) -> Document:
    return {"aws": None, "alibabaCloud": {"regionId": "cn-hangzhou", **identity}}


def _secret(**fields: Any) -> Document:
    return {"secret": fields}


def _gateway(**fields: Any) -> Document:
    key = {"usagePlan": {"id": "abc123"}, **fields}
    return {"bedrockShortTermKey": None, "secret": None, "apiGatewayKey": key}


# A kind of key that either cloud has.
_SESSION: Document = {"bedrockShortTermKey": None, "secret": None, "sessionCredentials": {}}
_TRUSTED = ("spec.secret.type", "must not be a type that Kubernetes makes credentials of its own")
_ELSEWHERE = {"name": "key", "namespace": "victim"}

REFUSED_AT_APPLY = (
    Attack(
        "a-service-account-of-another-namespace",
        ('unknown field "spec.aws.webIdentity.serviceAccountRef.namespace"',),
        source=_identity(serviceAccountRef={"namespace": "victim"}),
    ),
    Attack(
        "an-access-key-of-another-namespace",
        ('unknown field "spec.aws.accessKey.secretRef.namespace"',),
        source=_with_key(**_ELSEWHERE),
    ),
    Attack(
        "an-external-id-of-another-namespace",
        ("assumeRoles[0].externalIdFrom.secretKeyRef.namespace",),
        source={
            "aws": {
                "assumeRoles": [
                    {
                        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/far",
                        "externalIdFrom": {"secretKeyRef": {"key": "id", **_ELSEWHERE}},
                    }
                ]
            }
        },
    ),
    Attack(
        "a-value-to-import-from-another-namespace",
        ('unknown field "spec.apiGatewayKey.valueFrom.secretKeyRef.namespace"',),
        grant=_gateway(valueFrom={"secretKeyRef": {"key": "value", **_ELSEWHERE}}),
    ),
    Attack(
        "a-file-to-import-from-another-namespace",
        ('unknown field "spec.apiGatewayKey.csvFrom.secretKeyRef.namespace"',),
        grant=_gateway(csvFrom={"secretKeyRef": {"key": "value", **_ELSEWHERE}}),
    ),
    Attack(
        "a-key-pair-of-another-namespace",
        ('unknown field "spec.alibabaCloud.accessKey.secretRef.namespace"',),
        source=_alibaba(accessKey={"secretRef": _ELSEWHERE}),
    ),
    Attack(
        "a-workload-of-another-namespace",
        ('unknown field "spec.rollout.restart[0].namespace"',),
        grant={
            "rollout": {"restart": [{"kind": "Deployment", "name": "api", "namespace": "victim"}]}
        },
    ),
    Attack(
        "a-secret-to-be-written-in-another-namespace",
        ('unknown field "spec.secret.namespace"',),
        grant=_secret(namespace="victim"),
    ),
    Attack(
        "a-secret-named-by-a-path",
        ("spec.secret.name", "must be a name of lower case letters"),
        grant=_secret(name="../../victim/secrets/chat-key"),
    ),
    Attack(
        "a-source-named-by-a-path",
        ("spec.sourceRef.name", "must be a name of lower case letters"),
        grant={"sourceRef": {"name": "../../victim/credentialsources/bedrock"}},
    ),
    Attack(
        "a-secret-that-becomes-a-token-of-a-service-account",
        _TRUSTED,
        grant=_secret(
            type="kubernetes.io/service-account-token",
            annotations={"kubernetes.io/service-account.name": "default"},
        ),
    ),
    Attack(
        "a-secret-that-joins-nodes",
        _TRUSTED,
        grant=_secret(type="bootstrap.kubernetes.io/token"),
    ),
    Attack(
        "the-mark-of-another-grant-by-annotation",
        ("spec.secret.annotations", "use another prefix"),
        grant=_secret(annotations={"keywright.dev/granted-by": "victim/chat-key 1"}),
    ),
    Attack(
        "a-label-of-the-operators",
        ("spec.secret.labels", "keywright.dev/ are the operator's own"),
        grant=_secret(labels={"keywright.dev/trusted": "yes"}),
    ),
    Attack(
        "no-mark-of-the-operators",
        ("spec.secret.labels", "managed-by is the operator's own"),
        grant=_secret(labels={"app.kubernetes.io/managed-by": "Helm"}),
    ),
    Attack(
        "a-template-that-asks-for-what-is-not-the-keys",
        ("spec.secret.data",),
        grant=_secret(data={"file": "${secretAccessKey}"}),
    ),
    Attack(
        "a-template-that-is-a-program",
        ("spec.secret.data",),
        grant=_secret(data={"file": "${apiKey.__class__.__init__.__globals__}"}),
    ),
    Attack(
        "an-entry-that-leaves-the-folder-it-is-mounted-in",
        ("spec.secret.data", "every key must be of letters, digits"),
        grant=_secret(data={"../../etc/passwd": "${apiKey}"}),
    ),
    Attack(
        "a-token-for-two-at-once",
        ("audiences", "must have at most 1 item"),
        source=_identity(serviceAccountRef={"audiences": ["sts.amazonaws.com", "vault"]}),
    ),
    Attack(
        "a-probe-that-sends-the-key-in-the-open",
        ("spec.probe.url", "https://"),
        grant=_gateway() | {"probe": {"mode": "Http", "url": "http://attacker.example.com"}},
    ),
    Attack(
        "a-uri-of-the-nodes-metadata",
        ("spec.alibabaCloud.credentialsUri.uri", "must not name a metadata service"),
        source=_alibaba(credentialsUri={"uri": "http://169.254.169.254/latest/meta-data/"}),
    ),
    Attack(
        "sts-in-the-open",
        ("spec.aws.stsEndpoint", "must be a URL that begins with https://"),
        source={"aws": {"stsEndpoint": "http://169.254.169.254/latest"}},
    ),
    Attack(
        "sts-with-a-password-in-its-url",
        ("spec.aws.stsEndpoint", "without user, password and blanks"),
        source={"aws": {"stsEndpoint": "https://sts.amazonaws.com@attacker.example.com"}},
    ),
)


def _theirs(_: Tenant, victim: Tenant) -> Document:
    return {"sourceRef": {"name": SOURCE, "namespace": victim.namespace}}


def _annotate_account(role: str) -> Callable[[Tenant, Tenant], None]:
    def annotate(attacker: Tenant, victim: Tenant) -> None:
        path = f"/api/v1/namespaces/{attacker.namespace}/serviceaccounts/{ACCOUNT_NAME}"
        value = role.format(victim=victim.role_arn)
        attacker.patch(path, {"metadata": {"annotations": {_ANNOTATED: value}}})

    return annotate


def _copy_of_their_secret(attacker: Tenant, victim: Tenant) -> None:
    """With every label and annotation, in the attacker's own namespace."""
    theirs = victim.secret()["metadata"]
    made = {name: theirs[name] for name in ("labels", "annotations")}
    body = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}}
    attacker.world.api.create(
        body | {"metadata": {**made, "name": GRANT, "namespace": attacker.namespace}}
    )


def _somebodys_secret(attacker: Tenant, _: Tenant) -> None:
    attacker.create_secret(password="somebody's")


def _labelled_secret(attacker: Tenant, _: Tenant) -> None:
    attacker.create_secret(password="somebody's")
    label = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "keywright"}}}
    attacker.patch(attacker.secret_path(), label)


def _owned_secret(attacker: Tenant, _: Tenant) -> None:
    """An owner reference to another grant, as the operator writes it.

    Of the same namespace: the cluster itself removes what names an owner of another.
    """
    attacker.apply_grant(name="first")
    owner = attacker.grant("first")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": "first",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    attacker.create_secret(password="somebody's")
    attacker.patch(attacker.secret_path(), {"metadata": {"ownerReferences": [reference]}})


_CONFLICT = ("spec.secret.name", "Choose another name")

REFUSED_BY_CONDITION = (
    Attack(
        "a-source-of-another-namespace",
        ("spec.sourceRef.namespace", "spec.allowedNamespaces"),
        grant=_theirs,
        reason="SourceNotAllowed",
    ),
    Attack(
        "a-source-that-is-not-there-to-find-out-which-are",
        ("spec.sourceRef.namespace", "spec.allowedNamespaces"),
        grant=lambda _, victim: {"sourceRef": {"name": "x", "namespace": victim.namespace}},
        reason="SourceNotAllowed",
    ),
    Attack(
        "the-operators-own-identity",
        ("spec.aws.ambient", "--allow-ambient"),
        source={"aws": {"webIdentity": None, "ambient": {}}},
        reason="AmbientNotAllowed",
    ),
    Attack(
        "whatever-the-operator-finds-around-itself",
        ("spec.alibabaCloud.defaultChain", "--allow-ambient"),
        grant=_SESSION,
        source=_alibaba(defaultChain={}),
        reason="AmbientNotAllowed",
    ),
    Attack(
        "the-role-of-the-node",
        ("spec.alibabaCloud.ecsRamRole", "--allow-ambient"),
        grant=_SESSION,
        source=_alibaba(ecsRamRole={"roleName": "node"}),
        reason="AmbientNotAllowed",
    ),
    Attack(
        "a-uri-of-the-tenants-choice",
        ("spec.alibabaCloud.credentialsUri", "--allow-credentials-uri"),
        grant=_SESSION,
        source=_alibaba(credentialsUri={"uri": "https://attacker.example.com/credentials"}),
        reason="UriNotAllowed",
    ),
    Attack(
        "the-role-of-another-tenant",
        ("system:serviceaccount:", "sub"),
        source=lambda _, victim: _identity(roleArn=victim.role_arn),
        reason="AccessDenied",
    ),
    Attack(
        "the-role-of-another-tenant-by-annotation",
        ("system:serviceaccount:", "sub"),
        source=_identity(roleArn=None),
        prepare=_annotate_account("{victim}"),
        reason="AccessDenied",
    ),
    Attack(
        "a-role-by-annotation-that-is-none",
        ("eks.amazonaws.com/role-arn",),
        source=_identity(roleArn=None),
        prepare=_annotate_account("https://attacker.example.com/?"),
    ),
    Attack(
        "another-service-account",
        ("serviceaccounts/token", "[default]"),
        source=_identity(serviceAccountRef={"name": "default"}),
        reason="TokenRequestForbidden",
    ),
    Attack(
        "a-token-for-the-kubernetes-api",
        ("serviceAccountRef.audiences", "good for the Kubernetes API itself"),
        source=_identity(serviceAccountRef={"audiences": ["https://kubernetes.default.svc"]}),
        reason="AudienceForbidden",
    ),
    Attack(
        "a-secret-of-somebody-in-the-namespace",
        ("exists and is not ours", "spec.secret.adopt"),
        prepare=_somebodys_secret,
        reason="SecretConflict",
    ),
    Attack(
        "a-secret-with-our-label",
        ("exists and is not ours",),
        prepare=_labelled_secret,
        reason="SecretConflict",
    ),
    Attack(
        "a-secret-with-an-owner-reference-to-another-grant",
        ("exists and is not ours",),
        prepare=_owned_secret,
        reason="SecretConflict",
    ),
    Attack(
        "a-copy-of-another-grants-secret-with-its-annotations",
        _CONFLICT,
        prepare=_copy_of_their_secret,
        grant=_secret(adopt=True),
        reason="SecretConflict",
    ),
)
