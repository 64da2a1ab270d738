"""The guides for the operator's own identity and for RSA key pairs, in a world of their own.

The operator is started with --allow-ambient, with a key of each cloud in its environment, and on a
node with a role.
"""

from __future__ import annotations

import configparser
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from testbed.clouds.alibaba.cloud import ACCOUNT
from testbed.readers import http_converse
from testbed.world import EXAMPLES, Vendor, World
from tests.cluster.alibaba import EVERYTHING, trusts
from tests.cluster.alibaba_stage import config_of
from tests.cluster.guides import commands, run
from tests.cluster.tenants import Tenant
from tests.cluster.worlds import MakeWorld
from tests.testbed.alibaba_sdk import Sdk


@dataclass(frozen=True)
class Site:
    """The world, the operator's keys in both clouds, and a user with an RSA key pair."""

    world: World
    aws_key_id: str
    alibaba_arn: str
    variables: dict[str, str]
    pair_owner: str


@pytest.fixture(scope="module")
def site(make_world: MakeWorld) -> Iterator[Site]:
    """The guides' surroundings."""
    policy = json.loads((EXAMPLES / "operator-identity-aws/permissions-policy.json").read_text())
    with make_world(providers=[Vendor.AWS, Vendor.ALIBABA]) as world:
        aws = world.aws.create_user(name="operator", policies={"permissions": policy})
        own = world.alibaba.create_user(name="operator", policies={"everything": EVERYTHING})
        user = world.alibaba.create_user(name="site", policies={"everything": EVERYTHING})
        pair = world.alibaba.create_rsa_key_pair(user.user_arn)
        node = world.alibaba.create_role(
            name="node-agents",
            trust_policy=trusts({"Service": ["ecs.aliyuncs.com"]}),
            policies={"everything": EVERYTHING},
        )
        world.alibaba.attach_instance_role(node)
        pem = world.directory / "private-key.pem"
        pem.write_text(pair.private_key)
        operator = world.operator(
            arguments=["--allow-ambient"],
            environment={
                "AWS_ACCESS_KEY_ID": aws.access_key_id,
                "AWS_SECRET_ACCESS_KEY": aws.secret_key,
                "ALIBABA_CLOUD_ACCESS_KEY_ID": own.access_key_id,
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET": own.secret_key,
            },
        )
        operator.start()
        variables = {"PUBLIC_KEY_ID": pair.public_key_id, "PRIVATE_KEY_FILE": str(pem)}
        yield Site(world, aws.access_key_id, own.user_arn, variables, user.user_arn)
        log = operator.log.read_text()
        secrets = [aws.secret_key, own.secret_key, *world.alibaba.secrets()]
        assert [secret for secret in secrets if secret in log] == []


def _data(site: Site, namespace: str, grant: str) -> dict[str, str]:
    tenant = Tenant(site.world)
    tenant.namespace = namespace
    return tenant.data(grant)


def test_the_guide_of_the_operators_identity(site: Site) -> None:
    """Each of its three examples becomes Ready, and its Secret has the identity that it names."""
    for command in commands("docs/operator-identity.md"):
        run(command, site.world)
    dot_env = _data(site, "evaluation", "evaluation-key")[".env"]
    key = dict(line.split("=", 1) for line in dot_env.splitlines())
    assert http_converse.call(key, cloud_environment=site.world.client_environment()).ok
    with Sdk(site.world.client_environment()) as sdk:
        chain = config_of(_data(site, "backup", "backup-credentials"))
        assert sdk.identity(**chain) == site.alibaba_arn
        ram = _data(site, "node-agents", "node-credentials")
        session = {
            "type": "sts",
            "access_key_id": ram["AccessKeyId"],
            "access_key_secret": ram["AccessKeySecret"],
            "security_token": ram["SecurityToken"],
        }
        node = f"acs:ram::{ACCOUNT}:assumed-role/node-agents/"
        assert sdk.identity(**session).startswith(node)


def test_the_guide_of_rsa_key_pairs(site: Site) -> None:
    """The session access key is in a file that the SDK finds by its variable."""
    for command in commands("docs/alibaba-rsa-key-pair.md"):
        run(command, site.world, **site.variables)
    text = _data(site, "japan-site", "site-credentials")["credentials.ini"]
    sections = configparser.ConfigParser()
    sections.read_string(text)
    assert sections.sections() == ["default"]
    file = site.world.directory / "credentials.ini"
    file.write_text(text)
    environment = site.world.client_environment()
    with Sdk({**environment, "ALIBABA_CLOUD_CREDENTIALS_FILE": str(file)}) as sdk:
        assert sdk.identity() == site.pair_owner
