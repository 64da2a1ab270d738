"""IAM policies: parsed once, evaluated on every call.

Follows "Policy evaluation logic" of the IAM user guide for one account: an explicit deny wins, an
identity policy must allow, and a permissions boundary or session policies, if there are any, must
allow as well. An unsupported element or operator is rejected when the policy is stored, never
ignored. No library was found that evaluates policies: moto's own omits resources and conditions.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from testbed.clouds import conditions
from testbed.clouds.conditions import Condition, MalformedPolicyError, pattern, strings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Effect(Enum):
    """The effect of a policy on a call; None if no statement applies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Empty `resources` means any: trust policies have none."""

    effect: Effect
    actions: tuple[str, ...]
    without_actions: tuple[str, ...]
    resources: tuple[str, ...]
    without_resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...]
    conditions: tuple[Condition, ...]

    def applies(
        self, *, action: str, resource: str, context: Mapping[str, tuple[str, ...]]
    ) -> bool:
        """Whether the statement applies to this call, regardless of its principal."""
        if self.actions and not _matches_any(self.actions, action, ignore_case=True):
            return False
        if self.without_actions and _matches_any(self.without_actions, action, ignore_case=True):
            return False
        if self.resources and not _matches_any(self.resources, resource):
            return False
        if self.without_resources and _matches_any(self.without_resources, resource):
            return False
        return all(condition.holds(context) for condition in self.conditions)

    def names(self, *, kind: str, principals: frozenset[str]) -> bool:
        """Whether the Principal is of this kind ("Federated", "AWS") and one of these names."""
        return any(
            (named_kind in {kind, "*"}) and (named in principals or named == "*")
            for named_kind, named in self.principals
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed document: an identity or a session policy, or with principals a trust policy."""

    statements: tuple[Statement, ...]

    @staticmethod
    @functools.lru_cache(maxsize=1024)
    def parse(document: str, *, trust: bool = False) -> Policy:
        """Parse JSON text; `trust` for a role's trust policy.

        Raises:
            MalformedPolicyError: with the error.
        """
        try:
            body = json.loads(document)
        except ValueError as error:
            raise MalformedPolicyError("This policy contains invalid Json") from error
        if not isinstance(body, dict) or "Statement" not in body:
            raise MalformedPolicyError("Syntax errors in policy.")
        statements = body["Statement"]
        return Policy(
            tuple(
                _statement(item, target="Principal" if trust else "Resource")
                for item in (statements if isinstance(statements, list) else [statements])
            )
        )

    def effect(
        self,
        *,
        action: str,
        resource: str,
        context: Mapping[str, tuple[str, ...]],
        trusted: tuple[str, frozenset[str]] | None = None,
    ) -> Effect | None:
        """Deny, Allow or None. `trusted`: kind and names of the caller, for a trust policy."""
        effects = {
            statement.effect
            for statement in self.statements
            if (trusted is None or statement.names(kind=trusted[0], principals=trusted[1]))
            and statement.applies(action=action, resource=resource, context=context)
        }
        if Effect.DENY in effects:
            return Effect.DENY
        return Effect.ALLOW if effects else None


def refusal(
    *,
    identity: Iterable[Policy],
    session: Iterable[Policy] | None,
    boundary: Policy | None = None,
    scopes: Iterable[Policy] = (),
    action: str,
    resource: str,
    context: Mapping[str, tuple[str, ...]],
) -> str | None:
    """Why the call is not allowed, in the words that AWS appends; None if it is allowed.

    Each of `scopes` must allow the call as well: the policies of GetScopedCredentials.

    The words are those of "Troubleshoot access denied error messages", IAM user guide. [R]
    """
    kinds = [("an identity-based policy", identity)]
    if boundary is not None:
        kinds.append(("a permissions boundary", (boundary,)))
    if session is not None:
        kinds.append(("a session policy", session))
    # [U] the words
    kinds.extend(("a session policy", (scope,)) for scope in scopes)
    effects = [
        (
            kind,
            {policy.effect(action=action, resource=resource, context=context) for policy in many},
        )
        for kind, many in kinds
    ]
    for kind, found in effects:
        if Effect.DENY in found:
            return f"with an explicit deny in {kind}"
    for kind, found in effects:
        if Effect.ALLOW not in found:
            return f"because no {kind.partition(' ')[2]} allows the {action} action"
    return None


def _statement(body: object, *, target: str) -> Statement:
    """Parse a statement; `target` is the element that it must have besides its actions."""
    targets = {target, "NotResource"} if target == "Resource" else {target}
    known = {"Sid", "Effect", "Action", "NotAction", "Condition"} | targets
    if (
        not isinstance(body, dict)
        or not body.keys() <= known
        or body.get("Effect") not in {"Allow", "Deny"}
        or len(body.keys() & {"Action", "NotAction"}) != 1
        or len(body.keys() & targets) != 1
        or [] in (body.get(name) for name in ("Action", "NotAction", *targets))
    ):
        raise MalformedPolicyError("Syntax errors in policy.")
    return Statement(
        effect=Effect(body["Effect"]),
        actions=strings(body.get("Action", [])),
        without_actions=strings(body.get("NotAction", [])),
        resources=strings(body.get("Resource", [])),
        without_resources=strings(body.get("NotResource", [])),
        principals=_principals(body.get("Principal", {})),
        conditions=conditions.parse(body.get("Condition", {})),
    )


def _principals(body: object) -> tuple[tuple[str, str], ...]:
    if body == "*":
        return (("*", "*"),)
    if not isinstance(body, dict):
        raise MalformedPolicyError("Invalid principal in policy")
    return tuple((kind, name) for kind, names in body.items() for name in strings(names))


def _matches_any(patterns: Iterable[str], text: str, *, ignore_case: bool = False) -> bool:
    return any(pattern(item, ignore_case=ignore_case).fullmatch(text) for item in patterns)
