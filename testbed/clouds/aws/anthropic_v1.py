"""Anthropic's API, in Bedrock and in Claude Platform: a message, and errors in its format.

The format is that of Anthropic's Messages API [K]; that Bedrock's errors use it is a guess. [U]
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import models
from testbed.clouds.wire import json_response, streamed

if TYPE_CHECKING:
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Response

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def message(body: dict[str, Any]) -> Response:
    """The model's response to the last message, or its events with `stream: true`."""
    messages = body.get("messages") or [{}]
    content = messages[-1].get("content", "")
    said = content if isinstance(content, str) else json.dumps(content)
    answer = models.reply(said)
    whole = {
        "id": f"msg_{uuid.uuid4().hex}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model"),
        "content": [{"type": "text", "text": answer}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": len(said.split()), "output_tokens": len(answer.split())},
    }
    if body.get("stream"):
        return _stream(whole, answer=answer, seconds=models.seconds_to_stream(said))
    return json_response(whole)


def _stream(whole: dict[str, Any], *, answer: str, seconds: float) -> Response:
    """The events of a message: its start, one for each word, and its end."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": whole | {"content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": f"{word} "},
            }
            for word in answer.split()
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": len(answer.split())},
        },
        {"type": "message_stop"},
    ]
    chunks = (f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)
    return streamed(chunks, content_type="text/event-stream", seconds=seconds)


def error(refusal: CloudError) -> Response:
    """An error in Anthropic's format."""
    kind = _ERROR_TYPES.get(refusal.status, "api_error")
    return json_response(
        {"type": "error", "error": {"type": kind, "message": refusal.message}},
        status=refusal.status,
    )
