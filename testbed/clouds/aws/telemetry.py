"""The OTLP endpoints of CloudWatch, CloudWatch Logs and X-Ray, for API keys.

Hosts, paths and content types: CloudWatch User Guide, "OTLP Endpoints"; headers, and status 400 and
401: CloudWatch Logs User Guide, "Log ingestion through HTTP endpoints". [R] Actions: the managed
policies of AWS for such keys. [R] That a key of another service gets 403: a public repository. [R]
The status of other refusals, and their messages, are guesses. [U] X-Ray's endpoint needs
Transaction Search, which is enabled here.
"""

from __future__ import annotations

import gzip
import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import json_protocol, refusals, service_credentials
from testbed.clouds.aws.log_groups import TARGET
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.log_groups import LogGroups
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.aws.service_credentials import ServiceCredentials
    from testbed.clouds.wire import Entry, Request

_BEARER = "Bearer "
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_UNAUTHORIZED = 401
_LOG_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_OF_THE_KEY = {refusals.bearer_token_invalid().message, refusals.bearer_token_expired().message}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One host: the service of its keys in IAM, the prefix of its actions, and its signal."""

    name: str
    credential_service: str
    prefix: str
    signal: str
    sends: str
    unauthorized: int

    @property
    def path(self) -> str:
        """The path of the signal."""
        return f"/v1/{self.signal}"


ENDPOINTS = (
    Endpoint(
        name="monitoring",
        credential_service=service_credentials.CLOUDWATCH,
        prefix="cloudwatch",
        signal="metrics",
        sends="PutMetricData",
        unauthorized=403,
    ),
    Endpoint(
        name="logs",
        credential_service=service_credentials.CLOUDWATCH_LOGS,
        prefix="logs",
        signal="logs",
        sends="PutLogEvents",
        unauthorized=_UNAUTHORIZED,
    ),
    Endpoint(
        name="xray",
        credential_service=service_credentials.XRAY,
        prefix="xray",
        signal="traces",
        sends="PutTraceSegments",
        unauthorized=403,
    ),
)


class Telemetry:
    """One endpoint in all regions; `received` counts what it has accepted."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        groups: LogGroups,
        credentials: ServiceCredentials,
        authentication: Authentication,
    ) -> None:
        self.name = endpoint.name
        self.received = 0
        self._endpoint = endpoint
        self._groups = groups
        self._credentials = credentials
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The name of the action, or method and path if there is none."""
        target = request.header("x-amz-target") or ""
        if self.name == "logs" and target.startswith(TARGET):
            return target.removeprefix(TARGET)
        if (request.method, request.path) == ("POST", self._endpoint.path):
            return self._endpoint.sends
        return f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        region = request.host.split(".")[1]
        if self.name == "logs" and request.header("x-amz-target") is not None:
            return self._groups.call(
                request,
                action=action,
                region=region,
                entry=entry,
                authentication=self._authentication,
            )
        principal = self._authenticate(request, entry)
        if action != self._endpoint.sends:
            raise CloudError("UnknownOperationException", f"{request.path} not found", status=404)
        self._allow(principal, "CallWithBearerToken", "*", request)
        self._allow(principal, action, self._resource(request, principal, region=region), request)
        content_type = (request.header("content-type") or "").partition(";")[0]
        content, answer = _decoded(request, signal=self._endpoint.signal, content_type=content_type)
        self.received += _count(content, signal=self._endpoint.signal)
        return answer

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error; a key that is not valid has a status of its own at some endpoints."""
        if request.header("x-amz-target") is not None:
            body = {"__type": error.code, "message": error.message}
            return json_response(body, status=error.status)
        if error.message in _OF_THE_KEY:
            error = CloudError(error.code, error.message, status=self._endpoint.unauthorized)
        return json_protocol.error(error)

    def _authenticate(self, request: Request, entry: Entry) -> Principal:
        authorization = request.header("authorization") or ""
        if not authorization.startswith(_BEARER):
            raise CloudError(
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
                status=self._endpoint.unauthorized,
            )
        key = authorization.removeprefix(_BEARER)
        credential = self._credentials.verify(key, service=self._endpoint.credential_service)
        principal = self._authentication.user(
            account=credential.account,
            name=credential.user_name,
            user_id=credential.user_id,
            credential_id=credential.id,
        )
        if principal is None:
            raise refusals.bearer_token_invalid()
        entry.principal = principal.arn
        entry.parameters["CredentialId"] = credential.id
        self._authentication.pace(self.name, account=principal.account)
        return principal

    def _resource(self, request: Request, principal: Principal, *, region: str) -> str:
        """The log stream of a request for logs, which must exist and accept keys; otherwise any."""
        if self.name != "logs":
            return "*"
        name, stream = request.header("x-aws-log-group"), request.header("x-aws-log-stream")
        if not name or not stream or not _LOG_GROUP.fullmatch(name):
            raise CloudError(
                "InvalidParameterException",
                "x-aws-log-group and x-aws-log-stream headers are required",
            )
        group = self._groups.find(account=principal.account, region=region, name=name)
        if stream not in group.streams:
            raise CloudError(
                "ResourceNotFoundException", "The specified log stream does not exist."
            )
        if not group.accepts_bearer_tokens:
            raise CloudError(
                "AccessDeniedException",
                "Bearer token authentication is not enabled on the log group",
                status=403,
            )
        return f"arn:aws:logs:{region}:{principal.account}:log-group:{name}:log-stream:{stream}"

    def _allow(self, principal: Principal, action: str, resource: str, request: Request) -> None:
        """Raise CloudError unless the policies allow the action."""
        self._authentication.authorize(
            principal,
            action=f"{self._endpoint.prefix}:{action}",
            resource=resource,
            source_ip=request.source_ip,
        )


