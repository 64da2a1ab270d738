"""What each kind of key needs in AWS: the permissions of the identity that issues it.

The least that works over the life of the grants: creation, edits, rotation and deletion. For keys
of Amazon Bedrock, also what their readers call, because a short-term key has the permissions of the
role that signs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keywright.api.api_gateway_key import ApiGatewayKey
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import BedrockLongTermKey, BedrockShortTermKey, SessionCredentials
from keywright.api.partitions import partition_of
from keywright.api.source import CredentialSource
from keywright.cli.policies.model import allowing, statement
from keywright.clouds.aws.iam.user import DEFAULT_PATH, managed_policies

_INVOKE: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
_ANY: Final = "*"
# The statements of `allowedModels` (api.bedrock_models), in their order.
_ALLOWED_MODELS: Final = (
    "UseBedrockApiKeys",
    "InvokeAllowedModels",
    "InvokeAllowedModelsThroughMantle",
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the keys of a grant are issued."""

    partition: str
    account: str
    region: str
    has_mantle: bool

    def arn(self, service: str, resource: str, *, region: str = "") -> str:
        """An ARN in the account."""
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"


def place_of(grant: ApiKeyGrant, source: CredentialSource, *, account: str) -> Place:
    """The place of the grant's keys."""
    region = grant.region(source)
    partition = partition_of(region)
    return Place(partition.id, account, region, partition.has_mantle)


def permissions_of(grants: Iterable[tuple[ApiKeyGrant, Place]]) -> Iterator[dict[str, Any]]:
    """The statements that grants of one identity need."""
    long_term: dict[tuple[str, str, str], list[BedrockLongTermKey]] = {}
    places: dict[tuple[str, str, str], Place] = {}
    for grant, place in grants:
        key = grant.key
        if key.is_scoped:
            yield statement("LimitTheSession", ["sts:GetScopedCredentials"], _ANY)
        if isinstance(key, BedrockShortTermKey):
            yield from _short_term(key, place)
        elif isinstance(key, SessionCredentials):
            yield from _session(key)
        elif isinstance(key, ApiGatewayKey):
            yield from _api_gateway(key, place)
        elif isinstance(key, BedrockLongTermKey):
            boundary = key.user.permissions_boundary or ""
            group = (str(key.user.create), key.user.path or DEFAULT_PATH, boundary)
            long_term.setdefault(group, []).append(key)
            places[group] = place
    for group, keys in long_term.items():
        yield from _long_term(keys, places[group])


def _short_term(key: BedrockShortTermKey, place: Place) -> Iterator[dict[str, Any]]:
    """A key has what both the role and its session policy allow: the role needs the latter."""
    limits = list(allowing(key.policy_in(place.partition)))
    if not limits:
        yield from use_of_bedrock(place)
    names = _ALLOWED_MODELS if key.allowed_models else ["LimitedBedrockKeys"] * len(limits)
    for name, each in zip(names, limits, strict=True):
        yield {"Sid": name, **each}


def use_of_bedrock(place: Place) -> Iterator[dict[str, Any]]:
    """What readers of a Bedrock key call; `explain` does not know which models they use."""
    bearer = ["bedrock:CallWithBearerToken"]
    if place.has_mantle:
        bearer.append("bedrock-mantle:CallWithBearerToken")
    yield statement("UseBedrockApiKeys", bearer, _ANY)
    models = (
        f"arn:{place.partition}:bedrock:*::foundation-model/*",
        place.arn("bedrock", "inference-profile/*", region="*"),
    )
    yield statement("InvokeModels", _INVOKE, models)
    if place.has_mantle:
        projects = place.arn("bedrock-mantle", "project/*", region="*")
        yield statement("InvokeModelsThroughMantle", ["bedrock-mantle:CreateInference"], projects)
    yield statement("ListModels", ["bedrock:ListFoundationModels"], _ANY)


def _session(key: SessionCredentials) -> Iterator[dict[str, Any]]:
    """The role must allow what the session policy allows: a session has the intersection."""
    for each in allowing(key.policy):
        yield {"Sid": "Session", **each}


