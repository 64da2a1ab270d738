"""The attacks that are let in, and refused by a condition."""

from __future__ import annotations

from collections.abc import Callable

from tests.cluster.attacks import Attack, alibaba, identity, secret
from tests.cluster.tenants import ACCOUNT_NAME, GRANT, SOURCE, Document, Tenant

PLANTED_PASSWORD = "correct-horse-battery-staple"
_ANNOTATED = "eks.amazonaws.com/role-arn"
# A kind of key that either cloud has.
_SESSION: Document = {"bedrockShortTermKey": None, "secret": None, "sessionCredentials": {}}


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


def _legacy_copy_of_their_secret(attacker: Tenant, victim: Tenant) -> None:
    """The same, with the owner under the name that earlier versions used."""
    annotations = dict(victim.secret()["metadata"]["annotations"])
    annotations["keywright.dev/granted-by"] = annotations.pop("keywright.dev/owner")
    metadata = {"name": GRANT, "namespace": attacker.namespace, "annotations": annotations}
    body: Document = {"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}}
    attacker.world.api.create(body | {"metadata": metadata})


def _somebodys_secret(attacker: Tenant, _: Tenant) -> None:
    attacker.create_secret(password="of another owner")


def _labelled_secret(attacker: Tenant, _: Tenant) -> None:
    attacker.create_secret(password="of another owner")
    label = {"metadata": {"labels": {"keywright.dev/managed": "true"}}}
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
    attacker.create_secret(password="of another owner")
    attacker.patch(attacker.secret_path(), {"metadata": {"ownerReferences": [reference]}})


def _database_password(attacker: Tenant, _: Tenant) -> None:
    """A Secret that the attacker may not read, beside its own source."""
    attacker.create_secret(
        name="database", password=PLANTED_PASSWORD, ALIBABA_CLOUD_BEARER_TOKEN=PLANTED_PASSWORD
    )


_PASSWORD: Document = {"secretKeyRef": {"name": "database", "key": "password"}}
_UNLABELED = ("kubectl label secret", "keywright.dev/allow-reference=true")
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
        "a-password-sent-to-a-cloud-as-an-external-id",
        ("externalIdFrom.secretKeyRef", *_UNLABELED),
        grant=_SESSION,
        source=lambda attacker, _: {
            "aws": {"assumeRoles": [{"roleArn": attacker.role_arn, "externalIdFrom": _PASSWORD}]}
        },
        prepare=_database_password,
        reason="SecretNotLabeled",
    ),
    Attack(
        "a-password-sent-to-a-cloud-as-an-api-key",
        ("valueFrom.secretKeyRef", *_UNLABELED),
        grant={
            "bedrockShortTermKey": None,
            "secret": None,
            "apiGatewayKey": {"usagePlan": {"id": "abc123"}, "valueFrom": _PASSWORD},
        },
        prepare=_database_password,
        reason="SecretNotLabeled",
    ),
    Attack(
        "a-password-sent-to-a-cloud-in-a-file-of-keys",
        ("csvFrom.secretKeyRef", *_UNLABELED),
        grant={
            "bedrockShortTermKey": None,
            "secret": None,
            "apiGatewayKey": {"usagePlan": {"id": "abc123"}, "csvFrom": _PASSWORD},
        },
        prepare=_database_password,
        reason="SecretNotLabeled",
    ),
    Attack(
        "a-token-that-is-handed-on",
        ("spec.alibabaCloud.bearer.secretRef", *_UNLABELED),
        grant={"bedrockShortTermKey": None, "secret": None, "bearerToken": {}},
        source=alibaba(bearer={"secretRef": {"name": "database"}}),
        prepare=_database_password,
        reason="SecretNotLabeled",
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
        source=alibaba(defaultChain={}),
        reason="AmbientNotAllowed",
    ),
    Attack(
        "the-role-of-the-node",
        ("spec.alibabaCloud.ecsRamRole", "--allow-ambient"),
        grant=_SESSION,
        source=alibaba(ecsRamRole={"roleName": "node"}),
        reason="AmbientNotAllowed",
    ),
    Attack(
        "a-uri-of-the-tenants-choice",
        ("spec.alibabaCloud.credentialsUri", "--allow-credentials-uri"),
        grant=_SESSION,
        source=alibaba(credentialsUri={"uri": "https://attacker.example.com/credentials"}),
        reason="UriNotAllowed",
    ),
    Attack(
        "sts-of-the-tenants-choice",
        ("spec.aws.stsEndpoint", "--allow-sts-endpoint"),
        source={"aws": {"stsEndpoint": "https://attacker.example.com"}},
        reason="EndpointNotAllowed",
    ),
    Attack(
        "sts-that-is-the-kubernetes-api",
        ("spec.aws.stsEndpoint", "--allow-sts-endpoint"),
        source={"aws": {"stsEndpoint": "https://kubernetes.default.svc"}},
        reason="EndpointNotAllowed",
    ),
    Attack(
        "sts-that-is-a-host-of-anybody-at-the-cloud",
        ("spec.aws.stsEndpoint", "--allow-sts-endpoint"),
        source={"aws": {"stsEndpoint": "https://x.execute-api.us-west-2.amazonaws.com/sts"}},
        reason="EndpointNotAllowed",
    ),
    Attack(
        "sts-of-alibaba-cloud-that-is-not",
        ("spec.alibabaCloud.stsEndpoint", "--allow-sts-endpoint"),
        grant=_SESSION,
        source=alibaba(
            stsEndpoint="attacker.oss-cn-hangzhou.aliyuncs.com",
            oidcRoleArn={
                "serviceAccountRef": {"name": ACCOUNT_NAME},
                "roleArn": "acs:ram::1234567890123456:role/chat",
                "oidcProviderArn": "acs:ram::1234567890123456:oidc-provider/ack",
            },
        ),
        reason="EndpointNotAllowed",
    ),
    Attack(
        "the-role-of-another-tenant",
        ("system:serviceaccount:", "sub"),
        source=lambda _, victim: identity(roleArn=victim.role_arn),
        reason="AccessDenied",
    ),
    Attack(
        "the-role-of-another-tenant-by-annotation",
        ("system:serviceaccount:", "sub"),
        source=identity(roleArn=None),
        prepare=_annotate_account("{victim}"),
        reason="AccessDenied",
    ),
    Attack(
        "a-role-by-annotation-that-is-none",
        ("eks.amazonaws.com/role-arn",),
        source=identity(roleArn=None),
        prepare=_annotate_account("https://attacker.example.com/?"),
    ),
    Attack(
        "another-service-account",
        ("serviceaccounts/token", "--resource-name=default"),
        source=identity(serviceAccountRef={"name": "default"}),
        reason="TokenRequestForbidden",
    ),
    Attack(
        "a-token-for-the-kubernetes-api",
        ("serviceAccountRef.audiences", "good for the Kubernetes API itself"),
        source=identity(serviceAccountRef={"audiences": ["https://kubernetes.default.svc"]}),
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
        grant=secret(adopt=True),
        reason="SecretConflict",
    ),
    Attack(
        "a-copy-of-another-grants-secret-with-annotations-of-an-earlier-version",
        _CONFLICT,
        prepare=_legacy_copy_of_their_secret,
        grant=secret(adopt=True),
        reason="SecretConflict",
    ),
)
