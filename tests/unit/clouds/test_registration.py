"""Every identity, kind of key and probe of the contract is implemented, shown and documented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keywright.api.alibaba_source import AlibabaSource
from keywright.api.aws_source import AwsSource
from keywright.api.key_spec import ProbeMode
from keywright.api.keys import KEY_TYPES, KeyKind
from keywright.api.token_exchange_source import TokenExchangeSource
from keywright.clouds.alibaba import provider as alibaba
from keywright.clouds.aws import provider as aws
from keywright.clouds.token_exchange import provider as token_exchange
from keywright.clouds.token_exchange.requests import TITLES
from testbed.documents import documents
from tests.unit.api.samples import ROOT, schema

# The fields of a source next to its identities.
_NO_IDENTITY = {
    *("region", "stsEndpoint", "assumeRoles"),
    *("regionId", "connectTimeout", "readTimeout"),
}


def _fields(plural: str, *path: str) -> dict[str, Any]:
    found = schema(plural)["properties"]["spec"]
    for name in path:
        found = found["properties"][name]
    return dict(found["properties"])


def _specs(kind: str) -> list[dict[str, Any]]:
    return [
        document["spec"]
        for file in sorted((ROOT / "examples").glob("*/*.yaml"))
        for document in documents(file.read_text(encoding="utf-8"))
        if document and document.get("kind") == kind
    ]


def _reported_of(field: str) -> list[Path]:
    return [page for page in (ROOT / "docs").glob("*.md") if field in page.read_text()]


AWS = sorted(_fields("credentialsources", "aws").keys() - _NO_IDENTITY)
ALIBABA = sorted(_fields("credentialsources", "alibabaCloud").keys() - _NO_IDENTITY)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@pytest.mark.parametrize("field", AWS)
def test_an_identity_of_aws_is_whole(field: str) -> None:
    """A field of the schema has its value, its line in the table and its page."""
    assert _snake(field) in AwsSource.__struct_fields__
    assert len(aws.IDENTITIES) == len(AWS)
    assert _reported_of(field)


@pytest.mark.parametrize("field", ALIBABA)
def test_an_identity_of_alibaba_cloud_is_whole(field: str) -> None:
    """So has one of Alibaba Cloud."""
    assert _snake(field) in AlibabaSource.__struct_fields__
    assert len(alibaba.IDENTITIES) == len(ALIBABA)
    assert _reported_of(field)


VENDORS = sorted(
    _fields("credentialsources", "tokenExchange").keys() - {"serviceAccountRef", "tokenExpiration"}
)


@pytest.mark.parametrize("field", VENDORS)
def test_a_vendor_of_a_token_exchange_is_whole(field: str) -> None:
    """So has a vendor."""
    assert field in TokenExchangeSource.identity_fields()
    assert len(TITLES) == len(VENDORS)
    assert _reported_of(field)


@pytest.mark.parametrize("kind", list(KeyKind), ids=str)
def test_a_kind_of_key_is_whole(kind: KeyKind) -> None:
    """It has its schema, its line in a vendor's table, an example that is applied, and a page."""
    assert kind.value in _fields("apikeygrants")
    managed = {*aws.MANAGED_KEYS, *alibaba.MANAGED_KEYS}
    assert kind in {*aws.KEYS, *alibaba.KEYS, *token_exchange.KEYS} | managed
    assert [spec for spec in _specs("ApiKeyGrant") if kind.value in spec]
    assert _reported_of(kind.value)


@pytest.mark.parametrize("mode", [mode for mode in ProbeMode if mode is not ProbeMode.NONE])
def test_a_probe_is_whole(mode: ProbeMode) -> None:
    """It has its line in the table, and a row in the reference."""
    assert (mode in aws.PROBES) is (mode is not ProbeMode.SERVICE)
    assert f"| `{mode}` |" in (ROOT / "docs" / "reference.md").read_text()


@pytest.mark.parametrize("kind", list(KeyKind), ids=str)
def test_a_kind_has_a_probe_of_its_service_if_its_schema_offers_it(kind: KeyKind) -> None:
    """The mode `Service` calls what the line of the kind names."""
    tables = (aws.KEYS, aws.MANAGED_KEYS, alibaba.KEYS, alibaba.MANAGED_KEYS)
    probed = any(kind in table and table[kind].probe is not None for table in tables)
    has_probe = probed or kind in token_exchange.KEYS
    assert has_probe is (ProbeMode.SERVICE in KEY_TYPES[kind].probe_modes)


def test_every_identity_has_an_example_or_a_reason() -> None:
    """Those that the operator must allow first, and keys that one should replace, have a page."""
    shown = {
        field
        for spec in _specs("CredentialSource")
        for cloud in ("aws", "alibabaCloud")
        for field in spec.get(cloud, {})
    }
    reported_alone = {"ambient", "ecsRamRole", "defaultChain", "sts", "rsaKeyPair"}
    assert {*AWS, *ALIBABA} - reported_alone - shown == set()
