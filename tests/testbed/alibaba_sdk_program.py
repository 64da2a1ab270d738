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


def answer(requested: dict[str, Any]) -> dict[str, Any]:
    """Call an API with the credentials of a Config, None for the default chain."""
    config = requested["config"]
    credentials = Credentials(None if config is None else Config(**config))
    if requested["action"] is None:
        model = (
            asyncio.run(credentials.get_credential_async())
            if requested["asynchronous"]
            else credentials.get_credential()
        )
        return {
            "access_key_id": model.access_key_id,
            "access_key_secret": model.access_key_secret,
            "security_token": model.security_token,
        }
    if requested["host"].startswith("sts"):
        return sts(requested, credentials)
    params = Params(
        action=requested["action"],
        version=requested["version"],
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    client = Client(ApiConfig(credential=credentials, endpoint=requested["host"]))
    request = OpenApiRequest(query=requested["query"])
    return dict(client.call_api(params, request, ONCE)["body"])


def sts(requested: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
    """Call STS with its own SDK."""
    client = Sts(ApiConfig(credential=credentials, endpoint=requested["host"]))
    wanted = f"{requested['action']}WithOptions".lower()
    # its names are snake case of a kind: assume_role_with_oidcwith_options
    call = getattr(client, next(n for n in dir(client) if n.replace("_", "") == wanted))
    if requested["action"] == "GetCallerIdentity":
        return dict(call(ONCE).body.to_map())
    request = getattr(models, f"{requested['action']}Request")(**requested["query"])
    return dict(call(request, ONCE).body.to_map())


for line in sys.stdin:
    try:
        reported: dict[str, Any] = {"answer": answer(json.loads(line))}
    except Exception as error:  # whatever the SDK raises is the answer
        reported = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(reported) + "\n")
    sys.stdout.flush()