# The environment of `make demo` has no protobuf.
def _messages(signal: str) -> tuple[Any, Any]:
    """The request and the response of a signal."""
    match signal:
        case "metrics":
            from opentelemetry.proto.collector.metrics.v1 import (  # noqa: PLC0415
                metrics_service_pb2 as metrics,
            )

            return metrics.ExportMetricsServiceRequest(), metrics.ExportMetricsServiceResponse()
        case "logs":
            from opentelemetry.proto.collector.logs.v1 import (  # noqa: PLC0415
                logs_service_pb2 as logs,
            )

            return logs.ExportLogsServiceRequest(), logs.ExportLogsServiceResponse()
        case _:
            from opentelemetry.proto.collector.trace.v1 import (  # noqa: PLC0415
                trace_service_pb2 as traces,
            )

            return traces.ExportTraceServiceRequest(), traces.ExportTraceServiceResponse()


def _decoded(request: Request, *, signal: str, content_type: str) -> tuple[Any, Response]:
    """The content, and the response in the same format; raises CloudError."""
    # Not typed, and not in the environment of `make demo`.
    json_format: Any = importlib.import_module("google.protobuf.json_format")
    message: Any = importlib.import_module("google.protobuf.message")
    content, response = _messages(signal)
    try:
        body = request.body
        if request.header("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if content_type == _PROTOBUF:
            content.ParseFromString(body)
            return content, Response(200, response.SerializeToString(), _PROTOBUF)
        if content_type == _JSON:
            json_format.Parse(body, content)
            return content, Response(200, b"{}", _JSON)
    except (message.DecodeError, json_format.ParseError, OSError) as error:
        raise CloudError("ValidationException", "The request body is not valid OTLP.") from error
    raise CloudError(
        "UnsupportedMediaTypeException", f"Content-Type must be {_PROTOBUF} or {_JSON}", status=415
    )


def _count(content: Any, *, signal: str) -> int:
    match signal:
        case "metrics":
            scopes = [scope for each in content.resource_metrics for scope in each.scope_metrics]
            return sum(len(scope.metrics) for scope in scopes)
        case "logs":
            scopes = [scope for each in content.resource_logs for scope in each.scope_logs]
            return sum(len(scope.log_records) for scope in scopes)
        case _:
            scopes = [scope for each in content.resource_spans for scope in each.scope_spans]
            return sum(len(scope.spans) for scope in scopes)
