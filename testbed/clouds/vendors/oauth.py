"""Token endpoints with the errors of RFC 6749, section 5.2: OpenAI, OpenRouter, and any other.

OpenAI: reference "Workload identity token exchange", and the codes of openai 3.54.0
(OAuthErrorCode). [R] The status of each code is assumed. [U] OpenRouter: guide "Workload Identity
Federation", with statuses, codes and messages. [R] The generic endpoint is any server of RFC 8693
or RFC 7523.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from testbed.clouds.aws import openai_v1
from testbed.clouds.errors import CloudError
from testbed.clouds.vendors.tokens import bearer_of
from testbed.clouds.vendors.trusts import Mismatch, MismatchError
from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from testbed.clouds.vendors.tokens import AccessTokens
    from testbed.clouds.vendors.trusts import Trust, Trusts, Verified
    from testbed.clouds.wire import Entry, Request

OPENAI_MODEL = "gpt-6.1"
OPENROUTER_MODEL = "openai/gpt-6.1"
EXCHANGE = "ExchangeToken"
_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  a name
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  a name
_TOKENS = ("subject_token", "assertion")
_LARGEST_FORM = 32 * 1024
_HOUR, _QUARTER = 3600, 900


def _oauth(error: CloudError) -> Response:
    return json_response(
        {"error": error.code, "error_description": error.message}, status=error.status
    )


def _form(request: Request) -> dict[str, str]:
    if request.header("content-type") != "application/x-www-form-urlencoded":
        raise CloudError("invalid_request", "The body must be a form.")
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def _recorded(parameters: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in parameters.items() if name not in _TOKENS}


def _require(parameters: dict[str, Any], *names: str) -> None:
    for name in names:
        if not isinstance(parameters.get(name), str) or not parameters[name]:
            raise CloudError("invalid_request", f"Missing required parameter: {name}")


class OpenAiAuth:
    """auth.openai.com."""

    name = "openai-auth"

    def __init__(self, *, trusts: Trusts, tokens: AccessTokens) -> None:
        self._trusts = trusts
        self._tokens = tokens

    def action(self, request: Request) -> str:
        """The exchange, or method and path."""
        known = (request.method, request.path) == ("POST", "/oauth/token")
        return EXCHANGE if known else f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Exchange a token."""
        if action != EXCHANGE:
            raise CloudError("not_found", "Not found", status=404)
        body = json.loads(request.body)
        entry.parameters = _recorded(body)
        names = ("subject_token", "subject_token_type", "identity_provider_id")
        _require(body, *names, "service_account_id")
        if body.get("grant_type") != _TOKEN_EXCHANGE or body["subject_token_type"] != _JWT:
            raise CloudError("invalid_request", "Unsupported subject_token_type")
        self._trusts.seen.add(body["subject_token"])
        provider = self._trusts.find("openai", body["identity_provider_id"])
        if provider is None:
            raise CloudError("invalid_grant", "Unknown identity_provider_id")
        try:
            verified = await self._trusts.verify(body["subject_token"], provider)
        except MismatchError as error:
            if error.reason in (Mismatch.SUBJECT, Mismatch.CLAIMS):
                raise _no_mapping() from error
            raise CloudError(
                "invalid_subject_token", "The subject token could not be verified.", status=401
            ) from error
        if provider.account != body["service_account_id"]:
            raise _no_mapping()
        entry.principal = provider.account
        seconds = min(_HOUR, provider.seconds, verified.left)
        return _issued(self._tokens, "openai", provider.account, seconds=seconds, prefix="eyJ")

    def refuse(self, request: Request, error: CloudError) -> Response:
        """RFC 6749."""
        del request
        return _oauth(error)


def _no_mapping() -> CloudError:
    return CloudError("invalid_grant", "No service account mapping matches the subject token.")


