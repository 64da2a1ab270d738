"""A world with both clouds: one environment leads to either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clusters.embedded import EmbeddedCluster
from testbed.readers import aws_env
from testbed.world import Vendor, World
from tests.testbed.alibaba_sdk import Sdk

if TYPE_CHECKING:
    from pathlib import Path


def test_one_environment_leads_to_both_clouds(tmp_path: Path) -> None:
    """One proxy and one file of CAs; each cloud trusts the cluster's tokens."""
    with World(EmbeddedCluster, directory=tmp_path, providers=list(Vendor)) as world:
        environment = world.client_environment()
        aws_user = world.aws.create_user(name="both", policies={})
        data = {
            "AWS_ACCESS_KEY_ID": aws_user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": aws_user.secret_key,
            "AWS_REGION": "us-east-1",
        }
        answer = aws_env.call_identity(data, cloud_environment=environment)
        assert (answer.text, answer.error) == (aws_user.user_arn, None)
        user = world.alibaba.create_user(name="both")
        with Sdk(environment) as sdk:
            identity = sdk.identity(
                type="access_key",
                access_key_id=user.access_key_id,
                access_key_secret=user.secret_key,
            )
        assert identity == user.user_arn
