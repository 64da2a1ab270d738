"""Which STS endpoints and probe URLs the operator calls, and how far their hosts may lead."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.session import Session as CoreSession

from keywright.clouds.addresses import Reach
from keywright.clouds.endpoints import (
    AllowedUrls,
    Endpoints,
    is_entry,
    is_vendor_host,
    is_vendor_sts,
    plain_url,
)

SERVICES = ("sts", "iam", "apigateway", "bedrock")


def _known_hosts(service: str) -> set[str]:
    """Every host of a service in botocore's endpoint data."""
    core = CoreSession()
    found: set[str] = set()
    data: Any = core.get_component("data_loader").load_data("endpoints")
    for partition in data["partitions"]:
        defaults = partition["defaults"]["hostname"]
        entry = partition["services"].get(service, {})
        for region, state in entry.get("endpoints", {}).items():
            template = state.get("hostname") or defaults
            found.add(
                template.replace("{service}", service)
                .replace("{region}", region)
                .replace("{dnsSuffix}", partition["dnsSuffix"])
            )
            found |= {each["hostname"] for each in state.get("variants", []) if "hostname" in each}
    return {host for host in found if "{" not in host}


@pytest.mark.parametrize("service", SERVICES)
def test_every_host_of_botocores_data_is_the_vendors(service: str) -> None:
    """In all partitions, with FIPS and dual stack: none of them needs a flag."""
    hosts = _known_hosts(service)
    assert len(hosts) > 5
    assert {host for host in hosts if not is_vendor_host(host)} == set()
    if service == "sts":
        assert {host for host in hosts if not is_vendor_sts(host)} == set()


@pytest.mark.parametrize(
    "url",
    [
        "https://sts.us-west-2.amazonaws.com",
        "https://vpce-0a1b-c2d3.sts.us-west-2.vpce.amazonaws.com/",
        "https://vpce-0a1b-c2d3-us-west-2a.sts.cn-north-1.vpce.amazonaws.com.cn",
        "https://sts.us-west-2.api.aws",
        "https://sts-vpc.cn-hangzhou.aliyuncs.com",
        "https://STS.amazonaws.com:443/",
    ],
)
def test_the_vendors_sts_needs_no_flag(url: str) -> None:
    """Also by a private link, which has a private address."""
    assert Endpoints().sts_reach(url) is Reach.VENDOR


@pytest.mark.parametrize(
    "url",
    [
        "https://sts.example.com",
        "https://127.0.0.1",
        "https://kubernetes.default.svc",
        "https://metadata.google.internal",
        # Hosts that anybody can have below the vendors' own suffixes.
        "https://attacker.s3.amazonaws.com",
        "https://x.execute-api.us-west-2.amazonaws.com/sts",
        "https://vpce-1.vpce-svc-2.us-west-2.vpce.amazonaws.com",
        "https://sts.attacker.elb.us-west-2.amazonaws.com",
        "https://attacker.oss-cn-hangzhou.aliyuncs.com",
        "https://sts.aliyuncs.com.example.com",
        # Buckets that are called like the service.
        *("https://sts.s3.amazonaws.com", "https://sts-fips.s3.amazonaws.com"),
        *("https://sts.s3-accelerate.amazonaws.com", "https://sts.s3-us-west-2.amazonaws.com"),
        *("https://sts.s3-website-us-west-2.amazonaws.com", "https://sts.elb.amazonaws.com"),
        *(
            "https://sts.oss-cn-hangzhou.aliyuncs.com",
            "https://sts-vpc.oss-cn-hangzhou.aliyuncs.com",
        ),
        *("https://sts.oss-accelerate.aliyuncs.com", "https://sts.oss-eu-central-1.aliyuncs.com"),
        *("https://sts.oss.aliyuncs.com", "https://sts.s3.oss-cn-hangzhou.aliyuncs.com"),
        "https://sts.amazonaws.com.",
        "https://sts.amazonaws.com:8443",
        "https://sts.amazonaws.com@example.com",
        "https://example.com\\@sts.amazonaws.com",
        "http://sts.amazonaws.com",
        "https://sts.amazonaws.com#@example.com",
        "https://st\u017f.amazonaws.com",
        "https://",
        "",
    ],
)
def test_any_other_sts_is_for_the_operator_to_list(url: str) -> None:
    """None: nothing is sent there."""
    assert Endpoints().sts_reach(url) is None


