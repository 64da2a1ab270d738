"""The parameters of a session request that all AssumeRole actions of STS share.

Bounds and patterns are those of botocore's model of STS. [K]
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.clouds.aws import query, refusals
from testbed.clouds.conditions import MalformedPolicyError
from testbed.clouds.policies import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.aws.accounts import Accounts

_SHORTEST_SECONDS, _LONGEST_SECONDS, _DEFAULT_SECONDS = 900, 43200, 3600
_NAME = r"[\w+=,.@-]*"
_EXTERNAL_ID = r"[\w+=,.@:\/-]*"
_POLICY_CHARACTERS = 2048
_POLICY_ARNS = 10
_POLICY_ARN = re.compile(r"arn:aws:iam::(aws|\d{12}):policy/[\w+=,.@/-]+", re.ASCII)
_TAGS, _TAG_KEY_CHARACTERS, _TAG_VALUE_CHARACTERS = 50, 128, 256
_TAG_TEXT = r"[\w\s.:/=+\-@]*"
# AWS does not publish how policies are packed; the percentage is only returned for the format. [U]
# Tags are packed separately: 9 tags of 250 letters gave 498 % (configure-aws-credentials #1898).
_PACKED_BYTES = 1024
_PACKED_TAG_BYTES = 456


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A request whose parameters have the required format; None means absent."""

    role_arn: str
    account: str
    name: str
    duration_seconds: int
    policies: tuple[Policy, ...] | None
    packed_percent: int | None
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive_tag_keys: frozenset[str] = frozenset()
    source_identity: str | None = None
    external_id: str | None = None


def parse(parameters: dict[str, str], *, accounts: Accounts) -> SessionRequest:
    """Parse a request; raises CloudError for the first invalid parameter."""
    seconds = duration(parameters.get("DurationSeconds", str(_DEFAULT_SECONDS)))
    name = role_session_name(parameters.get("RoleSessionName", ""))
    role_arn = parameters.get("RoleArn", "")
    parts = role_arn.split(":")
    if len(parts) != 6 or not parts[5].startswith("role/"):
        raise refusals.validation(f"{role_arn} is invalid")
    external_id = parameters.get("ExternalId")
    if external_id is not None:
        _text(external_id, "externalId", _EXTERNAL_ID, (2, 1224))
    source_identity = parameters.get("SourceIdentity")
    if source_identity is not None:
        _text(source_identity, "sourceIdentity", _NAME, (2, 64))
    tags = _tags(parameters)
    transitive = frozenset(query.values(parameters, "TransitiveTagKeys"))
    if not transitive <= tags.keys():
        raise refusals.transitive_tag_missing()
    policies, packed = _policies(parameters, accounts=accounts)
    check_tags_fit(tags)
    return SessionRequest(
        role_arn=role_arn,
        account=parts[4],
        name=name,
        duration_seconds=seconds,
        policies=policies,
        packed_percent=packed,
        tags=tags,
        transitive_tag_keys=transitive,
        source_identity=source_identity,
        external_id=external_id,
    )


def role_session_name(text: str) -> str:
    """The name of a session; raises CloudError."""
    return _text(text, "roleSessionName", _NAME, (2, 64))


def duration(text: str) -> int:
    """The seconds of a session; raises CloudError."""
    if not text.isdigit() or int(text) < _SHORTEST_SECONDS:
        raise refusals.constraint(
            "durationSeconds", text, f"have value greater than or equal to {_SHORTEST_SECONDS}"
        )
    if int(text) > _LONGEST_SECONDS:
        raise refusals.constraint(
            "durationSeconds", text, f"have value less than or equal to {_LONGEST_SECONDS}"
        )
    return int(text)


def _text(value: str, name: str, pattern: str, length: tuple[int, int]) -> str:
    """The value, if it has the pattern and the length."""
    shortest, longest = length
    if not re.fullmatch(pattern, value, re.ASCII):
        demand = f"satisfy regular expression pattern: {pattern}"
    elif len(value) < shortest:
        demand = f"have length greater than or equal to {shortest}"
    elif len(value) > longest:
        demand = f"have length less than or equal to {longest}"
    else:
        return value
    raise refusals.constraint(name, value, demand)


def _tags(parameters: dict[str, str]) -> dict[str, str]:
    keys = query.members(parameters, "Tags", field="Key")
    values = query.members(parameters, "Tags", field="Value")
    if len(keys) > _TAGS:
        raise refusals.constraint("tags", len(keys), f"have length less than or equal to {_TAGS}")
    if len({key.lower() for key in keys}) != len(keys):
        raise refusals.duplicate_tag_keys()
    for number, (key, value) in enumerate(zip(keys, values, strict=True), start=1):
        for field_name, text, longest in (
            ("key", key, _TAG_KEY_CHARACTERS),
            ("value", value, _TAG_VALUE_CHARACTERS),
        ):
            demand = None
            if not re.fullmatch(_TAG_TEXT, text) or (field_name == "key" and not text):
                demand = r"satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+"
            elif len(text) > longest:
                demand = f"have length less than or equal to {longest}"
            if demand is not None:
                raise refusals.constraint(f"tags.{number}.member.{field_name}", text, demand)
    return dict(zip(keys, values, strict=True))


def check_tags_fit(tags: Mapping[str, str]) -> None:
    """Raise CloudError if the tags, including inherited ones, are too large in total [R]."""
    size = sum(len(key) + len(value) + 2 for key, value in tags.items())
    percent = math.ceil(100 * size / _PACKED_TAG_BYTES)
    if percent > 100:
        raise refusals.packed_policy_too_large(percent, what="session tags")


def session_policy(document: str) -> Policy:
    """The inline policy of a request; raises CloudError."""
    if not 1 <= len(document) <= _POLICY_CHARACTERS:
        raise refusals.constraint(
            "policy", document, f"have length less than or equal to {_POLICY_CHARACTERS}"
        )
    try:
        return Policy.parse(document)
    except MalformedPolicyError as error:
        raise refusals.malformed_policy(str(error)) from error


def _policies(
    parameters: dict[str, str], *, accounts: Accounts
) -> tuple[tuple[Policy, ...] | None, int | None]:
    """The session's policies, None without any, and their packed size in percent."""
    document = parameters.get("Policy")
    arns = query.members(parameters, "PolicyArns", field="arn")
    inline = [session_policy(document)] if document is not None else []
    if len(arns) > _POLICY_ARNS:
        raise refusals.constraint(
            "policyArns", arns, f"have length less than or equal to {_POLICY_ARNS}"
        )
    policies = [*(_managed_policy(arn, accounts=accounts) for arn in arns), *inline]
    packable = "".join([document or "", *arns])
    if not packable:
        return None, None
    percent = math.ceil(100 * len(zlib.compress(packable.encode())) / _PACKED_BYTES)
    if percent > 100:
        raise refusals.packed_policy_too_large(percent)
    return tuple(policies) or None, percent


def _managed_policy(arn: str, *, accounts: Accounts) -> Policy:
    if not _POLICY_ARN.fullmatch(arn):
        raise refusals.validation(f"ARN {arn} is not valid.")
    policy = accounts.managed_policy(arn)
    if policy is None:
        raise refusals.malformed_policy(f"Policy {arn} does not exist.")  # [U] the message
    return policy
