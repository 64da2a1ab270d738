"""Roles that assume each other, and sources that go along them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.tenants import SOURCE, Document, Tenant, merged

FAR = "210987654321"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
ASSUME = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")


def trusting(principal: str, **condition: Any) -> Document:
    """A trust policy for one principal."""
    statement: Document = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": list(ASSUME),
    }
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def may_assume(tenant: Tenant, *, resource: str = "*") -> None:
    """Let the tenant's own role assume others."""
    statement = {"Effect": "Allow", "Action": list(ASSUME), "Resource": resource}
    tenant.world.aws.put_role_policy(
        role=tenant.role,
        name="chain",
        document={"Version": "2012-10-17", "Statement": [statement]},
    )


def roles(tenant: Tenant, *, count: int, first: str | None = None) -> list[str]:
    """The ARNs of so many roles, each of which trusts the one before; the last is far away.

    `first`: the principal that the first role trusts, by default the tenant's own role.
    """
    if first is None:
        may_assume(tenant)
    made: list[str] = []
    for number in range(1, count + 1):
        last = number == count
        made.append(
            tenant.world.aws.create_role(
                name=f"{tenant.namespace}-hop-{number}",
                trust_policy=trusting(made[-1] if made else first or tenant.role_arn),
                policies={"everything": EVERYTHING},
                max_session_seconds=43200,
                **({"account": FAR} if last else {}),
            )
        )
    return made


def apply_chain(
    tenant: Tenant,
    hops: Sequence[Mapping[str, Any]],
    *,
    name: str = SOURCE,
    **identity: Any,
) -> None:
    """The tenant's source with these hops, and with another identity where one is given."""
    body = tenant.source_body(name=name)
    aws: Document = {"assumeRoles": [dict(hop) for hop in hops]}
    if identity:
        aws |= {"webIdentity": None, **identity}
    tenant.world.api.apply(merged(body, {"spec": {"aws": aws}}))


def assumed(tenant: Tenant, role_arn: str) -> list[Any]:
    """The calls that made a session of a role."""
    calls = tenant.world.aws.calls(service="sts", action="AssumeRole")
    return [
        call
        for call in calls
        if call.parameters.get("RoleArn") == role_arn and call.error_code is None
    ]
