"""Names that become parts of URL paths and hosts are checked by the parser, not by CEL alone."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.parsing import parse_grant, parse_source
from tests.unit.api.samples import grant_body, source_body

PATHS = ["../../victim/secrets/x", "..", "a/b", "a%2fb", "A", "a b", "a\n", "", "a?b", "a" * 254]
HOSTS = ["evil.example/#", "us-east-1.evil", "a@b", "us_east", "", "cn-hangzhou/", "us-east-1\n"]
ROLE = "arn:aws:iam::123456789012:role/a"


def _with(name: str) -> dict[str, dict[str, Any]]:
    secret = {"secretRef": {"name": name}}
    external = {"secretKeyRef": {"name": name, "key": "k"}}
    return {
        "accessKey": {"aws": {"region": "us-east-1", "accessKey": secret}},
        "serviceAccountRef": source_body(
            webIdentity={"serviceAccountRef": {"name": name}, "roleArn": ROLE}
        )["spec"],
        "externalIdFrom": source_body(assumeRoles=[{"roleArn": ROLE, "externalIdFrom": external}])[
            "spec"
        ],
        "bearer": {"alibabaCloud": {"regionId": "cn-hangzhou", "bearer": secret}},
        "profile": {"alibabaCloud": {"regionId": "cn-hangzhou", "profile": secret}},
        "privateKey": {
            "alibabaCloud": {
                "regionId": "cn-hangzhou",
                "rsaKeyPair": {
                    "publicKeyId": "k",
                    "privateKeySecretRef": {"name": name, "key": "k"},
                },
            }
        },
    }


def _grants(name: str) -> dict[str, dict[str, Any]]:
    gateway = {"usagePlan": {"id": "x"}}
    reference = {"secretKeyRef": {"name": name, "key": "k"}}
    return {
        "source": {"sourceRef": {"name": name}},
        "namespace": {"sourceRef": {"name": "s", "namespace": name}},
        "valueFrom": {
            "bedrockShortTermKey": None,
            "apiGatewayKey": {**gateway, "valueFrom": reference},
        },
        "rollout": {"rollout": {"restart": [{"kind": "Deployment", "name": name}]}},
    }


def _source(spec: dict[str, Any]) -> Any:
    return parse_source({"metadata": source_body()["metadata"], "spec": spec})


def _is_grant(spec: dict[str, Any]) -> bool:
    body = grant_body(**spec)
    body["spec"] = {key: value for key, value in body["spec"].items() if value is not None}
    return not isinstance(parse_grant(body), list)


@pytest.mark.parametrize("field", _with(""))
def test_a_source_names_objects_alone(field: str) -> None:
    """Each reference, with a right name and with each wrong one."""
    assert not isinstance(_source(_with("a-b.c1")[field]), list)
    for name in PATHS:
        assert isinstance(_source(_with(name)[field]), list), name


@pytest.mark.parametrize("field", _grants(""))
def test_a_grant_names_objects_alone(field: str) -> None:
    """Likewise."""
    assert _is_grant(_grants("a-b")[field])
    for name in PATHS:
        assert not _is_grant(_grants(name)[field]), name


@pytest.mark.parametrize("region", HOSTS)
def test_a_region_is_a_label_of_a_host(region: str) -> None:
    """Of either cloud, and of a key's own."""
    assert isinstance(_source(source_body(region=region)["spec"]), list)
    alibaba = {"regionId": region, "bearer": {"secretRef": {"name": "a"}}}
    assert isinstance(_source({"alibabaCloud": alibaba}), list)
    assert not _is_grant({"bedrockShortTermKey": {"region": region}})
    assert _is_grant({"bedrockShortTermKey": {"region": "us-gov-west-1"}})
