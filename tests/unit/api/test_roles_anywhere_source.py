"""A source with `rolesAnywhere`: what an API server without our CRDs would let through."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.aws_source import RolesAnywhere
from keywright.api.errors import FieldError
from keywright.api.grant_checks import validate_with_source
from keywright.api.parsing import parse_source
from keywright.api.source import CredentialSource
from tests.unit.api.samples import grant, source, source_body
from tests.unit.clouds.aws.anywhere import ACCOUNT, IDENTITY

_POLICY = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_FIELD = "spec.aws.rolesAnywhere"


def _errors(**changes: Any) -> list[FieldError]:
    aws = {name: changes.pop(name) for name in ("assumeRoles",) if name in changes}
    body = source_body(webIdentity=None, rolesAnywhere=IDENTITY | changes, **aws)
    found = parse_source(body)
    return found if isinstance(found, list) else []


def test_a_source_is_identified_by_its_role_and_profile() -> None:
    """A renewed certificate, another trust anchor or Secret issues no key again."""
    one = source(webIdentity=None, rolesAnywhere=IDENTITY)
    identity = one.identity
    assert isinstance(identity, RolesAnywhere)
    assert identity.region == "eu-central-1"
    assert one.secret_keys == {"client": frozenset({"tls.crt", "tls.key"})}
    assert not one.uses_as_access_key("client")
    changed = IDENTITY | {"secretRef": {"name": "other"}, "sessionDuration": "2h"}
    other = source(webIdentity=None, rolesAnywhere=changed)
    assert other.key_identity() == one.key_identity()
    profile = {"profileArn": IDENTITY["profileArn"].replace("cdef-", "0000-")}
    limited = source(webIdentity=None, rolesAnywhere=IDENTITY | profile)
    assert limited.key_identity() != one.key_identity()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"trustAnchorArn": "arn:aws:rolesanywhere:a.b/:1:trust-anchor/x"}, "trustAnchorArn"),
        ({"trustAnchorArn": IDENTITY["trustAnchorArn"] + "\n"}, "trustAnchorArn"),
        ({"trustAnchorArn": IDENTITY["profileArn"]}, "trustAnchorArn"),
        ({"profileArn": IDENTITY["trustAnchorArn"]}, "profileArn"),
        ({"profileArn": IDENTITY["profileArn"].replace("eu-central-1", "us-east-1")}, "profileArn"),
        ({"profileArn": IDENTITY["profileArn"].replace(ACCOUNT, "210987654321")}, "profileArn"),
        ({"roleArn": "arn:aws:iam::210987654321:role/chat"}, "roleArn"),
        ({"roleArn": f"arn:aws-cn:iam::{ACCOUNT}:role/chat"}, "roleArn"),
        ({"sessionDuration": "13h"}, "sessionDuration"),
        ({"sessionDuration": "1m"}, "sessionDuration"),
    ],
)
def test_a_mistake_names_its_field(changes: dict[str, Any], field: str) -> None:
    """The region becomes part of a host name."""
    assert [error.field for error in _errors(**changes)] == [f"{_FIELD}.{field}"]


def test_no_role_of_the_chain_changes_the_source_identity() -> None:
    """AWS would refuse it at run time."""
    hop = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/b"}
    assert _errors(assumeRoles=[hop]) == []
    (error,) = _errors(assumeRoles=[hop | {"sourceIdentity": "me"}])
    assert error.field == "spec.aws.assumeRoles"
    assert "remove sourceIdentity" in str(error)


def _problems(made: CredentialSource, **key: Any) -> list[str]:
    spec = {"bedrockShortTermKey": None, "sessionCredentials": key}
    return [str(error) for error in validate_with_source(grant(**spec), source=made)]


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ({}, True),
        ({"duration": "2h"}, True),
        ({"policy": _POLICY}, False),
        ({"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}, False),
        ({"policy": _POLICY, "scopedSession": True}, True),
    ],
)
def test_a_grant_asks_for_what_the_session_can_have(key: dict[str, Any], *, fits: bool) -> None:
    """A duration, and no session policy, unless the session is scoped or a role follows."""
    found = _problems(source(webIdentity=None, rolesAnywhere=IDENTITY), **key)
    assert (found == []) is fits
    if not fits:
        (text,) = found
        assert "aws.rolesAnywhere" in text
        assert "set scopedSession, or set assumeRoles" in text
    hop = {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/b"}
    chain = source(webIdentity=None, rolesAnywhere=IDENTITY, assumeRoles=[hop])
    assert _problems(chain, **key) == []
