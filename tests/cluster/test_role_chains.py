"""Chains of roles: one assumes the next, up to five, over the borders of accounts."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from testbed.readers import http_converse
from tests.cluster import sdk
from tests.cluster.chains import (
    FAR,
    apply_chain,
    assumed,
    may_assume,
    roles,
    trusting,
)
from tests.cluster.eventually import eventually
from tests.cluster.tenants import Document, Tenant, condition
from tests.cluster.test_sts_credentials import credentials_of

_LISTING = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["bedrock:List*", "sts:*"], "Resource": "*"},
    ],
}


def lasts(status: Document) -> timedelta:
    """From issue to expiry."""
    issued, ends = (datetime.fromisoformat(status[key]) for key in ("issuedAt", "expiresAt"))
    return ends - issued


def who(tenant: Tenant) -> str:
    """The ARN that the Secret's credentials are."""
    return sdk.who({**tenant.world.aws.client_environment(), **tenant.data()})


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_chain_ends_in_its_last_role(tenant: Tenant, count: int) -> None:
    """Each hop is assumed by the one before, the last one in another account."""
    hops = roles(tenant, count=count)
    apply_chain(tenant, [{"roleArn": arn} for arn in hops])
    tenant.world.api.apply(credentials_of(tenant))
    tenant.ready()
    name = f"{tenant.namespace}-hop-{count}/{tenant.namespace}.bedrock"
    expected = f"arn:aws:sts::{FAR}:assumed-role/{name}"
    assert who(tenant) == expected
    source = tenant.source_reported("Ready")
    assert (source["identity"], source["accountId"]) == (expected, FAR)
    assert [len(assumed(tenant, arn)) for arn in hops] == [1] * count
    assert tenant.session_calls() == 1


def test_a_chain_that_is_asked_for_more_than_an_hour_says_so(tenant: Tenant) -> None:
    """Two hops deep, four hours requested: a session of one hour, reported from the first minute.

    The renewal is due before the hour ends, and AWS was never asked for more.
    """
    hops = roles(tenant, count=2)
    apply_chain(tenant, [{"roleArn": arn} for arn in hops])
    tenant.world.api.apply(credentials_of(tenant, duration="4h"))
    status = tenant.ready()
    assert timedelta(minutes=59) < lasts(status) <= timedelta(hours=1, seconds=10)
    message = condition(status, "Ready")["message"]
    assert "before the 4h asked" in message
    assert "ends within an hour" in message
    assert status["renewAt"] < status["expiresAt"]
    assert {
        call.parameters["DurationSeconds"] for arn in hops for call in assumed(tenant, arn)
    } == {"3600"}


def test_a_chain_is_renewed_before_its_hour_ends(tenant: Tenant) -> None:
    """Hop by hop, as each session nears its end; who reads is never without."""
    tenant.world.aws.limit_sessions(seconds=6)
    hops = roles(tenant, count=2)
    apply_chain(tenant, [{"roleArn": arn} for arn in hops])
    tenant.world.api.apply(credentials_of(tenant))
    tenant.ready()

    def third() -> bool:
        assert who(tenant).startswith(f"arn:aws:sts::{FAR}:")
        return int(tenant.status()["revision"]) >= 4

    eventually(third, seconds=40)


@pytest.mark.parametrize("given", ["externalId", "externalIdFrom"])
def test_the_external_id_is_shown(tenant: Tenant, given: str) -> None:
    """From the source itself, or from a Secret of its namespace."""
    (far,) = roles(tenant, count=1)
    tenant.world.aws.put_trust_policy(
        name=f"{tenant.namespace}-hop-1",
        trust_policy=trusting(tenant.role_arn, StringEquals={"sts:ExternalId": "open-sesame"}),
        account=FAR,
    )
    hop: Document = {"roleArn": far, "externalId": "open-sesame"}
    if given == "externalIdFrom":
        tenant.create_released_secret(name="partner", id="open-sesame\n")
        hop = {"roleArn": far, given: {"secretKeyRef": {"name": "partner", "key": "id"}}}
    apply_chain(tenant, [hop])
    tenant.world.api.apply(credentials_of(tenant))
    tenant.ready()
    assert who(tenant).startswith(f"arn:aws:sts::{FAR}:")


def test_a_wrong_external_id_is_told_and_heals(tenant: Tenant) -> None:
    """By both policies to paste, with the condition; once it is right in the Secret, at once."""
    (far,) = roles(tenant, count=1)
    tenant.world.aws.put_trust_policy(
        name=f"{tenant.namespace}-hop-1",
        trust_policy=trusting(tenant.role_arn, StringEquals={"sts:ExternalId": "open-sesame"}),
        account=FAR,
    )
    tenant.create_released_secret(name="partner", id="close-sesame")
    reference = {"secretKeyRef": {"name": "partner", "key": "id"}}
    apply_chain(tenant, [{"roleArn": far, "externalIdFrom": reference}])
    tenant.world.api.apply(credentials_of(tenant))
    reported = tenant.reported("Ready", status="False", reason="AccessDenied")
    message = condition(reported, "Ready")["message"]
    assert "spec.aws.assumeRoles[0].roleArn" in message
    assert "sts:ExternalId" in message
    assert "close-sesame" not in message
    path = tenant.secret_path("partner")
    tenant.patch(path, {"stringData": {"id": "open-sesame"}})
    tenant.ready(seconds=5)


