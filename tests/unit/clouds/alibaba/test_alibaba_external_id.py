"""The message of a refusal for a role whose external ID is in a Secret."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from keywright.api.errors import Failure
from keywright.api.parsing import parse_source
from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.identities.profile import open_session
from keywright.clouds.alibaba.sts.client import StsError
from keywright.clouds.interfaces import DEFAULT_OPTIONS
from keywright.secrets.references import ReferencedSecret
from tests.unit.fakes.clock import FakeClock

_PLANTED = "planted-external-id"
_FILE = {
    "current": "a",
    "profiles": [
        {
            "name": "a",
            "mode": "RamRoleArn",
            "access_key_id": "LTAIabcdefgh1234",
            "access_key_secret": "x" * 30,
            "ram_role_arn": "acs:ram::1234567890123456:role/a",
            "external_id": _PLANTED,
        }
    ],
}


class _Secrets:
    """A Secret whose owner agreed that the value is sent to the cloud; not that it is shown."""

    async def values(self, **_: object) -> ReferencedSecret:
        return ReferencedSecret({"config.json": Sensitive(json.dumps(_FILE))})


class _Sts:
    async def assume_role(self, *_: object, **__: object) -> None:
        raise StsError("NoPermission", "You are not authorized to do this action")

    async def caller(self, *_: object, **__: object) -> tuple[str, str]:
        return "acs:ram::1234567890123456:user/x", "1234567890123456"


async def test_an_external_id_of_a_profile_is_not_quoted() -> None:
    """The advice for the trust policy has a placeholder in its place."""
    source = parse_source(
        {
            "metadata": {"name": "s", "namespace": "n", "uid": "u", "generation": 1},
            "spec": {
                "alibabaCloud": {
                    "regionId": "cn-hangzhou",
                    "profile": {"secretRef": {"name": "p"}, "format": "CliConfig"},
                }
            },
        }
    )
    assert not isinstance(source, list)
    context: Any = SimpleNamespace(secrets=_Secrets(), sts=_Sts(), clock=FakeClock(), own=None)
    alibaba: Any = source.spec.alibaba_cloud
    with pytest.raises(Failure) as refused:
        await open_session(alibaba.profile, source=source, ask=DEFAULT_OPTIONS, context=context)
    assert _PLANTED not in refused.value.message_with_remedy()
    assert "external id of the profile" in refused.value.message_with_remedy()
