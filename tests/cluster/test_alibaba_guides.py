"""The guides for Alibaba Cloud, with their own policies, which are just enough and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbed.clouds.alibaba.cloud import ACCOUNT
from testbed.world import EXAMPLES, World
from tests.cluster.alibaba import cli_config, trusts
from tests.cluster.alibaba_scene import Scene
from tests.cluster.alibaba_stage import config_of
from tests.cluster.eventually import eventually
from tests.cluster.guides import commands, run
from tests.cluster.tenants import Document, Tenant
from tests.testbed.alibaba_sdk import Sdk, SdkError

_ISSUER = "https://oidc-ack-cn-hangzhou.example.com/c1"


def _policy(world: World, folder: str, name: str) -> Document:
    """A policy of an example, for this cluster's issuer."""
    text = (EXAMPLES / folder / f"{name}-policy.json").read_text()
    found: Document = json.loads(text.replace(_ISSUER, world.cluster.issuer))
    return found


def _role(world: World, folder: str, *, name: str) -> str:
    return world.alibaba.create_role(
        name=name,
        trust_policy=_policy(world, folder, "trust"),
        policies={"permissions": _policy(world, folder, "permissions")},
    )


def _rrsa(scene: Scene, directory: Path) -> dict[str, str]:
    del directory
    _role(scene.world, "alibaba-rrsa", name="inventory")
    return {}


def _user(world: World, folder: str, *, name: str) -> dict[str, str]:
    policies = {"user": _policy(world, folder, "user")}
    key = world.alibaba.create_user(name=name, policies=policies)
    _role(world, folder, name=name)
    return {"ACCESS_KEY_ID": key.access_key_id, "ACCESS_KEY_SECRET": key.secret_key}


def _ram_role(scene: Scene, directory: Path) -> dict[str, str]:
    """The user's key, and a session of its role for the section about static credentials."""
    del directory
    key = _user(scene.world, "alibaba-ram-role", name="terraform")
    with Sdk(scene.world.client_environment()) as sdk:
        session: dict[str, str] = sdk.call(
            "AssumeRole",
            host="sts.cn-hangzhou.aliyuncs.com",
            query={
                "role_arn": f"acs:ram::{ACCOUNT}:role/terraform",
                "role_session_name": "batch",
                "external_id": "keywright-example",
            },
            type="access_key",
            access_key_id=key["ACCESS_KEY_ID"],
            access_key_secret=key["ACCESS_KEY_SECRET"],
        )["Credentials"]
    return {
        **key,
        "STS_ACCESS_KEY_ID": session["AccessKeyId"],
        "STS_ACCESS_KEY_SECRET": session["AccessKeySecret"],
        "STS_SECURITY_TOKEN": session["SecurityToken"],
    }


def _profile(scene: Scene, directory: Path) -> dict[str, str]:
    key = _user(scene.world, "alibaba-cli-profile", name="migration")
    held = {"access_key_id": key["ACCESS_KEY_ID"], "access_key_secret": key["ACCESS_KEY_SECRET"]}
    file = directory / "config.json"
    profile = {
        "name": "production",
        "mode": "RamRoleArn",
        **held,
        "ram_role_arn": f"acs:ram::{ACCOUNT}:role/migration",
        "ram_session_name": "from-a-laptop",
        "region_id": "cn-hangzhou",
    }
    other = {"name": "default", "mode": "CloudSSO"}
    file.write_text(cli_config(other, profile, current="default"))
    return {"CONFIG_JSON": str(file)}


def _uri(scene: Scene, directory: Path) -> dict[str, str]:
    del directory
    return {"CREDENTIALS_URI": scene.listed}


def _bearer(scene: Scene, directory: Path) -> dict[str, str]:
    del directory
    return {"BEARER_TOKEN": scene.world.alibaba.create_bearer_token()}


def _model_studio(scene: Scene, directory: Path) -> dict[str, str]:
    """The roles of both examples."""
    del directory
    _role(scene.world, "alibaba-model-studio", name="assistant-model-studio")
    _role(scene.world, "alibaba-model-studio-temporary", name="voice-model-studio")
    return {}


