"""Every way to be someone in Alibaba Cloud: from apply to Ready, renewed under a reader, deleted.

One world and one namespace have them all. The operator's own environment is that of a user with a
key of its own, and its node has a role: only the sources that ask for these may become them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.cluster.alibaba_stage import Stage, config_of, set_up
from tests.cluster.alibaba_ways import WAYS
from tests.cluster.canaries import forms, said
from tests.cluster.tenants import condition
from tests.cluster.worlds import MakeWorld
from tests.testbed.alibaba_sdk import Sdk


@pytest.fixture(scope="module")
def stage(make_world: MakeWorld) -> Iterator[Stage]:
    """All sources and a grant of each, applied."""
    with set_up(make_world) as made:
        yield made


def test_the_table_has_every_way(stage: Stage) -> None:
    """None is left out of the tests below."""
    assert tuple(stage.ways) == WAYS


@pytest.mark.parametrize("name", WAYS)
def test_each_way_is_someone(stage: Stage, name: str) -> None:
    """Ready on a real API server; the real SDK gets the identity that the source reports.

    The status has the expiry that the cloud reports; static credentials have none.
    """
    way, tenant = stage.ways[name], stage.tenant
    status = tenant.ready(name=name)
    source = tenant.source_reported("Ready", name=name)
    assert source["identity"].startswith(way.arn)
    assert source["accountId"] == way.arn.split(":")[3]
    arn = stage.sdk.identity(**config_of(tenant.data(name)))
    assert arn.startswith(way.arn)
    assert ("expiresAt" in status) is way.ends
    assert ("expiresAt" in source) is way.ends
    message = condition(status, "Ready")["message"]
    assert ("written again when those of CredentialSource" in message) is not way.ends


def test_a_limited_session_is_limited(stage: Stage) -> None:
    """The policy with blanks in it was signed rightly, holds, and the session lasts 15 minutes."""
    tenant = stage.tenant
    status = tenant.ready(name="ram-role-limited")
    ends, issued = (datetime.fromisoformat(status[name]) for name in ("expiresAt", "issuedAt"))
    assert 890 <= (ends - issued).total_seconds() <= 910
    config = config_of(tenant.data("ram-role-limited"))
    reported = stage.sdk.call(
        "DescribeRegions", host="ecs.cn-hangzhou.aliyuncs.com", version="2014-05-26", **config
    )
    assert reported["Regions"]


def test_every_format_holds_the_same_credentials(stage: Stage) -> None:
    """Files, variables and JSON documents of one Secret agree."""
    tenant = stage.tenant
    for name in ("oidc", "access-key"):
        tenant.ready(name=name)
        data = tenant.data(name)
        config = config_of(data)
        profile = json.loads(data["config.json"])["profiles"][0]
        crossplane = json.loads(data["credentials"])
        lines = dict(line.split("=", 1) for line in data[".env"].splitlines())
        ini = dict(line.split(" = ", 1) for line in data["credentials.ini"].splitlines()[1:])
        for found in (
            (profile["access_key_id"], profile["access_key_secret"], profile.get("sts_token", "")),
            (
                crossplane["access_key"],
                crossplane["secret_key"],
                crossplane["security_token"],
            ),
            (
                lines["ALICLOUD_ACCESS_KEY"],
                lines["ALICLOUD_SECRET_KEY"],
                lines["ALICLOUD_SECURITY_TOKEN"],
            ),
            (ini["access_key_id"], ini["access_key_secret"], ini.get("security_token", "")),
        ):
            assert found == (
                config["access_key_id"],
                config["access_key_secret"],
                config.get("security_token", ""),
            )
        if name == "oidc":
            ram = json.loads(data["credentials.json"])
            assert ram.pop("Code") == "Success"
            assert ram == {field: data[field] for field in ram}


@pytest.mark.parametrize("name", ["oidc", "access-key"])
def test_the_sdk_finds_the_environment_and_the_files_by_itself(
    stage: Stage, name: str, tmp_path: Path
) -> None:
    """In a pod: by its default chain, from the variables, config.json, or the INI file."""
    tenant, arn = stage.tenant, stage.ways[name].arn
    tenant.ready(name=name)
    data, cloud = tenant.data(name), tenant.world.client_environment()
    variables = {key: value for key, value in data.items() if key.startswith("ALIBABA_CLOUD_")}
    with Sdk({**cloud, **variables}) as sdk:
        assert sdk.identity() == arn
    home = tmp_path / "home"
    (home / ".aliyun").mkdir(parents=True)
    (home / ".aliyun" / "config.json").write_text(data["config.json"])
    with Sdk({**cloud, "HOME": str(home)}) as sdk:
        assert sdk.identity() == arn
    if name == "access-key":  # the library's INI file knows no security token
        ini = tmp_path / "credentials.ini"
        ini.write_text(data["credentials.ini"])
        with Sdk({**cloud, "ALIBABA_CLOUD_CREDENTIALS_FILE": str(ini)}) as sdk:
            assert sdk.identity() == arn


def test_a_bearer_token_is_handed_on(stage: Stage) -> None:
    """Cloud Call Center takes it; a new one in the Secret reaches the grant within seconds."""
    tenant, cloud = stage.tenant, stage.tenant.world.alibaba
    grant = tenant.credentials(name="bearer", source="bearer", sessionCredentials=None)
    grant["spec"] |= {"bearerToken": {}, "secret": {"formats": ["ApiKey", "Authorization"]}}
    bearer = {"bearer": {"secretRef": {"name": "bearer-token"}}}
    tenant.apply(tenant.alibaba_source(name="bearer", **bearer), grant)
    status = tenant.ready(name="bearer")
    assert "expiresAt" not in status
    data = tenant.data("bearer")
    assert data["apiKey"] == data["Authorization"]
    assert "accountId" not in tenant.source_reported("Ready", name="bearer")
    reported = stage.sdk.call(
        "GetInstance",
        host="ccc.cn-shanghai.aliyuncs.com",
        version="2020-07-01",
        type="bearer",
        bearer_token=data["apiKey"],
    )
    assert reported
    fresh = cloud.create_bearer_token()
    tenant.patch(
        tenant.secret_path("bearer-token"), {"stringData": {"ALIBABA_CLOUD_BEARER_TOKEN": fresh}}
    )
    tenant.revision(2, name="bearer")
    assert tenant.data("bearer")["apiKey"] == fresh


def test_grants_may_ask_less_of_a_role(stage: Stage) -> None:
    """A duration and a policy of their own make a session of its own, of the last role."""
    tenant = stage.tenant
    policy = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": "oss:Get Object", "Resource": "*"}],
    }
    for source in ("oidc", "profile-chain"):
        requested = tenant.credentials(
            name=f"narrow-{source}",
            source=source,
            sessionCredentials={"duration": "20m", "policy": policy},
        )
        tenant.apply(requested)
        status = tenant.ready(name=f"narrow-{source}")
        ends, issued = (datetime.fromisoformat(status[n]) for n in ("expiresAt", "issuedAt"))
        assert 1190 <= (ends - issued).total_seconds() <= 1210
        config = config_of(tenant.data(f"narrow-{source}"))
        assert stage.sdk.identity(**config).startswith(stage.ways[source].arn)
        with pytest.raises(Exception, match=r"Forbidden\.RAM"):
            stage.sdk.call(
                "DescribeRegions",
                host="ecs.cn-hangzhou.aliyuncs.com",
                version="2014-05-26",
                **config,
            )


def test_a_probe_asks_who_the_new_credentials_are(stage: Stage) -> None:
    """GetCallerIdentity with them, before the Secret is written; what is refused is not published.

    STS is asked where the source says.
    """
    tenant, cloud = stage.tenant, stage.tenant.world.alibaba
    for name, source in (("probed", "oidc"), ("probed-static", "access-key")):
        tenant.apply(tenant.credentials(name=name, source=source, probe={"mode": "Identity"}))
        tenant.ready(name=name)
    spec = {"accessKey": {"secretRef": {"name": "key"}}}
    cloud.fail_next("sts", "GetCallerIdentity", code="Busy", message="Try again.", status=503)
    tenant.apply(
        tenant.alibaba_source(name="vpc", stsEndpoint="sts-vpc.cn-hangzhou.aliyuncs.com", **spec),
        tenant.credentials(name="probed-vpc", source="vpc", probe={"mode": "Identity"}),
    )
    tenant.ready(name="probed-vpc")
    assert "sts-vpc.cn-hangzhou.aliyuncs.com" in {call.host for call in cloud.calls(service="sts")}


def test_no_secret_is_told(stage: Stage) -> None:
    """No log, Event, status or metric contains a key, a session or a token."""
    for name in WAYS:
        stage.tenant.ready(name=name)
    world = stage.tenant.world
    texts = said(world, stage.operator)
    assert all(texts.values())
    leaks = {
        (place, form[:8])
        for place, text in texts.items()
        for secret in {*world.alibaba.secrets(), stage.cast.user.secret_key}
        for form in forms(secret)
        if form in text
    }
    assert leaks == set()


def test_nobody_but_those_who_ask_is_the_operator_or_its_node(stage: Stage) -> None:
    """The cloud saw the operator's own key, and the node's role, from their sources alone."""
    for name in WAYS:
        stage.tenant.ready(name=name)
    cloud = stage.tenant.world.alibaba
    own = stage.ways["default-chain"].arn
    assert {call.action for call in cloud.calls() if call.principal == own} == {"GetCallerIdentity"}
    versions = {call.parameters.get("version") for call in cloud.calls(service="metadata")} - {None}
    assert versions == {"v2"}
