"""The attacks that `kubectl apply` refuses already: by the schema, and by CEL."""

from __future__ import annotations

from typing import Any

from testbed.clouds.aws.cloud import ACCOUNT
from tests.cluster.attacks import Attack, alibaba, identity, secret
from tests.cluster.tenants import Document


def _with_key(**reference: str) -> Document:
    return {"aws": {"webIdentity": None, "accessKey": {"secretRef": reference}}}


def _gateway(**fields: Any) -> Document:
    key = {"usagePlan": {"id": "abc123"}, **fields}
    return {"bedrockShortTermKey": None, "secret": None, "apiGatewayKey": key}


_TRUSTED = ("spec.secret.type", "must not be a type that Kubernetes makes credentials of its own")
_ELSEWHERE = {"name": "key", "namespace": "victim"}

REFUSED_AT_APPLY = (
    Attack(
        "a-service-account-of-another-namespace",
        ('unknown field "spec.aws.webIdentity.serviceAccountRef.namespace"',),
        source=identity(serviceAccountRef={"namespace": "victim"}),
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
        source=alibaba(accessKey={"secretRef": _ELSEWHERE}),
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
        grant=secret(namespace="victim"),
    ),
    Attack(
        "a-secret-named-by-a-path",
        ("spec.secret.name", "must be a name of lower case letters"),
        grant=secret(name="../../victim/secrets/chat-key"),
    ),
    Attack(
        "a-source-named-by-a-path",
        ("spec.sourceRef.name", "must be a name of lower case letters"),
        grant={"sourceRef": {"name": "../../victim/credentialsources/bedrock"}},
    ),
    Attack(
        "a-secret-that-becomes-a-token-of-a-service-account",
        _TRUSTED,
        grant=secret(
            type="kubernetes.io/service-account-token",
            annotations={"kubernetes.io/service-account.name": "default"},
        ),
    ),
    Attack(
        "a-secret-that-joins-nodes",
        _TRUSTED,
        grant=secret(type="bootstrap.kubernetes.io/token"),
    ),
    Attack(
        "the-mark-of-another-grant-by-annotation",
        ("spec.secret.annotations", "use another prefix"),
        grant=secret(annotations={"keywright.dev/owner": "victim/chat-key 1"}),
    ),
    Attack(
        "a-label-of-the-operators",
        ("spec.secret.labels", "keywright.dev/ are the operator's own"),
        grant=secret(labels={"keywright.dev/trusted": "yes"}),
    ),
    Attack(
        "no-mark-of-the-operators",
        ("spec.secret.labels", "managed-by is the operator's own"),
        grant=secret(labels={"app.kubernetes.io/managed-by": "Helm"}),
    ),
    Attack(
        "a-template-that-asks-for-what-is-not-the-keys",
        ("spec.secret.data",),
        grant=secret(data={"file": "${secretAccessKey}"}),
    ),
    Attack(
        "a-template-that-is-a-program",
        ("spec.secret.data",),
        grant=secret(data={"file": "${apiKey.__class__.__init__.__globals__}"}),
    ),
    Attack(
        "an-entry-that-leaves-the-folder-it-is-mounted-in",
        ("spec.secret.data", "every key must be of letters, digits"),
        grant=secret(data={"../../etc/passwd": "${apiKey}"}),
    ),
    Attack(
        "a-token-for-two-at-once",
        ("audiences", "must have at most 1 item"),
        source=identity(serviceAccountRef={"audiences": ["sts.amazonaws.com", "vault"]}),
    ),
    Attack(
        "a-probe-that-sends-the-key-in-the-open",
        ("spec.probe.url", "https://"),
        grant=_gateway() | {"probe": {"mode": "Http", "url": "http://attacker.example.com"}},
    ),
    Attack(
        "a-uri-of-the-nodes-metadata",
        ("spec.alibabaCloud.credentialsUri.uri", "must not name a metadata service"),
        source=alibaba(credentialsUri={"uri": "http://169.254.169.254/latest/meta-data/"}),
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
