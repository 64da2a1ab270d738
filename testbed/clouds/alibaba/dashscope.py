"""The API that keys of Model Studio call: OpenAI-compatible, native, and temporary keys.

Hosts and paths: the pages "Base URL overview" and "Generate a temporary API key" of Model Studio.
The native path is that of the SDK dashscope (Generation.call). [R] A workspace's host accepts the
keys of that workspace alone. [U]
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from testbed.clouds.alibaba import model_studio_refusals as refusals
from testbed.clouds.alibaba.model_studio_keys import LONGEST_SECONDS
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from testbed.clouds.alibaba.model_studio_keys import ApiKey, ModelStudioKeys
    from testbed.clouds.wire import Entry, Request, Response

_COMPATIBLE = "/compatible-mode/v1/"
_ROUTES = {
    ("POST", "/api/v1/tokens"): "CreateToken",
    ("POST", f"{_COMPATIBLE}chat/completions"): "ChatCompletions",
    ("POST", "/api/v1/services/aigc/text-generation/generation"): "Generation",
}
_REGIONS = {
    "dashscope.aliyuncs.com": "cn-beijing",
    "dashscope-intl.aliyuncs.com": "ap-southeast-1",
    "dashscope-us.aliyuncs.com": "us-east-1",
    "cn-hongkong.dashscope.aliyuncs.com": "cn-hongkong",
}
_WORKSPACE_HOST = re.compile(r"([a-z0-9_-]+)\.([a-z]{2}-[a-z0-9-]+)\.maas\.aliyuncs\.com")


def is_host(host: str) -> bool:
    """Whether the host is one of this service."""
    return host in _REGIONS or _WORKSPACE_HOST.fullmatch(host) is not None


class DashScope:
    """The shared hosts of the regions, and the hosts of the workspaces."""

    name = "dashscope"

    def __init__(self, *, keys: ModelStudioKeys) -> None:
        self._keys = keys

    def action(self, request: Request) -> str:
        """The name of the operation, or method and path if there is none."""
        known = _ROUTES.get((request.method, request.path))
        return known or f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        if (request.method, request.path) not in _ROUTES:
            raise refusals.no_route()
        value = (request.header("authorization") or "").removeprefix("Bearer ")
        workspace, region = _place(request.host)
        key = self._keys.authenticate(value, region=region, source_ip=request.source_ip)
        if workspace is not None and workspace != key.workspace.lower():
            raise refusals.of_another_workspace()
        entry.principal = f"acs:modelstudio:{region}:{key.account}:apikey/{key.id}"
        if action == "CreateToken":
            return self._token(request, key, value=value)
        body = json.loads(request.body)
        _check_model(key, str(body.get("model")))
        return _completion(body) if action == "ChatCompletions" else _generation(body)

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error in OpenAI's format for its paths, otherwise in the native one."""
        if not request.path.startswith(_COMPATIBLE):
            content = {"code": error.code, "message": error.message, "request_id": _id()}
            return json_response(content, status=error.status)
        code = "invalid_api_key" if error.code == "InvalidApiKey" else error.code
        message = "Incorrect API key provided. " if error.status == 401 else error.message
        found = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
        return json_response({"error": found, "request_id": _id()}, status=error.status)

    def _token(self, request: Request, key: ApiKey, *, value: str) -> Response:
        if self._keys.is_temporary(value):
            raise refusals.invalid_key()
        given = dict(part.partition("=")[::2] for part in request.query.split("&") if part)
        text = given.get("expire_in_seconds", "60")
        if not text.isdigit() or not 1 <= int(text) <= LONGEST_SECONDS:
            raise CloudError("InvalidParameter", "expire_in_seconds must be in [1, 1800].")
        made = self._keys.make_temporary(key, seconds=int(text))
        return json_response({"token": made.value, "expires_at": made.expires_at})


def _place(host: str) -> tuple[str | None, str]:
    """The workspace of a host, if it is that of a workspace, and the region."""
    named = _WORKSPACE_HOST.fullmatch(host)
    return (None, _REGIONS[host]) if named is None else (named[1], named[2])


def _check_model(key: ApiKey, model: str) -> None:
    if model not in refusals.MODELS:
        raise refusals.model_not_found()
    if key.permissions.models and model not in key.permissions.models:
        raise refusals.model_denied()


def _completion(body: dict[str, Any]) -> Response:
    said = str(body["messages"][-1]["content"])
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": f"You said: {said}"},
        "finish_reason": "stop",
    }
    return json_response(
        {
            "id": f"chatcmpl-{_id()}",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
    )


def _generation(body: dict[str, Any]) -> Response:
    found = body.get("input", {})
    said = found.get("prompt") or found["messages"][-1]["content"]
    message = {"role": "assistant", "content": f"You said: {said}"}
    return json_response(
        {
            "output": {
                "text": None,
                "finish_reason": None,
                "choices": [{"finish_reason": "stop", "message": message}],
            },
            "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
            "request_id": _id(),
        }
    )


def _id() -> str:
    return str(uuid.uuid4())
