"""Bedrock Mantle: bedrock-mantle.REGION.api.aws, with OpenAI's and Anthropic's interfaces.

Hosts, paths, actions and the refusals' words as in `facts/consumers.md` §4 and `facts/refusals.md`.
Which models answer below which prefix is made up, but for that there is a difference. [R] for the
words, [U] for the status and the form they come in.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import anthropic_v1, models, openai_v1, refusals
from testbed.clouds.aws.bedrock import Operation, Plane, always
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from testbed.clouds.aws.bedrock import Invocation
    from testbed.clouds.wire import Request

_OPENAI = re.compile(r"(/openai)?/v1/")
# id -> the prefix at which it is available
MODELS = {
    "openai.gpt-oss-20b": "/v1",
    "openai.gpt-oss-120b": "/v1",
    "openai.gpt-5.4": "/openai/v1",
    "anthropic.claude-sonnet-4-5": "/anthropic/v1",
}


def _list(call: Invocation) -> Response:
    return json_response(
        {
            "object": "list",
            "data": [
                {"id": name, "object": "model", "created": 0, "owned_by": name.partition(".")[0]}
                for name, prefix in MODELS.items()
                if call.path.startswith(f"{prefix}/")
            ],
        }
    )


def _responses(call: Invocation) -> Response:
    """The minimal response that the openai SDK accepts."""
    requested = call.body.get("input", "")
    said = requested if isinstance(requested, str) else str(requested[-1].get("content", ""))
    content: dict[str, Any] = {
        "type": "output_text",
        "text": models.reply(said),
        "annotations": [],
    }
    message = {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [content],
    }
    return json_response(
        {
            "id": f"resp_{uuid.uuid4().hex}",
            "object": "response",
            "created_at": 0,
            "status": "completed",
            "model": call.model_id,
            "output": [message],
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
        }
    )


def _resources(model_id: str | None, *, region: str, account: str) -> tuple[str, ...]:  # noqa: ARG001  as in Plane
    """Calls belong to a project; by default to the project "default" [R]."""
    return (f"arn:aws:bedrock-mantle:{region}:{account}:project/default",)


def _check(model_id: str, path: str) -> None:
    prefix = MODELS.get(model_id)
    if prefix is None:
        raise CloudError("ValidationException", f"model {model_id} not found", status=404)
    if not path.startswith(f"{prefix}/"):
        raise CloudError("ValidationException", f"model {model_id} isn't supported on this route")


def _refuse(request: Request, error: CloudError) -> Response:
    if request.path.startswith("/anthropic/"):
        return anthropic_v1.error(error)
    if error.message in _UNKNOWN_KEY:
        # hermes-agent #87190 [R]
        content = {
            "code": "invalid_api_key",
            "message": "Invalid bearer token",
            "type": "authentication_error",
        }
        return json_response({"error": content}, status=401)
    return openai_v1.error(error)


_UNKNOWN_KEY = {refusals.bearer_token_invalid().message, refusals.bearer_token_format().message}
_INFERENCE = always("bedrock-mantle:CreateInference")
PLANE = Plane(
    prefix="bedrock-mantle",
    resources=_resources,
    check=_check,
    refuse=_refuse,
    operations=(
        Operation(
            action="ChatCompletions",
            method="POST",
            path=re.compile(_OPENAI.pattern + "chat/completions"),
            permission=_INFERENCE,
            answer=lambda call: openai_v1.chat_completion(call.body),
        ),
        Operation(
            action="CreateResponse",
            method="POST",
            path=re.compile(_OPENAI.pattern + "responses"),
            permission=_INFERENCE,
            answer=_responses,
        ),
        Operation(
            action="ListModels",
            method="GET",
            path=re.compile(_OPENAI.pattern + "models"),
            permission=always("bedrock-mantle:ListModels"),  # [U] on which resource
            answer=_list,
        ),
        Operation(
            action="CreateMessage",
            method="POST",
            path=re.compile(r"/anthropic/v1/messages"),
            permission=_INFERENCE,
            answer=lambda call: anthropic_v1.message(call.body),
        ),
    ),
)