def _api_gateway(key: ApiGatewayKey, place: Place) -> Iterator[dict[str, Any]]:
    base = f"arn:{place.partition}:apigateway:{place.region}::"
    creates = any(plan.create is not None for _, plan in key.usage_plans)
    keys, each_key = f"{base}/apikeys", f"{base}/apikeys/*"
    plans, each_plan = f"{base}/usageplans", f"{base}/usageplans/*"
    yield statement("ReadKeysAndPlans", ["apigateway:GET"], [keys, each_key, plans, each_plan])
    made = [keys, plans] if creates else [keys]
    yield statement("CreateTaggedKeysAndPlans", ["apigateway:POST"], made)
    yield statement("AddKeysToPlans", ["apigateway:POST"], f"{base}/usageplans/*/keys")
    yield statement("TagKeysAndPlans", ["apigateway:PUT", "apigateway:DELETE"], f"{base}/tags/*")
    changed = [each_key, each_plan] if creates else [each_key, f"{base}/usageplans/*/keys/*"]
    yield statement("ChangeAndDelete", ["apigateway:PATCH", "apigateway:DELETE"], changed)


def _long_term(keys: Sequence[BedrockLongTermKey], place: Place) -> Iterator[dict[str, Any]]:
    if not keys[0].user.create:
        yield from _existing_users(keys, place)
        return
    path = keys[0].user.path or DEFAULT_PATH
    users = place.arn("iam", f"user{path}*")
    boundary = keys[0].user.permissions_boundary
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}} if boundary else None
    yield statement(
        "ReadUsers",
        [
            "iam:GetUser",
            "iam:GetUserPolicy",
            "iam:ListUsers",
            "iam:ListUserPolicies",
            "iam:ListAttachedUserPolicies",
            "iam:ListServiceSpecificCredentials",
        ],
        users,
    )
    create = ["iam:CreateUser", "iam:PutUserPolicy"]
    if boundary:
        create.append("iam:PutUserPermissionsBoundary")
    yield statement(
        "CreateUsersWithTheBoundary" if boundary else "CreateUsers",
        create,
        users,
        condition=bounded,
    )
    arns = sorted({a for key in keys for a in managed_policies(key, partition=place.partition)})
    if arns:
        condition = {"ArnEquals": {"iam:PolicyARN": arns[0] if len(arns) == 1 else arns}}
        yield statement(
            "AttachListedPoliciesOnly",
            ["iam:AttachUserPolicy"],
            users,
            condition={**condition, **(bounded or {})},
        )
    yield statement(
        "TagAndDeleteUsers",
        [
            "iam:TagUser",
            "iam:UntagUser",
            "iam:DetachUserPolicy",
            "iam:DeleteUserPolicy",
            "iam:DeleteUser",
        ],
        users,
    )
    yield from _keys_of(users)


def _existing_users(keys: Sequence[BedrockLongTermKey], place: Place) -> Iterator[dict[str, Any]]:
    """Users that Keywright neither creates nor changes; their path is not in the manifests."""
    users = [arn for key in keys for arn in _in_any_path(key, place)]
    seen = ["iam:GetUser", "iam:ListServiceSpecificCredentials"]
    yield statement("ReadExistingUsers", seen, users)
    tagged = [arn for key in keys if key.exclusive for arn in _in_any_path(key, place)]
    if tagged:
        yield statement("TagUsers", ["iam:TagUser", "iam:UntagUser"], tagged)
    yield from _keys_of(users)


def _in_any_path(key: BedrockLongTermKey, place: Place) -> tuple[str, str]:
    """A user in the path `/` and in any other path, without users whose name ends like this one."""
    name = key.user.name
    return place.arn("iam", f"user/{name}"), place.arn("iam", f"user/*/{name}")


def _keys_of(users: str | list[str]) -> Iterator[dict[str, Any]]:
    service = {"iam:ServiceSpecificCredentialServiceName": "bedrock.amazonaws.com"}
    yield statement(
        "CreateBedrockKeysOnly",
        ["iam:CreateServiceSpecificCredential"],
        users,
        condition={"StringEquals": service},
    )
    yield statement(
        "DeactivateAndDeleteKeys",
        ["iam:UpdateServiceSpecificCredential", "iam:DeleteServiceSpecificCredential"],
        users,
    )


def boundary_of(place: Place) -> Iterator[dict[str, Any]]:
    """The most that created users can do: use models with their keys."""
    actions = [
        "bedrock:CallWithBearerToken",
        "bedrock:Get*",
        "bedrock:List*",
        *_INVOKE,
    ]
    if place.has_mantle:
        actions += [
            "bedrock-mantle:CallWithBearerToken",
            "bedrock-mantle:Get*",
            "bedrock-mantle:List*",
            "bedrock-mantle:CreateInference",
        ]
    yield statement("InvokeModelsOnly", actions, _ANY)
