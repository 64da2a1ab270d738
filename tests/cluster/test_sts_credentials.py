"""STS credentials in a Secret, in every format, as an SDK in a pod takes them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cluster import sdk
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, Document, Tenant, condition

_ONLY_LISTING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "bedrock:ListFoundationModels", "Resource": "*"}],
}
_NOTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
}


def credentials_of(
    tenant: Tenant, *, name: str = GRANT, formats: list[str] | None = None, **requested: Any
) -> Document:
    """The grant's body for STS credentials."""
    body = tenant.grant_body(name=name, bedrockShortTermKey=None, sessionCredentials=requested)
    body["spec"]["secret"] = {"formats": formats or ["AwsEnv"]}
    return body


def made(tenant: Tenant, **requested: Any) -> Document:
    """Source and grant applied; the status once it is Ready."""
    tenant.apply_source()
    tenant.world.api.apply(credentials_of(tenant, **requested))
    return tenant.ready(name=requested.get("name", GRANT))


def arn(tenant: Tenant, *, source: str = "bedrock") -> str:
    """Who the session of the tenant's role is."""
    return f"arn:aws:sts::123456789012:assumed-role/{tenant.role}/{tenant.namespace}.{source}"


def by_fields(id_: str, secret: str, token: str) -> Callable[..., str]:
    """A reader that hands three entries of the Secret to its SDK."""

    def read(data: Mapping[str, str], cloud: Mapping[str, str], _: Path) -> str:
        return sdk.who(
            cloud,
            aws_access_key_id=data[id_],
            aws_secret_access_key=data[secret],
            aws_session_token=data[token],
        )

    return read


def by_environment(data: Mapping[str, str], cloud: Mapping[str, str], _: Path) -> str:
    """`envFrom`."""
    return sdk.who({**cloud, **data})


def by_dot_env(data: Mapping[str, str], cloud: Mapping[str, str], _: Path) -> str:
    """A file of environment variables, line by line."""
    lines = dict(line.split("=", 1) for line in data[".env"].splitlines())
    return sdk.who({**cloud, **lines})


def by_credentials_file(data: Mapping[str, str], cloud: Mapping[str, str], place: Path) -> str:
    """The shared credentials file."""
    mounted = sdk.Mounted(place)
    mounted.write(data)
    return sdk.who({**cloud, "AWS_SHARED_CREDENTIALS_FILE": str(mounted.path / "credentials")})


def by_process(data: Mapping[str, str], cloud: Mapping[str, str], place: Path) -> str:
    """The shared config file with its `credential_process`."""
    mounted = sdk.Mounted(place)
    mounted.write(data)
    return sdk.who({**cloud, "AWS_CONFIG_FILE": str(mounted.path / "config")})


READERS = {
    "AwsEnv": by_environment,
    "AwsFields": by_fields("accessKey", "secretKey", "sessionToken"),
    "AwsMountpoint": by_fields("key_id", "access_key", "session_token"),
    "AwsCredentialsFile": by_credentials_file,
    "AwsCredentialProcess": by_process,
    "DotEnv": by_dot_env,
}


@pytest.mark.parametrize("form", READERS)
def test_boto3_is_the_role_with_every_format(tenant: Tenant, tmp_path: Path, form: str) -> None:
    """As each reader's own documentation configures it; AWS tells the role's session."""
    tenant.apply_source()
    body = credentials_of(tenant, formats=[form])
    body["spec"]["secret"]["mountPath"] = str(tmp_path / "mount")
    tenant.world.api.apply(body)
    tenant.ready()
    environment = tenant.world.aws.client_environment()
    assert READERS[form](tenant.data(), environment, tmp_path) == arn(tenant)


def test_all_formats_stand_together(tenant: Tenant) -> None:
    """In one Secret, each entry of them."""
    made(tenant, formats=list(READERS))
    assert tenant.data().keys() == {
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"),
        *("accessKey", "secretKey", "sessionToken", "key_id", "access_key", "session_token"),
        *("credentials", "credential-process.json", "config", ".env"),
    }


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_process_that_never_restarts_lives_through_five_renewals(
    tenant: Tenant, tmp_path: Path
) -> None:
    """With AwsCredentialProcess no call of an SDK fails, over five renewals and as many ends."""
    tenant.world.aws.limit_sessions(seconds=6)
    tenant.apply_source()
    body = credentials_of(tenant, formats=["AwsCredentialProcess"])
    body["spec"]["secret"]["mountPath"] = str(tmp_path / "mount")
    tenant.world.api.apply(body)
    first = tenant.ready()
    mounted = sdk.Mounted(tmp_path)
    mounted.write(tenant.data())
    cloud = tenant.world.aws.client_environment()
    last: list[Document] = [first]
    with sdk.LongRunning({**cloud, "AWS_CONFIG_FILE": str(mounted.path / "config")}) as process:

        def five_more() -> bool:
            status = tenant.status()
            if status["revision"] != last[0]["revision"]:
                mounted.write(tenant.data())
                last[0] = status
            assert process.ask() == {"arn": arn(tenant)}
            return int(last[0]["revision"]) >= 6

        eventually(five_more, seconds=60)
    message = condition(last[0], "Ready")["message"]
    assert "credential-process.json" in message
    assert "20m" in message