def test_a_missing_external_id_is_told_and_heals(tenant: Tenant) -> None:
    """The field and the Secret are named; it may come later."""
    (far,) = roles(tenant, count=1)
    reference = {"secretKeyRef": {"name": "partner", "key": "id"}}
    apply_chain(tenant, [{"roleArn": far, "externalIdFrom": reference}])
    tenant.world.api.apply(credentials_of(tenant))
    reported = tenant.reported("Ready", status="False", reason="SecretNotFound")
    message = condition(reported, "Ready")["message"]
    assert "spec.aws.assumeRoles[0].externalIdFrom.secretKeyRef" in message
    assert f"there is no Secret partner in namespace {tenant.namespace}" in message
    tenant.create_released_secret(name="partner", id="whatever")
    tenant.ready(seconds=5)


def test_tags_and_source_identity_go_along(tenant: Tenant) -> None:
    """Session tags stay with their hop, transitive ones and the source identity go on."""
    hops = roles(tenant, count=2)
    apply_chain(
        tenant,
        [
            {
                "roleArn": hops[0],
                "sessionTags": {"team": "chat", "stage": "first"},
                "transitiveTagKeys": ["team"],
                "sourceIdentity": "keywright-chat",
            },
            {"roleArn": hops[1], "sessionTags": {"stage": "last"}},
        ],
    )
    tenant.world.api.apply(credentials_of(tenant))
    tenant.ready()
    first, last = (tenant.world.aws.session(call) for arn in hops for call in assumed(tenant, arn))
    assert (first.tags, first.source_identity) == (
        {"team": "chat", "stage": "first"},
        "keywright-chat",
    )
    assert (last.tags, last.source_identity) == (
        {"team": "chat", "stage": "last"},
        "keywright-chat",
    )


def test_a_hops_session_policy_is_enforced(tenant: Tenant) -> None:
    """The last role may do everything; its session only what the hop's policy lets through."""
    hops = roles(tenant, count=2)
    limited = [{"roleArn": arn, "policy": _LISTING} for arn in hops]
    apply_chain(tenant, limited)
    tenant.apply_grant()
    tenant.ready()
    data = tenant.data()
    environment = tenant.world.aws.client_environment()
    refused = http_converse.call(data, cloud_environment=environment)
    assert not refused.ok
    assert "403" in str(refused.error)
    apply_chain(tenant, [limited[0], {"roleArn": hops[1]}])
    tenant.revision(2)
    eventually(lambda: http_converse.call(tenant.data(), cloud_environment=environment).ok)


def test_a_grants_session_policy_is_the_last_hops(tenant: Tenant) -> None:
    """The hops before it are assumed without, and shared with grants that ask for nothing."""
    hops = roles(tenant, count=2)
    apply_chain(tenant, [{"roleArn": arn} for arn in hops])
    tenant.world.api.apply(credentials_of(tenant, policy=_LISTING))
    tenant.ready()
    assert all("Policy" not in call.parameters for call in assumed(tenant, hops[0]))
    assert len(assumed(tenant, hops[0])) == 1
    shown = [call.parameters.get("Policy") for call in assumed(tenant, hops[1])]
    # The other one is the source's own, by which it is proved.
    assert len(shown) == 2
    assert [json.loads(policy) for policy in shown if policy] == [_LISTING]


@pytest.mark.parametrize("missing", ["permission", "trust"])
def test_a_refused_hop_is_told_by_both_policies(tenant: Tenant, missing: str) -> None:
    """What the caller's role needs and what the next role must trust: pasted, they heal it."""
    hops = roles(tenant, count=2)
    if missing == "permission":
        may_assume(tenant, resource="arn:aws:iam::123456789012:role/another")
    else:
        tenant.world.aws.put_trust_policy(
            name=f"{tenant.namespace}-hop-1",
            trust_policy=trusting("arn:aws:iam::123456789012:role/another"),
        )
    apply_chain(tenant, [{"roleArn": arn} for arn in hops])
    tenant.world.api.apply(credentials_of(tenant))
    for reported in (
        tenant.reported("Ready", status="False", reason="AccessDenied"),
        tenant.source_reported("Ready", status="False", reason="AccessDenied"),
    ):
        message = condition(reported, "Ready")["message"]
        assert "spec.aws.assumeRoles[0].roleArn" in message
    permission, trust = _documents(message)
    assert trust["Statement"][0]["Principal"] == {"AWS": tenant.role_arn}
    tenant.world.aws.put_role_policy(role=tenant.role, name="pasted", document=permission)
    tenant.world.aws.put_trust_policy(name=f"{tenant.namespace}-hop-1", trust_policy=trust)
    tenant.ready(seconds=40)


def test_a_bedrock_key_is_signed_by_the_last_role(tenant: Tenant) -> None:
    """A short-term key of another account, used over plain HTTP; it says why it ends early."""
    hops = roles(tenant, count=2)
    apply_chain(tenant, [{"roleArn": arn} for arn in hops])
    tenant.apply_grant()
    status = tenant.ready()
    environment = tenant.world.aws.client_environment()
    assert http_converse.call(tenant.data(), cloud_environment=environment).ok
    assert "ends within an hour" in condition(status, "Ready")["message"]
    assert lasts(status) <= timedelta(hours=1, seconds=10)


def _documents(message: str) -> list[Any]:
    """The policies in a message."""
    decoder = json.JSONDecoder()
    return [
        decoder.raw_decode(message[found.start() :])[0]
        for found in re.finditer(r'\{"Version"', message)
    ]
