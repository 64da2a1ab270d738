"""Amazon Bedrock: the runtime and the control plane, for API keys and for signed calls alike.

Paths and shapes are those of botocore's models `bedrock-runtime` and `bedrock`; those under
/openai/v1 are in `openai_v1`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from testbed.clouds.aws import models, openai_v1, refusals
from testbed.clouds.aws.api_keys import LONG_TERM
from testbed.clouds.aws.wire import json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.aws.api_keys import ApiKeys
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.aws.refusals import AwsError
    from testbed.clouds.aws.wire import Entry, Request, Response

_BEARER = "Bearer "
# the JSON services have other names for what the query services refuse
_JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "IncompleteSignature": "IncompleteSignatureException",
    "InvalidAction": "UnknownOperationException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "MissingAuthenticationToken": "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "Throttling": "ThrottlingException",
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """An allowed call: the model it names, None where it names none, and its JSON body."""

    model_id: str | None
    body: dict[str, Any]
    region: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `permission` is what the policy must allow beside CallWithBearerToken."""

    action: str
    method: str
    path: re.Pattern[str]
    permission: Callable[[dict[str, Any]], str]
    answer: Callable[[Invocation], Response]


def _always(permission: str) -> Callable[[dict[str, Any]], str]:
    return lambda body: permission  # noqa: ARG005  asked with the body


def _converse(call: Invocation) -> Response:
    messages = call.body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise refusals.AwsError("ValidationException", "A conversation must start with a message.")
    said = " ".join(str(part.get("text", "")) for part in messages[-1].get("content", []))
    answer = models.reply(said)
    usage = {"inputTokens": len(said.split()), "outputTokens": len(answer.split())}
    return json_response(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
            "stopReason": "end_turn",
            "usage": usage | {"totalTokens": sum(usage.values())},
            "metrics": {"latencyMs": 1},
        }
    )


def _foundation_models(call: Invocation) -> Response:
    return json_response(
        {
            "modelSummaries": [
                {
                    "modelArn": models.arn(model.id, region=call.region, account=""),
                    "modelId": model.id,
                    "modelName": model.name,
                    "providerName": model.provider,
                    "inputModalities": ["TEXT"],
                    "outputModalities": ["TEXT"],
                    "responseStreamingSupported": True,
                    "inferenceTypesSupported": ["ON_DEMAND"],
                    "modelLifecycle": {"status": "ACTIVE"},
                }
                for model in models.MODELS
            ]
        }
    )


def _chat_permission(body: dict[str, Any]) -> str:
    streaming = bool(body.get("stream"))
    return "bedrock:InvokeModelWithResponseStream" if streaming else "bedrock:InvokeModel"


RUNTIME = (
    Operation(
        action="Converse",
        method="POST",
        path=re.compile(r"/model/(?P<model>[^/]+)/converse"),
        permission=_always("bedrock:InvokeModel"),
        answer=_converse,
    ),
    Operation(
        action="ChatCompletions",
        method="POST",
        path=re.compile(r"/openai/v1/chat/completions"),
        permission=_chat_permission,
        answer=lambda call: openai_v1.chat_completion(call.body),
    ),
    Operation(
        action="ListModels",
        method="GET",
        path=re.compile(r"/openai/v1/models"),
        permission=_always("bedrock:ListFoundationModels"),  # [U] which action it asks for
        answer=lambda call: openai_v1.model_list(),  # noqa: ARG005  a route's form
    ),
)
CONTROL = (
    Operation(
        action="ListFoundationModels",
        method="GET",
        path=re.compile(r"/foundation-models"),
        permission=_always("bedrock:ListFoundationModels"),
        answer=_foundation_models,
    ),
)


class Bedrock:
    """The runtime or the control plane, by the routes it is given."""

    def __init__(
        self,
        name: str,
        *,
        operations: tuple[Operation, ...],
        keys: ApiKeys,
        authentication: Authentication,
    ) -> None:
        self.name = name
        self._operations = operations
        self._keys = keys
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The name of the route, or method and path where there is none."""
        operation = self._operation(request)
        return operation.action if operation else f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Carry the call out."""
        region = request.host.split(".")[1]
        principal, bearer = self._authenticate(request, region=region)
        entry.principal = principal.arn
        if bearer == LONG_TERM:
            entry.parameters["CredentialId"] = principal.access_key_id
        operation = self._operation(request)
        if operation is None:
            raise refusals.unknown_action(action, version="1")
        body = _body(request)
        match = operation.path.fullmatch(request.path)
        named = unquote(match["model"]) if match and "model" in match.groupdict() else None
        model_id = named or (str(body.get("model", "")) if operation.method == "POST" else None)
        if model_id is not None:
            entry.parameters["ModelId"] = model_id
        if bearer:
            self._authorize(
                request,
                principal,
                action="bedrock:CallWithBearerToken",
                resource="*",
                bearer=bearer,
            )
        self._authorize(
            request,
            principal,
            action=operation.permission(body),
            resource=(
                "*"
                if model_id is None
                else models.arn(model_id, region=region, account=principal.account)
            ),
            bearer=bearer,
        )
        if model_id is not None and models.find(model_id) is None:
            raise refusals.unknown_model()
        return operation.answer(Invocation(model_id=model_id, body=body, region=region))

    def refuse(self, request: Request, error: AwsError) -> Response:
        """The error as JSON: OpenAI's form under /openai/, AWS's elsewhere."""
        if request.path.startswith("/openai/"):
            return openai_v1.error(error)
        code = _JSON_CODES.get(error.code, error.code)
        # AccessDeniedException of the gateway writes Message, the service's own errors message
        field = "Message" if code == "AccessDeniedException" else "message"
        return json_response(
            {field: error.message}, status=error.status, headers={"x-amzn-errortype": code}
        )

    def _authenticate(self, request: Request, *, region: str) -> tuple[Principal, str | None]:
        """The principal, and of which kind its API key is where it came with one."""
        authorization = request.header("authorization") or ""
        if authorization.startswith(_BEARER):
            key = authorization.removeprefix(_BEARER)
            principal, kind = self._keys.verify(key, region=region)
            self._authentication.pace(self.name, account=principal.account)
            return principal, kind
        verified = self._authentication.verify(
            request, service="bedrock", region=region, paced_as=self.name
        )
        return verified, None

    def _authorize(
        self,
        request: Request,
        principal: Principal,
        *,
        action: str,
        resource: str,
        bearer: str | None,
    ) -> None:
        self._authentication.authorize(
            principal,
            action=action,
            resource=resource,
            source_ip=request.source_ip,
            context={"bedrock:BearerTokenType": bearer} if bearer else {},
        )

    def _operation(self, request: Request) -> Operation | None:
        return next(
            (
                operation
                for operation in self._operations
                if operation.method == request.method and operation.path.fullmatch(request.path)
            ),
            None,
        )


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise refusals.AwsError("SerializationException", "The body is not valid JSON.") from error
    return body if isinstance(body, dict) else {}
