"""The OpenAI-compatible API of Bedrock's runtime: chat completions and the list of models.

Formats as the openai SDK 3.5 parses them. The error's format is that of bedrock-mantle;
bedrock-runtime is assumed to have the same. [U] A key that may not be used as a bearer token gets
401 (agentcore-public-stack #959). [R]
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import models
from testbed.clouds.wire import Response, json_response, streamed

if TYPE_CHECKING:
    from testbed.clouds.errors import CloudError

_BEARER_ACTION = "perform: bedrock:CallWithBearerToken"
_ERROR_TYPES = {
    401: ("access_denied", "authentication_error"),
    400: ("validation_error", "invalid_request_error"),
    403: ("access_denied", "permission_denied_error"),
    404: ("not_found", "not_found_error"),
    429: ("throttled", "rate_limit_error"),
}


def chat_completion(body: dict[str, Any]) -> Response:
    """One completion, or its stream of events with `stream: true`."""
    messages = body.get("messages") or [{}]
    content = messages[-1].get("content", "")
    said = content if isinstance(content, str) else json.dumps(content)
    answer = models.reply(said)
    header = {
        "id": f"chatcmpl-{uuid.uuid4()}",
        "created": int(time.time()),
        "model": body.get("model"),
    }
    if body.get("stream"):
        return _stream(header, answer=answer, seconds=models.seconds_to_stream(said))
    usage = {"prompt_tokens": len(said.split()), "completion_tokens": len(answer.split())}
    return json_response(
        header
        | {
            "object": "chat.completion",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answer},
                    "finish_reason": "stop",
                }
            ],
            "usage": usage | {"total_tokens": sum(usage.values())},
        }
    )


def model_list() -> Response:
    """All models."""
    return json_response(
        {
            "object": "list",
            "data": [
                {"id": model.id, "object": "model", "created": 0, "owned_by": model.provider}
                for model in models.MODELS
            ],
        }
    )


def error(refusal: CloudError) -> Response:
    """An error in OpenAI's format."""
    status = 401 if _BEARER_ACTION in refusal.message else refusal.status
    code, kind = _ERROR_TYPES.get(status, ("internal_error", "server_error"))
    return json_response(
        {"error": {"code": code, "message": refusal.message, "type": kind}}, status=status
    )


def _stream(header: dict[str, Any], *, answer: str, seconds: float) -> Response:
    """Server-sent events: a chunk for each word, the end, and OpenAI's `[DONE]`."""
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": word + " "}, None) for word in answer.split()
    ]
    deltas.append(({}, "stop"))
    events = [
        json.dumps(
            header
            | {
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            }
        )
        for delta, reason in deltas
    ]
    chunks = (f"data: {event}\n\n".encode() for event in [*events, "[DONE]"])
    return streamed(chunks, content_type="text/event-stream", seconds=seconds)
