"""Claude Platform on AWS: aws-external-anthropic.REGION.api.aws, with Anthropic's own API.

Routes, actions and resources are those of the Claude Platform on AWS User Guide, "IAM actions for
Claude Platform on AWS", headers those of "Authentication" and of Anthropic's SDK (anthropic 2.14.0,
lib/aws). [R] The gateway calls sts:GetWebIdentityToken in the name of the caller (the guide's
"Prerequisites"; conditions as in AnthropicInferenceAccess v2). [R] Status and form of the refusals
are those of Anthropic's Messages API; that this host uses them is a guess. [U]
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import anthropic_v1, refusals
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.aws.api_keys import ApiKeys
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.wire import Entry, Request, Response

SERVICE = "aws-external-anthropic"
MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5")
_BEARER = "Bearer "
_WORKSPACE = re.compile(r"wrkspc_[A-Za-z0-9]{1,64}")
_OF_THE_KEY = {
    refusals.bearer_token_invalid().message,
    refusals.bearer_token_format().message,
    refusals.bearer_token_expired().message,
}


@dataclass(frozen=True, slots=True)
class _Call:
    """An allowed call."""

    body: dict[str, Any]
    path: str


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2025-10-01T00:00:00Z"}


def _list(call: _Call) -> Response:
    del call
    models = [_model(name) for name in MODELS]
    return json_response(
        {"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    )


def _count(call: _Call) -> Response:
    said = json.dumps(call.body.get("messages", []))
    return json_response({"input_tokens": len(said.split())})


_ROUTES: tuple[tuple[str, str, re.Pattern[str], Callable[[_Call], Response]], ...] = (
    (
        "CreateInference",
        "POST",
        re.compile(r"/v1/messages"),
        lambda call: anthropic_v1.message(call.body),
    ),
    ("CountTokens", "POST", re.compile(r"/v1/messages/count_tokens"), _count),
    ("ListModels", "GET", re.compile(r"/v1/models"), _list),
    (
        "GetModel",
        "GET",
        re.compile(r"/v1/models/[^/]+"),
        lambda call: json_response(_model(call.path.rpartition("/")[2])),
    ),
)


class ClaudePlatform:
    """The regional endpoints; a workspace belongs to one Region, once a test has said which."""

    name = SERVICE

    def __init__(self, *, keys: ApiKeys, authentication: Authentication) -> None:
        self._keys = keys
        self._authentication = authentication
        self._regions: dict[str, str] = {}
        self._without_federation: set[str] = set()

    def bind_workspace(self, *, workspace: str, region: str) -> None:
        """Let a workspace exist in this Region alone."""
        self._regions[workspace] = region

    def set_outbound_federation(self, *, account: str, enabled: bool) -> None:
        """Enable or disable outbound web identity federation; enabled by default, unlike in AWS."""
        if enabled:
            self._without_federation.discard(account)
        else:
            self._without_federation.add(account)

    def action(self, request: Request) -> str:
        """The name of the action, or method and path if there is none."""
        for action, method, path, _ in _ROUTES:
            if method == request.method and path.fullmatch(request.path):
                return action
        return f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        region = request.host.split(".")[1]
        principal, bearer = self._authenticate(request, region=region)
        entry.principal = principal.arn
        respond = next((each for name, _, _, each in _ROUTES if name == action), None)
        if respond is None:
            raise CloudError("NotFound", f"{request.path} not found", status=404)
        workspace = self._workspace(request, region=region)
        entry.parameters["WorkspaceId"] = workspace
        source_ip = request.source_ip
        if bearer:
            self._allow(principal, f"{SERVICE}:CallWithBearerToken", "*", source_ip)
        resource = f"arn:aws:{SERVICE}:{region}:{principal.account}:workspace/{workspace}"
        self._allow(principal, f"{SERVICE}:{action}", resource, source_ip)
        self._federate(principal, source_ip)
        call = _Call(body=_body(request), path=request.path)
        model = call.body.get("model", MODELS[0])
        if action == "GetModel":
            model = request.path.rpartition("/")[2]
        if model not in MODELS:
            raise CloudError("NotFound", f"model: {model}", status=404)
        return respond(call)

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error in Anthropic's format; a key that is not valid is an authentication error."""
        del request
        if error.message in _OF_THE_KEY:
            error = CloudError(error.code, error.message, status=401)
        return anthropic_v1.error(error)

    def _authenticate(self, request: Request, *, region: str) -> tuple[Principal, bool]:
        """The principal, and whether the call has an API key."""
        authorization = request.header("authorization") or ""
        key = request.header("x-api-key")
        if authorization.startswith(_BEARER):
            key = authorization.removeprefix(_BEARER)
        if key is None:
            return self._authentication.verify(request, service=SERVICE, region=region), False
        principal, _ = self._keys.verify(key, region=region)
        self._authentication.pace(SERVICE, account=principal.account)
        return principal, True

    def _workspace(self, request: Request, *, region: str) -> str:
        found = request.header("anthropic-workspace-id")
        if found is None:
            raise CloudError("Invalid", "anthropic-workspace-id: header is required")
        bound = self._regions.get(found, region)
        if not _WORKSPACE.fullmatch(found) or bound != region:
            raise CloudError("NotFound", f"workspace {found} not found", status=404)
        return found

    def _federate(self, principal: Principal, source_ip: str) -> None:
        """The call of the gateway to STS, for the token with which Anthropic is called."""
        if principal.account in self._without_federation:
            raise CloudError(
                "AccessDenied",
                "Outbound web identity federation is disabled for your account",
                status=403,
            )
        context = {
            "sts:IdentityTokenAudience": ("https://api.anthropic.com",),
            "aws:CalledViaLast": (f"{SERVICE}.amazonaws.com",),
        }
        for action in ("sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"):
            self._allow(principal, action, "*", source_ip, **context)

    def _allow(
        self,
        principal: Principal,
        action: str,
        resource: str,
        source_ip: str,
        **context: tuple[str, ...],
    ) -> None:
        """Raise CloudError unless the policies allow the action."""
        try:
            self._authentication.authorize(
                principal, action=action, resource=resource, source_ip=source_ip, context=context
            )
        except CloudError as error:
            raise CloudError(error.code, error.message, status=403) from None


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise CloudError("Invalid", "The request body is not valid JSON.") from error
    return body if isinstance(body, dict) else {}
