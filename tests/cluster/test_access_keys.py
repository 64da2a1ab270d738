"""A static access key out of a Secret: the start of chains, and the signer of Bedrock keys."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from testbed.clouds.aws.cloud import UserAccessKey
from testbed.operators import OperatorProcess
from testbed.readers import http_converse
from tests.cluster import sdk
from tests.cluster.audit import AuditLog
from tests.cluster.chains import EVERYTHING, FAR, apply_chain, assumed, roles
from tests.cluster.eventually import eventually
from tests.cluster.tenants import KEY, Tenant, condition
from tests.cluster.test_sts_credentials import credentials_of
from tests.cluster.tier import Record

_SECRET = "cloud-key"
_REFERENCE: dict[str, Any] = {"accessKey": {"secretRef": {"name": _SECRET}}}
_NOTICED_SECONDS = 5.0


def user(tenant: Tenant, *, number: int = 1) -> UserAccessKey:
    """A user with a long-term key, who may do everything."""
    return tenant.world.aws.create_user(
        name=f"{tenant.namespace}-{number}", policies={"everything": EVERYTHING}
    )


def entries(key: UserAccessKey) -> dict[str, str]:
    """The Secret's data; the secret with the newline that `echo` leaves behind it."""
    return {
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": f"{key.secret_key}\n",
    }


def with_key(tenant: Tenant, **data: str) -> None:
    """The Secret of the key, and the source that reads it."""
    tenant.create_secret(name=_SECRET, **data)
    apply_chain(tenant, [], **_REFERENCE)


def put(tenant: Tenant, **data: str | None) -> None:
    """Edit the Secret of the key."""
    tenant.patch(tenant.secret_path(_SECRET), {"stringData": data})


def works(tenant: Tenant) -> bool:
    """Whether Bedrock takes the key in the grant's Secret."""
    environment = tenant.world.aws.client_environment()
    return http_converse.call(tenant.data(), cloud_environment=environment).ok


def test_a_bedrock_key_is_signed_by_an_access_key(tenant: Tenant, audit: AuditLog) -> None:
    """It lasts as long as asked: no session ends it. The source is proved once, and has no end."""
    key = user(tenant)
    with_key(tenant, **entries(key))
    tenant.apply_grant()
    status = tenant.ready()
    assert works(tenant)
    ends, issued = (datetime.fromisoformat(status[name]) for name in ("expiresAt", "issuedAt"))
    assert ends - issued == timedelta(hours=12)
    assert condition(status, "Ready")["message"].endswith("Z.")
    source = tenant.source_reported("Ready")
    assert source["identity"] == key.user_arn
    assert "expiresAt" not in source
    assert "renewAt" not in source
    eventually(lambda: tenant.source_status().get("grants") == 1)
    mark = audit.mark()
    tenant.annotate_grant(**{"example.com/look": "again"})
    tenant.patch(tenant.source_path(), {"metadata": {"labels": {"look": "again"}}})
    assert audit.writes(since=mark, namespace=tenant.namespace) == []


def test_a_key_that_assumes_a_role_is_no_chain(tenant: Tenant) -> None:
    """The role's session lasts as long as its maximum, up to twelve hours; only then the hour."""
    key = user(tenant)
    near, far = roles(tenant, count=2, first=key.user_arn)
    tenant.create_secret(name=_SECRET, **entries(key))
    apply_chain(tenant, [{"roleArn": near, "sessionDuration": "12h"}], **_REFERENCE)
    tenant.world.api.apply(credentials_of(tenant, duration="12h"))
    status = tenant.ready()
    ends, issued = (datetime.fromisoformat(status[name]) for name in ("expiresAt", "issuedAt"))
    assert ends - issued >= timedelta(hours=12)
    assert "asked" not in condition(status, "Ready")["message"]
    environment = tenant.world.aws.client_environment()
    assert f"{tenant.namespace}-hop-1/" in sdk.who({**environment, **tenant.data()})
    apply_chain(tenant, [{"roleArn": near}, {"roleArn": far}], **_REFERENCE)
    reported = tenant.revision(2)
    assert "ends within an hour" in condition(reported, "Ready")["message"]
    assert f"::{FAR}:" in sdk.who({**environment, **tenant.data()})
    assert assumed(tenant, far)


def test_a_bare_key_has_no_session(tenant: Tenant) -> None:
    """Credentials of a session need a role: the condition names the field and the remedy."""
    with_key(tenant, **entries(user(tenant)))
    tenant.world.api.apply(credentials_of(tenant))
    reported = tenant.reported("Stalled", reason="InvalidSpec")
    message = condition(reported, "Stalled")["message"]
    assert "spec.sessionCredentials:" in message
    assert "set assumeRoles in the source" in message
    assert not tenant.has_secret()


def test_a_session_token_may_stand_beside_the_key(tenant: Tenant) -> None:
    """Temporary credentials work as well; the cloud reports no expiry, and the grant says so."""
    tenant.become_ready(secret={"formats": ["ApiKey"]})
    tenant.world.api.apply(credentials_of(tenant, name="session"))
    tenant.ready(name="session")
    found = tenant.data("session")
    found.pop("AWS_REGION")
    tenant.create_released_secret(name=_SECRET, **found)
    apply_chain(tenant, [], name="static", **_REFERENCE)
    tenant.apply_grant(name="signed", source="static")
    status = tenant.ready(name="signed")
    assert "AWS does not tell when" in condition(status, "Ready")["message"]
    environment = tenant.world.aws.client_environment()
    assert http_converse.call(tenant.data("signed"), cloud_environment=environment).ok


