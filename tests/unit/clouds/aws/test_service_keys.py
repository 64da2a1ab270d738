"""Long-term keys of AWS services: whose a value is, and what is revoked if a spec has changed."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from keywright.api.aws_long_term_key import KEY_SERVICES, AwsLongTermKey, AwsService
from keywright.api.bedrock_keys import BEDROCK
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.sensitive import Sensitive
from keywright.api.user_key import KeyService
from keywright.clouds.aws.iam.ownership import UserOwnership
from keywright.clouds.interfaces import Evidence
from keywright.planning.key_ownership import key_spec
from tests.unit.api.samples import grant

_ALIAS = "chat-at-123456789012"
_ITEM = {"ServiceCredentialAlias": _ALIAS}
_ROTATED = {"user": {"name": "chat"}, "rotateEvery": "7d"}


def _value(prefix: str, *, alias: str = _ALIAS, frame: bytes = b"") -> Sensitive:
    return Sensitive(prefix + base64.b64encode(frame + f"{alias}:c2VjcmV0".encode()).decode())


def _is_recognized(service: KeyService, value: Sensitive) -> bool:
    made = grant(bedrockShortTermKey=None, awsLongTermKey={"service": "XRay", **_ROTATED})
    owner = UserOwnership(made, "123456789012", Evidence(value=value), service)
    return owner.has_value(_ITEM)


@pytest.mark.parametrize("service", [BEDROCK, *KEY_SERVICES.values()], ids=lambda each: each.word)
def test_a_value_is_recognized_only_as_it_is_documented(service: KeyService) -> None:
    """With a header before the alias, or with another alias at its end, it proves nothing."""
    assert _is_recognized(service, _value(service.prefix))
    for frame in (b"\x00\x41\x00", b"\x01", b"A"):
        assert not _is_recognized(service, _value(service.prefix, frame=frame))
    assert not _is_recognized(service, _value(service.prefix, alias=f"other{_ALIAS}"))
    for other in ("ABSK", "ACWL", "APIAACWM", "AEAA", "AXRT"):
        if other != service.prefix:
            assert not _is_recognized(service, _value(other))


@pytest.mark.parametrize(
    "left",
    [
        {},
        {"service": "CloudWatchLogs"},
        {"service": "ClaudePlatform"},
        {"service": "Bedrock", "user": "not an object"},
        {"service": ["XRay"]},
    ],
)
def test_a_key_is_revoked_whatever_is_left_of_its_spec(left: dict[str, Any]) -> None:
    """By its ID: the service that a spec of the kind needs is taken from it, if it names one."""
    ids = iter(["123456789012/chat/ACCAEXAMPLE"])
    found = key_spec(KeyKind.AWS_LONG_TERM_KEY, ids, {"awsLongTermKey": left})
    assert found is not None
    made = grant(bedrockShortTermKey=None, awsLongTermKey=found)
    assert isinstance(made, ApiKeyGrant)
    assert isinstance(made.key, AwsLongTermKey)
    assert made.key.user.name == "chat"


@pytest.mark.parametrize("service", AwsService)
def test_the_register_of_orphans_keeps_a_valid_spec(service: AwsService) -> None:
    """Of each service, with what it requires."""
    fields = {"workspaceId": "wrkspc_1"} if service is AwsService.CLAUDE_PLATFORM else {}
    key: dict[str, Any] = {"service": service.value, **fields, **_ROTATED}
    made = grant(bedrockShortTermKey=None, awsLongTermKey=key)
    again = grant(bedrockShortTermKey=None, awsLongTermKey=dict(made.key.revocation_spec))
    assert isinstance(again.key, AwsLongTermKey)
    assert (again.key.service, again.key.user.name) == (service, "chat")
