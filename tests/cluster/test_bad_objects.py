"""One object that cannot be decoded affects only itself: not the operator, not its neighbours.

An API server takes a policy document of thousands of levels, which no decoder in Python follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from keywright.cluster.decoding import without_depths
from testbed.operators import OperatorProcess
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Document, Tenant, condition, merged

_LEVELS = 3000
_DEEP = '{"a":' * _LEVELS + "1" + "}" * _LEVELS
_HERE = "the deep document"
_SAYS = "is nested more than 20 levels deep"

_SESSION: Document = {"bedrockShortTermKey": None, "secret": None}
_LONG_TERM = {"user": {"name": "deep"}, "rotateEvery": "7d", "inlinePolicies": {"deep": _HERE}}


def _grant(tenant: Tenant, **spec: Any) -> Document:
    return tenant.grant_body(name="deep", **_SESSION, **spec)


def _source(tenant: Tenant, aws: Document) -> Document:
    return merged(tenant.source_body(name="deep"), {"spec": {"aws": aws}})


_BODIES: dict[str, Callable[[Tenant], Document]] = {
    "spec.sessionCredentials.policy": lambda tenant: _grant(
        tenant, sessionCredentials={"policy": _HERE}
    ),
    "spec.bedrockLongTermKey.inlinePolicies[deep]": lambda tenant: _grant(
        tenant, bedrockLongTermKey=_LONG_TERM
    ),
    "spec.aws.webIdentity.policy": lambda tenant: _source(
        tenant, {"webIdentity": {"policy": _HERE}}
    ),
    "spec.aws.assumeRoles[0].policy": lambda tenant: _source(
        tenant, {"assumeRoles": [{"roleArn": tenant.role_arn, "policy": _HERE}]}
    ),
}


def _apply(tenant: Tenant, body: Document) -> str:
    """Create it as text, since no encoder here would follow either; returns its path."""
    api = tenant.world.api
    path = api.path_of(body)
    text = json.dumps(body).replace(json.dumps(_HERE), _DEEP)
    try:
        api.request("POST", path.rpartition("/")[0], body=text, content_type="application/yaml")
    except RecursionError:
        # Of the answer: it has been created.
        assert _read(tenant, path)["metadata"]["uid"]
    return path


def _read(tenant: Tenant, path: str) -> Document:
    found: Document = json.loads(without_depths(tenant.world.api.text(path).encode()))
    return found


def _says(tenant: Tenant, path: str) -> str:
    message: str = condition(_read(tenant, path).get("status", {}), "Ready").get("message", "")
    return message


@pytest.mark.parametrize("field", _BODIES)
def test_a_document_of_thousands_of_levels_is_a_condition(
    tenant: Tenant, new_tenant: Callable[[], Tenant], operator: OperatorProcess, field: str
) -> None:
    """Found by the watch and by the lists after a restart; others are served; an edit fixes it."""
    path = _apply(tenant, _BODIES[field](tenant))
    eventually(lambda: f"{field}: {_SAYS}" in _says(tenant, path))
    honest = new_tenant()
    honest.become_ready()
    operator.kill()
    operator.start()
    honest.annotate_grant(**{"keywright.dev/renew-requested-at": "2099-01-01T00:00:00Z"})
    honest.revision(2)
    late = new_tenant()
    late.become_ready()
    assert _SAYS in _says(tenant, path)
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement], "a": None}
    text = json.dumps(_BODIES[field](tenant)).replace(json.dumps(_HERE), json.dumps(policy))
    tenant.patch(path, {"spec": json.loads(text)["spec"]})
    eventually(lambda: _SAYS not in _says(tenant, path))