def test_a_changed_key_is_noticed_at_once(tenant: Tenant, record_property: Record) -> None:
    """Within five seconds the source is verified again, and its grants get newly signed keys."""
    first, second = user(tenant), user(tenant, number=2)
    with_key(tenant, **entries(first))
    tenant.apply_grant()
    tenant.apply_grant(name="second")
    tenant.ready()
    tenant.ready(name="second")
    before = tenant.data()[KEY]
    began = time.monotonic()
    put(tenant, **entries(second))
    for name in ("chat-key", "second"):
        status = tenant.revision(2, name=name, seconds=_NOTICED_SECONDS)
        assert status["keyId"] == second.access_key_id
    eventually(lambda: tenant.source_status()["identity"] == second.user_arn, seconds=5)
    took = time.monotonic() - began
    record_property("a changed access key noticed, seconds", round(took, 3))
    assert took < _NOTICED_SECONDS
    assert tenant.data()[KEY] != before
    assert works(tenant)


def test_a_secret_that_is_relabelled_mints_nothing(
    tenant: Tenant, barrier: Callable[[], None]
) -> None:
    """Only other values are a change."""
    with_key(tenant, **entries(user(tenant)))
    tenant.apply_grant()
    before = tenant.ready()
    tenant.patch(tenant.secret_path(_SECRET), {"metadata": {"labels": {"team": "chat"}}})
    barrier()
    assert tenant.status() == before


@pytest.mark.parametrize(
    ("broken", "reason", "says"),
    [
        (None, "SecretNotFound", "there is no Secret cloud-key"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AccessKeyIncomplete", "has no AWS_SECRET_ACCESS_KEY"),
        ({"AWS_ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA"}, "InvalidClientTokenId", "deleted"),
        ({"AWS_SECRET_ACCESS_KEY": "w" * 40}, "SignatureDoesNotMatch", "does not belong"),
    ],
)
def test_a_key_that_aws_does_not_take_is_told_and_heals(
    tenant: Tenant, broken: dict[str, str] | None, reason: str, says: str
) -> None:
    """Source and grant name Secret and field; the right key in it heals both within seconds."""
    right: dict[str, Any] = entries(user(tenant))
    if broken is not None:
        tenant.create_secret(name=_SECRET, **{**right, **broken})
    apply_chain(tenant, [], **_REFERENCE)
    tenant.apply_grant()
    for reported in (
        tenant.reported("Ready", status="False", reason=reason),
        tenant.source_reported("Ready", status="False", reason=reason),
    ):
        message = condition(reported, "Ready")["message"]
        assert "spec.aws.accessKey.secretRef" in message
        assert says in message
        assert "w" * 40 not in message
    if broken is None:
        tenant.create_secret(name=_SECRET, **right)
    else:
        put(tenant, **right)
    tenant.ready(seconds=_NOTICED_SECONDS)
    tenant.source_reported("Ready")
    assert works(tenant)


def test_a_secret_that_went_while_no_operator_ran_is_told_by_the_source(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    """The source does not stay Ready on what it was proved with, and heals with the Secret."""
    right = entries(user(tenant))
    with_key(tenant, **right)
    tenant.source_reported("Ready")
    operator.stop()
    tenant.world.api.delete(tenant.secret_path(_SECRET))
    operator.start()
    reported = tenant.source_reported("Ready", status="False", reason="SecretNotFound")
    assert "spec.aws.accessKey.secretRef" in condition(reported, "Ready")["message"]
    tenant.create_secret(name=_SECRET, **right)
    tenant.source_reported("Ready")


def test_a_key_that_went_from_its_secret_while_no_operator_ran_is_told_by_the_source(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    """Also where the source hands on sessions, whose end lies ahead: it can open no other."""
    key = user(tenant)
    (role,) = roles(tenant, count=1, first=key.user_arn)
    tenant.create_secret(name=_SECRET, **entries(key))
    apply_chain(tenant, [{"roleArn": role}], **_REFERENCE)
    tenant.source_reported("Ready")
    operator.stop()
    tenant.patch(tenant.secret_path(_SECRET), {"data": {"AWS_SECRET_ACCESS_KEY": None}})
    operator.start()
    reported = tenant.source_reported("Ready", status="False", reason="AccessKeyIncomplete")
    assert "AWS_SECRET_ACCESS_KEY" in condition(reported, "Ready")["message"]
    put(tenant, **entries(key))
    tenant.source_reported("Ready")


def test_a_service_account_that_went_while_no_operator_ran_is_told_by_the_source(
    tenant: Tenant, operator: OperatorProcess
) -> None:
    """As soon as a grant needs it: no session is left that the source could use meanwhile."""
    tenant.become_ready()
    operator.stop()
    tenant.world.api.delete(f"/api/v1/namespaces/{tenant.namespace}/serviceaccounts/chat-bedrock")
    operator.start()
    tenant.edit_grant(bedrockShortTermKey={"duration": "11h"})
    tenant.reported("RenewalFailing", reason="ServiceAccountNotFound")
    tenant.source_reported("Ready", status="False", reason="ServiceAccountNotFound")
    tenant.apply_file("serviceaccount.yaml")
    tenant.source_reported("Ready")


def test_a_key_that_goes_bad_leaves_the_last_good_secret(tenant: Tenant) -> None:
    """The Bedrock key that is there stays until there is a better one."""
    right = entries(user(tenant))
    with_key(tenant, **right)
    tenant.apply_grant()
    tenant.ready()
    before = tenant.data()
    put(tenant, AWS_SECRET_ACCESS_KEY="w" * 40)
    tenant.reported("RenewalFailing", reason="SignatureDoesNotMatch", seconds=_NOTICED_SECONDS)
    assert tenant.data() == before
    put(tenant, **entries(user(tenant, number=2)))
    tenant.revision(2, seconds=_NOTICED_SECONDS)
    assert not condition(tenant.status(), "RenewalFailing")
