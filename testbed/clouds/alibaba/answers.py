"""The JSON responses and errors of Alibaba Cloud's services."""

from __future__ import annotations

import datetime
import uuid
from typing import TYPE_CHECKING, Any

from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Request, Response


def result(content: dict[str, Any]) -> Response:
    """The response with a request ID."""
    return json_response({"RequestId": _request_id(), **content})


def error(request: Request, refusal: CloudError) -> Response:
    """The error document."""
    return json_response(
        {
            "RequestId": _request_id(),
            "HostId": request.host,
            "Code": refusal.code,
            "Message": refusal.message,
            "Recommend": f"https://error-center.aliyun.com/status/search?Keyword={refusal.code}",
        },
        status=refusal.status,
    )


def time_text(seconds: float) -> str:
    """A time in seconds since the epoch as 2026-01-02T03:04:05Z."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _request_id() -> str:
    return str(uuid.uuid4()).upper()
