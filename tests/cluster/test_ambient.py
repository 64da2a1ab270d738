"""The operator's own identity: lent to no one, unless its flag says so."""

from __future__ import annotations

from testbed.readers import http_converse
from tests.cluster.chains import EVERYTHING, apply_chain, roles
from tests.cluster.tenants import Tenant, condition
from tests.cluster.test_sts_credentials import credentials_of
from tests.cluster.worlds import MakeWorld


def test_it_is_off(tenant: Tenant) -> None:
    """Source and grant are Stalled, and name the flag."""
    apply_chain(tenant, [], ambient={})
    tenant.apply_grant()
    for reported in (
        tenant.source_reported("Stalled", reason="AmbientNotAllowed"),
        tenant.reported("Stalled", reason="AmbientNotAllowed"),
    ):
        message = condition(reported, "Stalled")["message"]
        assert "spec.aws.ambient" in message
        assert "--allow-ambient" in message
    assert not tenant.has_secret()


def test_it_is_what_boto3_finds_around_the_operator(make_world: MakeWorld) -> None:
    """With the flag: a Bedrock key is signed by it, and chains begin with it.

    Sources with an identity of their own do not depend on the content of that environment.
    """
    with make_world() as world:
        key = world.aws.create_user(name="operator", policies={"everything": EVERYTHING})
        operator = world.operator(
            arguments=["--allow-ambient"],
            environment={
                "AWS_ACCESS_KEY_ID": key.access_key_id,
                "AWS_SECRET_ACCESS_KEY": key.secret_key,
            },
        )
        operator.start()
        tenant = Tenant(world, name="ambient")
        tenant.prepare()
        apply_chain(tenant, [], name="ambient", ambient={})
        tenant.apply_grant(name="signed", source="ambient")
        assert tenant.ready(name="signed")["keyId"] == key.access_key_id
        source = tenant.source_reported("Ready", name="ambient")
        assert (source["identity"], source["accountId"]) == (key.user_arn, "123456789012")
        environment = world.aws.client_environment()
        assert http_converse.call(tenant.data("signed"), cloud_environment=environment).ok
        (far,) = roles(tenant, count=1, first=key.user_arn)
        apply_chain(tenant, [{"roleArn": far}], name="chained", ambient={})
        body = credentials_of(tenant, name="chained")
        body["spec"]["sourceRef"] = {"name": "chained"}
        world.api.apply(body)
        tenant.ready(name="chained")
        assert tenant.become_ready()["keyId"].startswith("ASIA")
        assert key.secret_key not in operator.log.read_text()
