"""GetScopedCredentials: the same identity, with less, and never for longer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.testbed.world import BEDROCK_POLICY, Temporary, Tenant, allow, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIST = allow("bedrock:ListFoundationModels")
_INVOKE = allow("bedrock:InvokeModel")
_SCOPING = allow("sts:GetScopedCredentials")


@pytest.fixture
def caller(tenant: Tenant) -> Temporary:
    """A session of a role that may limit itself."""
    tenant.cloud.put_role_policy(role=tenant.role_name, name="scoping", document=_SCOPING)
    return tenant.session()


def _scoped(tenant: Tenant, caller: Temporary, **request: Any) -> dict[str, Any]:
    client = tenant.client("sts", credentials=caller, host=f"sts.{tenant.region}.amazonaws.com")
    answer: dict[str, Any] = client.get_scoped_credentials(**request)
    return answer


def _document(*policies: Mapping[str, Any]) -> str:
    statements = [statement for policy in policies for statement in policy["Statement"]]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _may_list(tenant: Tenant, credentials: Temporary) -> bool:
    try:
        tenant.client("bedrock", credentials=credentials).list_foundation_models()
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


def test_it_is_the_same_session_with_less(tenant: Tenant, caller: Temporary) -> None:
    """Identity and expiry stay; a policy takes away what it does not allow, and adds nothing."""
    answer = _scoped(tenant, caller, Policy=_document(_INVOKE), ScopedSessionDescription="chat.a")
    scoped = Temporary.of(answer)
    assert scoped.expires_at == caller.expires_at
    assert answer["ScopedPoliciesCount"] == 1
    reported = tenant.client("sts", credentials=scoped).get_caller_identity()
    assert reported["Arn"] == answer["SessionInfo"]["Arn"]
    assert (_may_list(tenant, caller), _may_list(tenant, scoped)) == (True, False)
    more = Temporary.of(_scoped(tenant, caller, Policy=_document(allow("*"))))
    assert refusal(tenant.client("iam", credentials=more).list_users)[1] == "AccessDenied"


def test_each_policy_must_allow_the_call(tenant: Tenant) -> None:
    """Beside the session policy of the role's session, which is a set of its own."""
    tenant.cloud.put_role_policy(role=tenant.role_name, name="scoping", document=_SCOPING)
    narrow = tenant.session(Policy=_document(_LIST, _SCOPING))
    first = Temporary.of(_scoped(tenant, narrow, Policy=_document(_LIST, _INVOKE, _SCOPING)))
    second = Temporary.of(_scoped(tenant, first, Policy=_document(_INVOKE, _SCOPING)))
    assert (_may_list(tenant, first), _may_list(tenant, second)) == (True, False)


def test_it_ends_with_the_session_at_the_latest(tenant: Tenant, caller: Temporary) -> None:
    """A shorter duration is kept to; a longer one is refused."""
    short = Temporary.of(_scoped(tenant, caller, DurationSeconds=60))
    assert short.expires_at < caller.expires_at
    too_long = refusal(lambda: _scoped(tenant, caller, DurationSeconds=7200))
    assert too_long[:2] == (400, "InsufficientSessionLifetime")
    tenant.cloud.set_clock(offset_seconds=62)
    assert refusal(tenant.client("sts", credentials=short).get_caller_identity)[1] == "ExpiredToken"
    tenant.client("sts", credentials=caller).get_caller_identity()


def test_the_fourth_policy_is_refused(tenant: Tenant, caller: Temporary) -> None:
    """A session has three at most; a duration alone adds none."""
    session, policy = caller, _document(allow("*"))
    for number in (1, 2, 3):
        answer = _scoped(tenant, session, Policy=policy)
        assert answer["ScopedPoliciesCount"] == number
        session = Temporary.of(answer)
    assert refusal(lambda: _scoped(tenant, session, Policy=policy))[:2] == (403, "AccessDenied")
    assert _scoped(tenant, session, DurationSeconds=60)["ScopedPoliciesCount"] == 3


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({}, (400, "ValidationError")),
        ({"Policy": "{"}, (400, "MalformedPolicyDocument")),
        ({"Policy": "x" * 2049}, (400, "ValidationError")),
        ({"DurationSeconds": 0}, (400, "ValidationError")),
        ({"DurationSeconds": 129_601}, (400, "ValidationError")),
        ({"DurationSeconds": 60, "ScopedSessionDescription": "x" * 257}, (400, "ValidationError")),
    ],
)
def test_a_wrong_parameter_is_refused(
    tenant: Tenant, caller: Temporary, request_: dict[str, Any], expected: tuple[int, str]
) -> None:
    """In the bounds of the service's model."""
    assert refusal(lambda: _scoped(tenant, caller, **request_))[:2] == expected


def test_only_a_session_that_may_is_limited(tenant: Tenant) -> None:
    """A user has no session; and the role must allow the action."""
    user = tenant.user(allow("*"))
    assert refusal(lambda: _scoped(tenant, user, DurationSeconds=60))[1] == (
        "InvalidSubjectCredentials"
    )
    session = tenant.session()
    assert refusal(lambda: _scoped(tenant, session, DurationSeconds=60))[1] == "AccessDenied"
    assert "sts:" not in str(BEDROCK_POLICY)


def test_the_global_endpoint_does_not_have_it(tenant: Tenant, caller: Temporary) -> None:
    """Regional endpoints alone."""
    client = tenant.client("sts", credentials=caller, host="sts.amazonaws.com")
    found = refusal(lambda: client.get_scoped_credentials(DurationSeconds=60))
    assert found[:2] == (400, "InvalidAction")
