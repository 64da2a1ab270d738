"""A pod with Alibaba Cloud's SDK: what it is asked comes as lines of JSON, and so do the answers.

A process of its own, since the SDK reads its environment and its CAs when it is imported.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_credentials.models import Config
from alibabacloud_sts20150401 import models
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.utils_models import Config as ApiConfig
from alibabacloud_tea_openapi.utils_models import OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

ONCE = RuntimeOptions(autoretry=False)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Call an API with the credentials of a Config, None for the default chain."""
    config = asked["config"]
    credentials = Credentials(None if config is None else Config(**config))
    if asked["action"] is None:
        model = (
            asyncio.run(credentials.get_credential_async())
            if asked["asynchronous"]
            else credentials.get_credential()
        )
        return {
            "access_key_id": model.access_key_id,
            "access_key_secret": model.access_key_secret,
            "security_token": model.security_token,
        }
    if asked["host"].startswith("sts"):
        return sts(asked, credentials)
    params = Params(
        action=asked["action"],
        version=asked["version"],
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    client = Client(ApiConfig(credential=credentials, endpoint=asked["host"]))
    request = OpenApiRequest(query=asked["query"])
    return dict(client.call_api(params, request, ONCE)["body"])


def sts(asked: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
    """Call STS with its own SDK."""
    client = Sts(ApiConfig(credential=credentials, endpoint=asked["host"]))
    wanted = f"{asked['action']}WithOptions".lower()
    # its names are snake case of a kind: assume_role_with_oidcwith_options
    call = getattr(client, next(n for n in dir(client) if n.replace("_", "") == wanted))
    if asked["action"] == "GetCallerIdentity":
        return dict(call(ONCE).body.to_map())
    request = getattr(models, f"{asked['action']}Request")(**asked["query"])
    return dict(call(request, ONCE).body.to_map())


for line in sys.stdin:
    try:
        told: dict[str, Any] = {"answer": answer(json.loads(line))}
    except Exception as error:  # whatever the SDK raises is the answer
        told = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