@dataclass(frozen=True)
class Guide:
    """A document whose commands are run, what is there before, and the grant it ends with."""

    document: str
    prepare: Callable[[Scene, Path], dict[str, str]]
    namespace: str
    grant: str
    reads_regions: bool = field(default=False)

    def __str__(self) -> str:
        return self.document


GUIDES = (
    Guide("alibaba-rrsa", _rrsa, "inventory", "inventory-credentials", reads_regions=True),
    Guide(
        "alibaba-access-key",
        _ram_role,
        "infrastructure",
        "terraform-credentials",
        reads_regions=True,
    ),
    Guide("alibaba-profile", _profile, "migration", "migration-credentials", reads_regions=True),
    Guide("alibaba-credentials-uri", _uri, "vending", "vending-credentials"),
    Guide("alibaba-bearer", _bearer, "call-center", "call-center-bearer"),
    Guide("model-studio", _model_studio, "assistant", "assistant-key"),
)


@pytest.fixture(scope="module")
def sdk(scene: Scene) -> Iterator[Sdk]:
    """A real SDK beside the cloud."""
    with Sdk(scene.world.client_environment()) as made:
        yield made


@pytest.mark.parametrize("guide", GUIDES, ids=str)
def test_the_commands_of_a_guide(scene: Scene, guide: Guide, sdk: Sdk, tmp_path: Path) -> None:
    """Every command does what the guide says; the credentials may do what the policy says.

    And no more: neither a role nor anything else can be had with them.
    """
    variables = guide.prepare(scene, tmp_path)
    for command in commands(f"docs/{guide.document}.md"):
        run(command, scene.world, **variables)
    path = f"/apis/keywright.dev/v1alpha1/namespaces/{guide.namespace}/apikeygrants/{guide.grant}"
    eventually(lambda: scene.world.api.get(path)["status"].get("revision") == 1)
    tenant = Tenant(scene.world)
    tenant.namespace = guide.namespace
    data = tenant.data(guide.grant)
    if guide.reads_regions:
        config = _config(data)
        assert _regions(sdk, config)
        open_role = scene.world.alibaba.create_role(
            name=f"open-{guide}", trust_policy=trusts({"RAM": [f"acs:ram::{ACCOUNT}:root"]})
        )
        with pytest.raises(SdkError, match="NoPermission"):
            sdk.call(
                "AssumeRole",
                host="sts.cn-hangzhou.aliyuncs.com",
                query={"role_arn": open_role, "role_session_name": "no"},
                **config,
            )


@pytest.mark.parametrize("folder", ["alibaba-ram-role", "alibaba-cli-profile"])
def test_the_user_of_an_example_may_do_nothing_by_itself(
    scene: Scene, sdk: Sdk, folder: str
) -> None:
    """A stolen access key alone is of no use: the role that its policy names must be assumed."""
    policies = {"user": _policy(scene.world, folder, "user")}
    key = scene.world.alibaba.create_user(name=f"stolen-{folder}", policies=policies)
    config = {
        "type": "access_key",
        "access_key_id": key.access_key_id,
        "access_key_secret": key.secret_key,
    }
    with pytest.raises(SdkError, match=r"Forbidden\.RAM"):
        _regions(sdk, config)


def _regions(sdk: Sdk, config: dict[str, Any]) -> object:
    return sdk.call(
        "DescribeRegions", host="ecs.cn-hangzhou.aliyuncs.com", version="2014-05-26", **config
    )["Regions"]


def _config(data: dict[str, str]) -> dict[str, Any]:
    """From the environment, or from the body of a credentials URI."""
    if "credentials.json" not in data:
        return config_of(data)
    found = json.loads(data["credentials.json"])
    return {
        "type": "sts",
        "access_key_id": found["AccessKeyId"],
        "access_key_secret": found["AccessKeySecret"],
        "security_token": found["SecurityToken"],
    }
