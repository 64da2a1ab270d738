"""The table of the ways to be someone in Alibaba Cloud, walked."""

from __future__ import annotations

import typing

import pytest
import yaml

from keywright.api.alibaba_source import AlibabaIdentity, AlibabaSource
from keywright.api.errors import Failure
from keywright.clouds.alibaba.provider import IDENTITIES, KEYS, MANAGED_KEYS, Alibaba
from tests.cluster.alibaba_ways import WAYS
from tests.unit.api.samples import ROOT, contract, grant, parsed_source
from tests.unit.clouds.alibaba.contexts import Scripted, alibaba

_ROTATED = {"rotateEvery": "7d"}
_NAMES = {
    "accessKey": "access-key",
    "sts": "sts",
    "ramRoleArn": "ram-role",
    "ecsRamRole": "node",
    "oidcRoleArn": "oidc",
    "credentialsUri": "uri",
    "rsaKeyPair": "rsa",
    "profile": "profile-ak",
    "defaultChain": "default-chain",
}


def test_every_identity_has_code() -> None:
    """Whatever the contract lets in is in the vendor's table, and nothing else is."""
    assert set(IDENTITIES) == set(typing.get_args(AlibabaIdentity))
    issued = {"sessionCredentials", "bearerToken", "modelStudioTemporaryKey"}
    assert {kind.value for kind in KEYS} == issued
    assert {kind.value for kind in MANAGED_KEYS} == {"modelStudioKey"}


async def test_a_key_of_another_cloud_is_not_looked_for() -> None:
    """A grant whose source has changed its cloud reports it, and can still be deleted."""
    made = grant(bedrockShortTermKey=None, bedrockLongTermKey={"user": {"name": "a"}, **_ROTATED})
    source = alibaba(accessKey={"secretRef": {"name": "key"}})
    with pytest.raises(Failure, match="no longer suits bedrockLongTermKey") as caught:
        await Alibaba(Scripted().context).keys(made, source=source)
    assert caught.value.field == "spec.sourceRef.name"
    assert caught.value.remedy.endswith("one with aws again.")


@pytest.mark.parametrize("field", [*_NAMES, "bearer"])
def test_every_identity_is_shown(field: str) -> None:
    """In the contract's samples, on the page of parameters, and on a real API server."""
    assert field in AlibabaSource.__struct_encode_fields__
    samples = [body["spec"].get("alibabaCloud", {}) for body in contract()]
    assert any(field in sample for sample in samples)
    assert f"`{field}`" in (ROOT / "docs" / "alibaba-parameters.md").read_text()
    if field != "bearer":  # without an identity: it has a test of its own
        assert _NAMES[field] in WAYS


def test_the_examples_show_every_identity() -> None:
    """Each is parsed as the operator does it."""
    shown = set()
    for file in (ROOT / "examples").glob("*/credentialsource*.yaml"):
        for body in yaml.safe_load_all(file.read_text()):
            if "alibabaCloud" in body["spec"]:
                body["metadata"] |= {"uid": "u", "generation": 1}
                shown.add(type(parsed_source(body).identity).__name__)
    assert shown == {identity.__name__ for identity in typing.get_args(AlibabaIdentity)}
