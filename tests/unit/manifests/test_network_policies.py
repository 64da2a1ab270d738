"""The example for Cilium: the hosts that the operator calls, and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from keywright.api.claude_platform_key import claude_platform_url
from keywright.api.model_studio_keys import SHARED_HOSTS
from keywright.api.partitions import service_host
from keywright.clouds.aws.client_cache import SERVICES
from keywright.clouds.token_exchange.requests import ENDPOINTS
from tests.cluster.commands import kustomized
from tests.unit.api.samples import ROOT

_FOLDER = ROOT / "examples" / "network-policies" / "cilium"
_REGION = "eu-central-1"


def _policy() -> Any:
    return yaml.safe_load((_FOLDER / "ciliumnetworkpolicy.yaml").read_text())["spec"]


def _allows(host: str) -> bool:
    """As Cilium matches: a star is any characters of one label."""
    (names,) = (rule["toFQDNs"] for rule in _policy()["egress"] if "toFQDNs" in rule)
    patterns = [each.get("matchName") or each["matchPattern"] for each in names]
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", "[a-z0-9-]*"), host) for pattern in patterns
    )


# The endpoint prefix in botocore's model, where it is not the name of the service.
_PREFIXES = {"ecr": "api.ecr"}


@pytest.mark.parametrize("service", [*SERVICES, "bedrock", "bedrock-runtime", "logs", "xray"])
def test_the_hosts_of_aws_are_allowed(service: str) -> None:
    """Regional ones, and those without a region."""
    prefix = _PREFIXES.get(service, service)
    assert _allows(service_host(prefix, region=_REGION)) or _allows(f"{prefix}.amazonaws.com")


@pytest.mark.parametrize(
    "host",
    [
        "sts.amazonaws.com",
        "iam.amazonaws.com",
        "vpce-0123-abcd.sts.eu-central-1.vpce.amazonaws.com",
        "abc123.execute-api.eu-central-1.amazonaws.com",
        claude_platform_url(_REGION).removeprefix("https://"),
        "tools-111122223333.d.codeartifact.eu-central-1.amazonaws.com",
        "111122223333.dkr.ecr.eu-central-1.amazonaws.com",
        "monitoring.eu-central-1.amazonaws.com",
        "modelstudio.cn-beijing.aliyuncs.com",
        *SHARED_HOSTS.values(),
        "llm-1.eu-central-1.maas.aliyuncs.com",
        *(url.split("/")[2] for url in ENDPOINTS.values()),
        "sts.aliyuncs.com",
        "sts.cn-hangzhou.aliyuncs.com",
        "sts-vpc.ap-southeast-1.aliyuncs.com",
    ],
)
def test_other_hosts_of_the_clouds_are_allowed(host: str) -> None:
    """Global, private and regional endpoints."""
    assert _allows(host)


@pytest.mark.parametrize(
    "host", ["example.com", "tenant.s3.amazonaws.com", "iam.amazonaws.com.example.com"]
)
def test_no_other_host_is_allowed(host: str) -> None:
    """Neither the internet, nor the storage of the same cloud."""
    assert not _allows(host)


def test_it_takes_the_place_of_the_shipped_policy() -> None:
    """Policies are additive, and the shipped one allows port 443 of any address."""
    kinds = [each["kind"] for each in kustomized(_FOLDER)]
    assert kinds.count("CiliumNetworkPolicy") == 1
    assert "NetworkPolicy" not in kinds
    ports = [port for rule in _policy()["egress"] for port in rule.get("toPorts", [])]
    assert {port["port"] for each in ports for port in each["ports"]} == {"53", "443"}