@pytest.mark.parametrize("service", ["iam", "apigateway", "bedrock", "bedrock-runtime"])
def test_a_bucket_with_the_name_of_a_service_is_not_the_vendors(service: str) -> None:
    """A probe of it is one of a tenant's choice."""
    for label in ("s3", "s3-accelerate", "s3-us-west-2", "s3-website-us-west-2", "elb"):
        assert not is_vendor_host(f"{service}.{label}.amazonaws.com")
        assert not is_vendor_host(f"x.execute-api.{label}.amazonaws.com")


@pytest.mark.parametrize(
    "region",
    [
        *("cn-hangzhou", "cn-beijing-finance-1", "cn-wulanchabu", "cn-hangzhou-test-306"),
        *("ap-southeast-1", "us-east-1", "eu-central-1", "me-east-1", "cn-shanghai-finance-1"),
    ],
)
def test_each_region_of_alibaba_cloud_is_a_region(region: str) -> None:
    """Also with the private link of a VPC."""
    assert is_vendor_sts(f"sts.{region}.aliyuncs.com")
    assert is_vendor_sts(f"sts-vpc.{region}.aliyuncs.com")


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("sts.example.com", "https://sts.example.com", True),
        ("sts.example.com", "https://sts.example.com/any/path", True),
        ("sts.example.com", "https://sts.example.com:8443", False),
        ("sts.example.com", "http://sts.example.com", False),
        ("sts.example.com", "https://other.example.com", False),
        ("sts.example.com", "https://sts.example.com.example.org", False),
        ("127.0.0.1:8443", "https://127.0.0.1:8443/", True),
        ("127.0.0.1:8443", "https://127.0.0.1:8444/", False),
        ("https://sts.example.com/team/", "https://sts.example.com/team/a", True),
        ("https://sts.example.com/team/", "https://sts.example.com/teams", False),
        ("https://sts.example.com/team/", "https://sts.example.com/team/..%2fother", False),
        ("https://sts.example.com/team", "https://sts.example.com/team", True),
        ("https://sts.example.com/team", "https://sts.example.com/team/a", False),
    ],
)
def test_the_list_has_hosts_and_prefixes(entry: str, url: str, *, allowed: bool) -> None:
    """A host is HTTPS on its port; a URL that ends with a slash is a prefix."""
    assert (Endpoints(sts=AllowedUrls((entry,))).sts_reach(url) is Reach.LISTED) is allowed


def test_probes_of_a_tenants_host_reach_public_addresses_only() -> None:
    """The clouds' own hosts and those of the list may have private ones."""
    endpoints = Endpoints(probes=AllowedUrls(("api.example.com",)))
    of = endpoints.probe_reach
    assert of("https://abc.execute-api.us-west-2.amazonaws.com/prod") is Reach.VENDOR
    assert of("https://vpce-1.execute-api.us-west-2.vpce.amazonaws.com/prod") is Reach.VENDOR
    assert of("https://bedrock.us-west-2.amazonaws.com/foundation-models") is Reach.VENDOR
    assert of("https://api.example.com/health") is Reach.LISTED
    assert of("https://internal.elb.us-west-2.amazonaws.com/") is Reach.PUBLIC
    assert of("https://kubernetes.default.svc/") is Reach.PUBLIC


ROOT = "https://credentials.example.com/team/"
ODD = [
    *("../other", "a/../../other", "..%2fother", "..%2Fother", "%2e%2e/other", "%2e%2e%2fother"),
    *("..;/other", "..;x=1/other", "a/..;/..;/other", ";/../other", "..%3b/other", "..%00/other"),
    *("%252e%252e/other", "%252e%252e%252fother", "..%252fother", "..%c0%afother", "..%5cother"),
    *("..\\other", "%5c..%5cother", "..%u2215other", "%2e", "a%0d%0ab", "a b", "a\tb", "a\u2025b"),
    *("..%ef%bc%8fother", "a%2fb", "a%3fb", "a%23b", "%", "%2", "%zz", "a?x=\\y", "a?x=%"),
]


@pytest.mark.parametrize("path", ODD)
def test_what_has_several_readings_is_not_compared(path: str) -> None:
    """Encoded separators and dots, once or twice; `;`, backslashes, control and other signs."""
    assert plain_url(ROOT + path) is None
    assert not AllowedUrls((ROOT,)).allow(ROOT + path)
    assert not is_entry(ROOT + path)


@pytest.mark.parametrize("path", ["a", "a/b?x=1&y=%2F", "a%20b".replace("%20", "%41"), "~a.b-c_d"])
def test_plain_paths_are(path: str) -> None:
    """Also with an escape that stands for a letter."""
    assert AllowedUrls((ROOT,)).allow(ROOT + path)
