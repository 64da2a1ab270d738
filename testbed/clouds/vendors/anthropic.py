"""Anthropic: the token endpoint, and the Messages API for the tokens.

Request, limits and the lifetime of tokens: "WIF reference" and anthropic 2.14.0. [R] A token that
no rule accepts gets 401 "Authentication failed", whatever the reason (claude-code #89095, which
also shows that a token is accepted once); the reference says 400 invalid_grant. [R] A malformed ID
gets 400 (litellm #39948). [R] Without the beta header, the API answers "OAuth authentication is
currently not supported." (claude-code #28091). [R] What it says of an expired token is assumed. [U]
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import anthropic_v1
from testbed.clouds.errors import CloudError
from testbed.clouds.vendors.tokens import OAUTH_BETA, bearer_of
from testbed.clouds.vendors.trusts import MismatchError
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from testbed.clouds.vendors.tokens import AccessTokens
    from testbed.clouds.vendors.trusts import Trust, Trusts
    from testbed.clouds.wire import Entry, Request, Response

MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5")
_FEDERATION_BETA = "oidc-federation-2026-04-01"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_RULE = re.compile(r"fdrl_[A-Za-z0-9]+")
_LARGEST = 16 * 1024
_LEEWAY = 30.0
_SHORTEST = 60
_EXCHANGE = "ExchangeToken"
_ROUTES = {
    ("POST", "/v1/oauth/token"): _EXCHANGE,
    ("POST", "/v1/messages"): "CreateMessage",
    ("GET", "/v1/models"): "ListModels",
}
_REQUIRED = ("assertion", "federation_rule_id", "organization_id", "service_account_id")


class Anthropic:
    """api.anthropic.com."""

    name = "anthropic"

    def __init__(self, *, trusts: Trusts, tokens: AccessTokens) -> None:
        self._trusts = trusts
        self._tokens = tokens

    def action(self, request: Request) -> str:
        """The name of the action, or method and path if there is none."""
        named = _ROUTES.get((request.method, request.path))
        return named or f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        if action == _EXCHANGE:
            return await self._exchange(request, entry)
        token = self._token(request)
        found = self._tokens.find(self.name, token)
        if found is None:
            ended = self._tokens.has_ended(token)
            raise _unauthenticated("OAuth token has expired." if ended else "Invalid bearer token")
        entry.principal = found.principal
        if action == "ListModels":
            models = [{"type": "model", "id": each, "display_name": each} for each in MODELS]
            return json_response({"data": models, "has_more": False})
        if action != "CreateMessage":
            raise CloudError("not_found_error", f"Not found: {request.path}", status=404)
        body = json.loads(request.body)
        if body.get("model") not in MODELS:
            raise CloudError("not_found_error", f"model: {body.get('model')}", status=404)
        return anthropic_v1.message(body)

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The API's own format, also at the token endpoint."""
        del request
        return anthropic_v1.error(error)

    def _token(self, request: Request) -> str:
        if request.header("x-api-key") is not None:
            raise _unauthenticated("invalid x-api-key")
        token = bearer_of(request)
        betas = (request.header("anthropic-beta") or "").replace(" ", "").split(",")
        if token and OAUTH_BETA not in betas:
            raise _unauthenticated("OAuth authentication is currently not supported.")
        return token

    async def _exchange(self, request: Request, entry: Entry) -> Response:
        body = _body(request)
        entry.parameters = {name: str(value) for name, value in body.items() if name != "assertion"}
        if _FEDERATION_BETA not in (request.header("anthropic-beta") or ""):
            raise _invalid("anthropic-beta: oidc-federation-2026-04-01 is required")
        if body.get("grant_type") != _GRANT:
            raise _invalid("grant_type: unsupported")
        for name in _REQUIRED:
            if not isinstance(body.get(name), str) or not body[name]:
                raise _invalid(f"{name}: Field required")
        if not _RULE.fullmatch(body["federation_rule_id"]):
            raise _invalid("federation_rule_id is not a well-formed fdrl_ tagged ID")
        assertion: str = body["assertion"]
        if len(assertion) > _LARGEST:
            raise _invalid("assertion: exceeds 16384 bytes")
        rule = self._trusts.find(self.name, body["federation_rule_id"])
        # Seen even if no rule verifies it.
        self._trusts.seen.add(assertion)
        if rule is None or (rule.organization, rule.account) != (
            body["organization_id"],
            body["service_account_id"],
        ):
            raise _unauthenticated("Authentication failed")
        return await self._issue(assertion, rule, body.get("workspace_id"), entry)

    async def _issue(
        self, assertion: str, rule: Trust, workspace: str | None, entry: Entry
    ) -> Response:
        try:
            verified = await self._trusts.verify(assertion, rule, leeway=_LEEWAY, once=True)
        except MismatchError as error:
            raise _unauthenticated("Authentication failed") from error
        if workspace is None and len(rule.workspaces) > 1:
            raise _invalid(
                "workspace_id_required: the federation rule is enabled for more than one"
                " workspace; set workspace_id"
            )
        if workspace is not None and workspace not in (*rule.workspaces, "default"):
            raise _unauthenticated("Authentication failed")
        entry.principal = rule.account
        # "max(60, min(rule, 2 x remaining assertion validity))": rule_create_params.py. [R]
        seconds = max(_SHORTEST, min(rule.seconds, 2 * verified.left))
        token, seconds = self._tokens.issue(
            self.name, prefix="sk-ant-oat01-", principal=rule.account, seconds=seconds
        )
        return json_response(
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": seconds,
                "scope": "workspace:inference",
            }
        )


def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _invalid("The request body is not valid JSON")
    return body


def _invalid(message: str) -> CloudError:
    return CloudError("invalid_request_error", message)


def _unauthenticated(message: str) -> CloudError:
    return CloudError("authentication_error", message, status=401)
