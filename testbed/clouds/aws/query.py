"""The query protocol of STS and IAM: form in, XML out, by botocore's service models."""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from moto.core.serialize import QuerySerializer, SerializationContext
from moto.core.utils import get_service_model

from testbed.clouds.wire import Response

if TYPE_CHECKING:
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Request

_CONTENT_TYPE = "text/xml"


def form(request: Request) -> dict[str, str]:
    """The parameters of a call, from the body or the query."""
    text = request.body.decode("utf-8", "replace") if request.method == "POST" else request.query
    return dict(parse_qsl(text, keep_blank_values=True))


def members(parameters: dict[str, str], name: str, *, field: str) -> list[str]:
    """The values of a list parameter: `NAME.member.1.FIELD`, `NAME.member.2.FIELD` and so on."""
    found: list[str] = []
    while (value := parameters.get(f"{name}.member.{len(found) + 1}.{field}")) is not None:
        found.append(value)
    return found


def values(parameters: dict[str, str], name: str) -> list[str]:
    """The values of a list of plain values: `NAME.member.1`, `NAME.member.2` and so on."""
    found: list[str] = []
    while (value := parameters.get(f"{name}.member.{len(found) + 1}")) is not None:
        found.append(value)
    return found


def result(service: str, action: str, content: dict[str, Any]) -> Response:
    """The response of `action` in the format of its model."""
    serializer = QuerySerializer(
        operation_model=_model(service).operation_model(action),
        context=SerializationContext(request_id=str(uuid.uuid4())),
    )
    return Response(200, str(serializer.serialize(content)["body"]).encode(), _CONTENT_TYPE)


def error(refusal: CloudError, *, namespace: str) -> Response:
    """The error document; below 500 the fault is the sender's."""
    kind = "Sender" if refusal.status < 500 else "Receiver"
    body = (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type>'
        f"<Code>{escape(refusal.code)}</Code><Message>{escape(refusal.message)}</Message></Error>"
        f"<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    )
    return Response(refusal.status, body.encode(), _CONTENT_TYPE)


@functools.cache
def _model(service: str) -> Any:
    return get_service_model(service)
