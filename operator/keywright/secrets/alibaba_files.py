"""Configuration files of Alibaba Cloud's tools and SDKs, from the values of one access key.

The names of profiles, modes and fields are those that `alibabacloud_credentials` 1.0.12 reads
(provider/cli_profile.py, provider/profile.py, provider/uri.py) and documents.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A revealed access key: keep it only while a Secret is being written.

    `token` is empty for a key without a session token.
    """

    id: str
    secret: str
    token: str
    region: str


def config_json(key: AccessKey) -> str:
    """The configuration of the Alibaba Cloud CLI, `~/.aliyun/config.json`: one profile."""
    token = {"sts_token": key.token} if key.token else {}
    profile = {
        "name": "default",
        "mode": "StsToken" if key.token else "AK",
        "access_key_id": key.id,
        "access_key_secret": key.secret,
        **token,
        "region_id": key.region,
        "output_format": "json",
        "language": "en",
    }
    return json.dumps({"current": "default", "profiles": [profile]})


def credentials_ini(key: AccessKey) -> str:
    """The INI file, section [default]; not every SDK supports the type `sts` there."""
    lines = {
        "enable": "true",
        "type": "sts" if key.token else "access_key",
        "access_key_id": key.id,
        "access_key_secret": key.secret,
        **({"security_token": key.token} if key.token else {}),
    }
    return "[default]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())


def credentials_uri_body(key: AccessKey, *, expires_at: str) -> str:
    """The response body of a credentials URI."""
    return json.dumps(
        {
            "Code": "Success",
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.token,
            "Expiration": expires_at,
        }
    )


def crossplane(key: AccessKey) -> str:
    """The credentials of Crossplane's provider-upjet-alibabacloud."""
    return json.dumps(
        {
            "access_key": key.id,
            "secret_key": key.secret,
            "security_token": key.token,
            "region": key.region,
        }
    )
