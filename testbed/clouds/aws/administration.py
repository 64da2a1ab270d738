"""boto3 clients of an administrator, to prepare and inspect accounts in tests."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from testbed.boto3_sessions import boto3_session

if TYPE_CHECKING:
    from testbed.clouds.aws.cloud import AwsCloud

_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def administrator(cloud: AwsCloud, service: str, *, account: str, region: str = "us-east-1") -> Any:
    """A client with all permissions in that account, without retries.

    Each has its own user, with a name that begins with "administrator-". Its calls are in the call
    log, and count if a test limits the account's rate.
    """
    key = cloud.create_user(
        name=f"administrator-{secrets.token_hex(4)}",
        policies={"all": {"Version": "2012-10-17", "Statement": [_ALL]}},
        account=account,
    )
    return boto3_session().client(
        service,
        region_name=region,
        aws_access_key_id=key.access_key_id,
        aws_secret_access_key=key.secret_key,
        verify=str(cloud.ca_file),
        config=Config(
            proxies={"https": cloud.client_environment()["HTTPS_PROXY"]},
            retries={"total_max_attempts": 1},
        ),
    )
