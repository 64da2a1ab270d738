"""What a grant may not say, refused by the parser as well as by the CRD's rules.

The CRD of an older version may lack a rule; the parser is asked for every object.
"""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.parsing import parse_grant
from tests.unit.api.samples import grant_body

_LONG_TERM = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}
_GATEWAY = {"usagePlan": {"id": "abc123"}}


def _tagged(**tags: str) -> dict[str, Any]:
    return {"bedrockLongTermKey": _LONG_TERM | {"user": {"name": "bedrock-chat", "tags": tags}}}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (_tagged(**{"keywright.dev/grant": "a/b"}), "bedrockLongTermKey.user.tags"),
        (_tagged(**{"KEYWRIGHT.dev/grant": "a/b"}), "bedrockLongTermKey.user.tags"),
        (_tagged(**{"AWS:x": "a"}), "bedrockLongTermKey.user.tags"),
        ({"apiGatewayKey": _GATEWAY | {"tags": {"Keywright.dev/x": "a"}}}, "apiGatewayKey.tags"),
        (
            {"apiGatewayKey": _GATEWAY | {"description": "of keywright.DEV/grant-uid=0f6f"}},
            "apiGatewayKey.description",
        ),
        ({"secret": {"type": "kubernetes.io/service-account-token"}}, "secret.type"),
        ({"secret": {"type": "bootstrap.kubernetes.io/token"}}, "secret.type"),
        ({"secret": {"labels": {"app.kubernetes.io/managed-by": "me"}}}, "secret.labels"),
        ({"secret": {"name": "../../kube-system/secrets/x"}}, "secret.name"),
        ({"secret": {"name": "a" * 254}}, "secret.name"),
        ({"secret": {"mountPath": "/run\ncredential_process = sh"}}, "secret.mountPath"),
        ({"secret": {"data": {"../etc": "x"}}}, "secret.data"),
        ({"secret": {"data": {"a\nb": "x"}}}, "secret.data"),
    ],
)
def test_the_parser_refuses_it(spec: dict[str, Any], field: str) -> None:
    """With the field in the message."""
    other = {} if "secret" in spec else {"bedrockShortTermKey": None}
    found = parse_grant(grant_body(**other, **spec))
    assert isinstance(found, list)
    assert [problem.field for problem in found if problem.field.startswith(f"spec.{field}")]


@pytest.mark.parametrize("text", ["Partner A", "see keywright docs", "dev/grant"])
def test_other_descriptions_are_let_through(text: str) -> None:
    """Only what begins the operator's own marks is reserved."""
    body = grant_body(bedrockShortTermKey=None, apiGatewayKey=_GATEWAY | {"description": text})
    assert not isinstance(parse_grant(body), list)