class OpenAi:
    """api.openai.com, for tokens of the exchange."""

    name = "openai"

    def __init__(self, *, tokens: AccessTokens) -> None:
        self._tokens = tokens

    def action(self, request: Request) -> str:
        """Method and path."""
        return f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """List the models, or complete a chat."""
        found = self._tokens.find("openai", bearer_of(request))
        if found is None:
            raise CloudError("invalid_api_key", "Incorrect API key provided.", status=401)
        entry.principal = found.principal
        if action == "GET /v1/models":
            return json_response({"object": "list", "data": [{"id": OPENAI_MODEL}]})
        if action != "POST /v1/chat/completions":
            raise CloudError("not_found", f"Invalid URL ({action})", status=404)
        return _chat(request, OPENAI_MODEL)

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The errors of the API."""
        del request
        return openai_v1.error(error)


class OpenRouter:
    """openrouter.ai: the token endpoint, and inference."""

    name = "openrouter"

    def __init__(self, *, trusts: Trusts, tokens: AccessTokens) -> None:
        self._trusts = trusts
        self._tokens = tokens

    def action(self, request: Request) -> str:
        """The exchange, or method and path."""
        known = (request.method, request.path) == ("POST", "/api/v1/oauth/token")
        return EXCHANGE if known else f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Exchange a token, or execute an inference call."""
        if action == EXCHANGE:
            return await self._exchange(request, entry)
        found = self._tokens.find(self.name, bearer_of(request))
        if found is None:
            raise CloudError("unauthorized", "User not found.", status=401)
        entry.principal = found.principal
        if action != "POST /api/v1/chat/completions":
            raise CloudError("not_found", "Not Found", status=404)
        return _chat(request, OPENROUTER_MODEL)

    async def _exchange(self, request: Request, entry: Entry) -> Response:
        if len(request.body) > _LARGEST_FORM:
            raise CloudError("invalid_request", "The request body is too large.", status=413)
        form = _form(request)
        entry.parameters = _recorded(form)
        if form.get("grant_type") != _TOKEN_EXCHANGE:
            raise CloudError("unsupported_grant_type", "grant_type must be token-exchange.")
        _require(form, "subject_token", "subject_token_type", "federation_policy_id")
        if form.get("scope", "inference") != "inference":
            raise CloudError("invalid_scope", "Only inference is available.")
        self._trusts.seen.add(form["subject_token"])
        policy = self._trusts.find(self.name, form["federation_policy_id"])
        if policy is None:
            raise _not_accepted()
        try:
            verified = await self._trusts.verify(form["subject_token"], policy)
        except MismatchError as error:
            if error.reason is Mismatch.KEYS:
                raise CloudError(
                    "temporarily_unavailable",
                    "The issuer's keys could not be fetched.",
                    status=503,
                ) from error
            raise _not_accepted() from error
        entry.principal = policy.account
        seconds = min(_QUARTER, policy.seconds, verified.left)
        return _issued(self._tokens, self.name, policy.account, seconds=seconds, prefix="eyJ")

    def refuse(self, request: Request, error: CloudError) -> Response:
        """RFC 6749 at the token endpoint; errors of the API elsewhere."""
        if request.path.endswith("/oauth/token"):
            return _oauth(error)
        body = {"error": {"message": error.message, "code": error.status}}
        return json_response(body, status=error.status)


def _not_accepted() -> CloudError:
    return CloudError("invalid_grant", "The subject token was not accepted.")


class Generic:
    """sts.example.com: trusts tokens by their subject, with parameters that a trust requires."""

    name = "generic"

    def __init__(self, *, trusts: Trusts, tokens: AccessTokens) -> None:
        self._trusts = trusts
        self._tokens = tokens
        self._special: str | None = None
        self._location = ""
        self._pieces = 0

    def answer_with(self, *, body: str | None, location: str = "", pieces: int = 0) -> None:
        """Answer every exchange with this text, or with a redirect; None for the real answer.

        `pieces`: refuse with the text as the message, in pieces of so many characters.
        """
        self._special, self._location, self._pieces = body, location, pieces

    def action(self, request: Request) -> str:
        """The exchange, or method and path; `/whoami` accepts the tokens."""
        known = (request.method, request.path) == ("POST", "/oauth/token")
        return EXCHANGE if known else f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Exchange a token, or say who a token is."""
        if action == "GET /whoami":
            found = self._tokens.find(self.name, bearer_of(request))
            if found is None:
                raise CloudError("invalid_token", "The token is not valid.", status=401)
            return json_response({"subject": found.principal})
        if action != EXCHANGE:
            raise CloudError("not_found", "Not found", status=404)
        form = _form(request)
        entry.parameters = _recorded(form)
        token = form.get("assertion") or form.get("subject_token") or ""
        self._trusts.seen.add(token)
        if self._location:
            headers = {"Location": self._location}
            return json_response({}, status=307, headers=headers)
        if self._special is not None:
            return self._answered(self._special.replace("THE-SENT-TOKEN", token))
        trust, verified = await self._accepted(form, token)
        entry.principal = verified.subject
        return _issued(
            self._tokens, self.name, verified.subject, seconds=trust.seconds, prefix="at."
        )

    def _answered(self, text: str) -> Response:
        if not self._pieces:
            return Response(200, text.encode(), "application/json")
        starts = range(0, len(text), self._pieces)
        pieces = " ".join(text[start : start + self._pieces] for start in starts)
        raise CloudError("invalid_grant", f"refused: {pieces}")

    async def _accepted(self, form: dict[str, str], token: str) -> tuple[Trust, Verified]:
        trusts = self._trusts.of_vendor(self.name)
        for trust in trusts:
            expected = _TOKEN_EXCHANGE if trust.grant_type == "TokenExchange" else _JWT_BEARER
            if form.get("grant_type") != expected:
                raise CloudError("unsupported_grant_type", "That grant is not supported.")
            for name, value in trust.parameters.items():
                if form.get(name) != value:
                    raise CloudError("invalid_request", f"{name} is missing or wrong")
            try:
                return trust, await self._trusts.verify(token, trust)
            except MismatchError:
                continue
        raise CloudError("invalid_grant", "the token is not trusted")

    def refuse(self, request: Request, error: CloudError) -> Response:
        """RFC 6749."""
        del request
        return _oauth(error)


def _issued(
    tokens: AccessTokens, vendor: str, principal: str, *, seconds: float, prefix: str
) -> Response:
    token, whole = tokens.issue(vendor, prefix=prefix, principal=principal, seconds=seconds)
    return json_response(
        {
            "access_token": token,
            "issued_token_type": _ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": whole,
            "scope": "inference",
        }
    )


def _chat(request: Request, model: str) -> Response:
    body = json.loads(request.body)
    if body.get("model") != model:
        raise CloudError(
            "model_not_found", f"The model {body.get('model')} does not exist", status=404
        )
    return openai_v1.chat_completion(body)