def test_readers_that_read_again_get_twenty_minutes(tenant: Tenant) -> None:
    """However little the grant asks for; other formats renew as late as asked."""
    tenant.apply_source(sessionDuration="1h")
    for name, form in (("again", "AwsCredentialProcess"), ("once", "AwsEnv")):
        body = credentials_of(tenant, name=name, formats=[form])
        body["spec"]["renewal"] = {"before": "5m"}
        tenant.world.api.apply(body)
    left = {}
    for name in ("again", "once"):
        status = tenant.ready(name=name)
        ends, due = (datetime.fromisoformat(status[key]) for key in ("expiresAt", "renewAt"))
        left[name] = ends - due
        assert "credential-process" not in condition(status, "Ready")["message"]
    assert timedelta(minutes=20) <= left["again"] < timedelta(minutes=26)
    assert timedelta(minutes=5) <= left["once"] < timedelta(minutes=11)


def test_a_session_policy_is_enforced(tenant: Tenant) -> None:
    """What the grant's policy does not allow is refused by AWS, though the role may do it."""
    tenant.apply_source()
    cloud = tenant.world.aws.client_environment()
    answers = {}
    for name, policy in (("listing", _ONLY_LISTING), ("nothing", _NOTHING)):
        tenant.world.api.apply(credentials_of(tenant, name=name, policy=policy))
        tenant.ready(name=name)
        with sdk.pod({**cloud, **tenant.data(name)}):
            try:
                sdk.client("bedrock").list_foundation_models()
                answers[name] = "allowed"
            except ClientError as error:
                answers[name] = error.response["Error"]["Code"]
    assert answers == {"listing": "allowed", "nothing": "AccessDeniedException"}


def test_grants_that_ask_the_same_share_a_session(tenant: Tenant) -> None:
    """Two of them cost one call of STS beside the source's own; another policy costs one more."""
    tenant.apply_source()
    tenant.source_reported("Ready")
    before = tenant.session_calls()
    for name in ("one", "two"):
        tenant.world.api.apply(credentials_of(tenant, name=name, policy=_ONLY_LISTING))
    statuses = [tenant.ready(name=name) for name in ("one", "two")]
    assert tenant.session_calls() == before + 1
    assert statuses[0]["keyId"] == statuses[1]["keyId"]
    assert tenant.data("one") == tenant.data("two")
    tenant.world.api.apply(credentials_of(tenant, name="three", policy=_NOTHING))
    assert tenant.ready(name="three")["keyId"] != statuses[0]["keyId"]
    assert tenant.session_calls() == before + 2


def test_a_changed_layout_needs_no_new_session(tenant: Tenant) -> None:
    """Formats may be exchanged for any others: the same credentials, the same revision."""
    status = made(tenant, formats=["AwsEnv"])
    before, calls = tenant.data(), tenant.session_calls()
    for form in ("AwsCredentialProcess", "AwsMountpoint", "AwsCredentialsFile", "AwsFields"):
        tenant.edit_grant(secret={"formats": [form]})
        reported = tenant.ready()
        assert (reported["revision"], reported["keyId"]) == (1, status["keyId"])
    data = tenant.data()
    assert data["accessKey"] == before["AWS_ACCESS_KEY_ID"]
    assert data["secretKey"] == before["AWS_SECRET_ACCESS_KEY"]
    assert data["sessionToken"] == before["AWS_SESSION_TOKEN"]
    assert tenant.session_calls() == calls


def test_what_is_edited_by_hand_is_repaired(tenant: Tenant) -> None:
    """From what is left of the credentials where that is enough, else by new ones."""
    made(tenant, formats=["AwsEnv", "AwsFields"])
    before = tenant.data()
    tenant.patch(tenant.secret_path(), {"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}})
    eventually(lambda: tenant.data() == before, seconds=5)
    assert tenant.ready()["revision"] == 1
    tenant.patch(tenant.secret_path(), {"data": {"AWS_SESSION_TOKEN": None, "sessionToken": None}})
    tenant.revision(2, seconds=5)
    assert tenant.data().keys() == before.keys()


def test_a_policy_beside_the_sources_own_is_refused(tenant: Tenant) -> None:
    """AWS would allow what either of them allows; the field and both cures are named."""
    tenant.apply_source(policy=_ONLY_LISTING)
    tenant.world.api.apply(credentials_of(tenant, policy=_NOTHING))
    reported = tenant.reported("Stalled", reason="InvalidSpec")
    message = condition(reported, "Stalled")["message"]
    assert "spec.sessionCredentials.policy:" in message
    assert "aws.webIdentity.policy" in message
    assert not tenant.has_secret()
    tenant.edit_grant(sessionCredentials={"policy": None})
    tenant.ready()


def test_the_document_says_what_it_is(tenant: Tenant) -> None:
    """credential-process.json is version 1, and its end is the real one."""
    status = made(tenant, formats=["AwsCredentialProcess"])
    document = json.loads(tenant.data()["credential-process.json"])
    assert (document["Version"], document["Expiration"]) == (1, status["expiresAt"])
