"""What STS is asked for by a hop of a chain."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from keywright.api.errors import Failure
from keywright.clouds.aws.identities.assume_role import assume_chained_role
from keywright.clouds.interfaces import DEFAULT_OPTIONS, Session, SessionOptions
from tests.unit.api.samples import source
from tests.unit.clouds.aws.contexts import ScriptedSts, bare, context
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.provider import session

ROLE = "arn:aws:iam::210987654321:role/far"
POLICY = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
OTHER = {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
A_SESSION = session(issued_at=NOON)
ALWAYS = {"RoleArn": ROLE, "RoleSessionName": "chat.bedrock"}


async def _requested(
    hop: dict[str, Any], *, by: Session = A_SESSION, ask: SessionOptions = DEFAULT_OPTIONS
) -> dict[str, Any]:
    """The parameters of the call."""
    sts = ScriptedSts()
    made = source(assumeRoles=[{"roleArn": ROLE, **hop}])
    await assume_chained_role(
        0, by=by, source=made, ask=ask, context=context(sts, partner={"id": "from-it\n"})
    )
    ((action, request, signed_by),) = sts.requested
    assert (action, signed_by) == ("assume_role", by.access_key_id)
    assert request.items() >= ALWAYS.items()
    return {name: value for name, value in request.items() if name not in ALWAYS}


@pytest.mark.parametrize(
    ("hop", "expected"),
    [
        ({}, {}),
        ({"externalId": "x1"}, {"ExternalId": "x1"}),
        (
            {"externalIdFrom": {"secretKeyRef": {"name": "partner", "key": "id"}}},
            {"ExternalId": "from-it"},
        ),
        (
            {"sessionTags": {"b": "2", "a": "1"}},
            {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]},
        ),
        (
            {"sessionTags": {"a": "1"}, "transitiveTagKeys": ["a"]},
            {"Tags": [{"Key": "a", "Value": "1"}], "TransitiveTagKeys": ["a"]},
        ),
        ({"sourceIdentity": "me"}, {"SourceIdentity": "me"}),
        ({"policyArns": ["arn:p"]}, {"PolicyArns": [{"arn": "arn:p"}]}),
    ],
)
async def test_a_hop_asks_for_what_it_says(hop: dict[str, Any], expected: dict[str, Any]) -> None:
    """And for nothing else; one hour by default."""
    assert await _requested(hop) == {"DurationSeconds": 3600, **expected}


@pytest.mark.parametrize(
    ("chained", "duration", "ask", "expected"),
    [
        (True, "1h", None, 3600),
        (True, "15m", None, 900),
        (True, None, 4 * 3600, 3600),
        (True, "1h", 1800, 1800),
        (False, "12h", None, 12 * 3600),
        (False, None, None, 3600),
        (False, "1h", 4 * 3600, 4 * 3600),
    ],
)
async def test_a_session_is_never_asked_for_more_than_an_hour(
    *, chained: bool, duration: str | None, ask: int | None, expected: int
) -> None:
    """By a session: AWS would refuse it. A long-term key is no chain, and may have twelve."""
    made = source(
        webIdentity=None,
        accessKey={"secretRef": {"name": "key"}},
        assumeRoles=[{"roleArn": ROLE} | ({"sessionDuration": duration} if duration else {})],
    )
    sts, by = ScriptedSts(), bare(token="planted" if chained else None)
    found = await assume_chained_role(
        0, by=by, source=made, ask=SessionOptions(seconds=ask), context=context(sts)
    )
    assert sts.requested[0][1]["DurationSeconds"] == expected
    assert found.chained is chained


@pytest.mark.parametrize(
    ("hop", "ask", "expected"),
    [
        ({}, SessionOptions(policy=POLICY, policy_arns=("arn:p",)), {"Policy", "PolicyArns"}),
        ({"policy": POLICY}, DEFAULT_OPTIONS, {"Policy"}),
        ({"policy": POLICY, "policyArns": ["arn:p"]}, DEFAULT_OPTIONS, {"Policy", "PolicyArns"}),
        ({}, DEFAULT_OPTIONS, set()),
    ],
)
async def test_session_policies_are_the_hops_or_the_grants(
    hop: dict[str, Any], ask: SessionOptions, expected: set[str]
) -> None:
    """One set or the other."""
    assert {"Policy", "PolicyArns"} & (await _requested(hop, ask=ask)).keys() == expected


@pytest.mark.parametrize("hop", [{"policy": POLICY}, {"policyArns": ["arn:p"]}])
@pytest.mark.parametrize(
    "ask", [SessionOptions(policy=OTHER), SessionOptions(policy_arns=("arn:o",))]
)
async def test_policies_of_both_are_never_sent(hop: dict[str, Any], ask: SessionOptions) -> None:
    """AWS would allow what either allows: such a pair is refused before, and stops here."""
    with pytest.raises(AssertionError, match="both"):
        await _requested(hop, ask=ask)


@pytest.mark.parametrize(
    ("code", "message", "field", "says"),
    [
        ("AccessDenied", "not authorized", ".roleArn", ["sts:AssumeRole", "role/bedrock-invoker"]),
        ("ValidationError", "DurationSeconds exceeds", ".sessionDuration", ["maximum"]),
        ("MalformedPolicyDocument", "Syntax errors", ".policy", ["session policy"]),
    ],
)
async def test_a_refused_hop_is_named(code: str, message: str, field: str, says: list[str]) -> None:
    """By its place in the chain."""
    sts = ScriptedSts()
    sts.failure = ClientError({"Error": {"Code": code, "Message": message}}, "AssumeRole")
    made = source(assumeRoles=[{"roleArn": ROLE, "externalId": "x1"}])
    with pytest.raises(Failure) as caught:
        await assume_chained_role(
            0, by=A_SESSION, source=made, ask=DEFAULT_OPTIONS, context=context(sts)
        )
    assert caught.value.field == f"CredentialSource spec.aws.assumeRoles[0]{field}"
    assert [words for words in says if words not in caught.value.message_with_remedy()] == []
    assert caught.value.__cause__ is None
