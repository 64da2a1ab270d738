"""One exchange: a new ServiceAccount token, one request to the vendor, one access token.

Each exchange uses a new token, because Anthropic accepts a token once (its `jti`).

All exchanges come from the operator's address, which a vendor can throttle as a whole: from then on
namespaces take turns at the rate that it accepts. A 429 can also be about one organization, so its
Retry-After holds up only the source (by the failure), and no other.
"""

from __future__ import annotations

import hashlib
import time
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.api.token_exchange_source import GenericExchange, TokenService
from keywright.clouds.addresses import Reach
from keywright.clouds.http import HttpResponse, TransportError
from keywright.clouds.identity_tokens import token_facts
from keywright.clouds.interfaces import Session, whole_seconds
from keywright.clouds.token_exchange.answers import issued_token, refusal
from keywright.clouds.token_exchange.context import (
    LIMITS,
    ROOT,
    TokenExchangeContext,
    exchange_of,
)
from keywright.clouds.token_exchange.errors import failure_of, unreachable
from keywright.clouds.token_exchange.requests import (
    TokenRequest,
    described,
    endpoint_of,
    token_request,
)

_TOO_MANY: Final = 429
_OPERATION: Final = "token"


async def exchange_token(source: CredentialSource, *, context: TokenExchangeContext) -> Session:
    """Exchange a new token; the answer decides when the access token expires.

    Raises:
        Failure: the endpoint is not allowed, there is no token, or the vendor refuses it.
    """
    exchange = exchange_of(source)
    service = exchange.identity
    if isinstance(service, GenericExchange) and not context.endpoints.allow(service.endpoint):
        raise _not_allowed()
    pace = _pace(source, service)
    # The turn comes first: what some vendors issue lives only as long as the token.
    await context.rate_limiter.wait(*pace, tenant=source.namespace)
    token = await context.tokens.token(
        namespace=source.namespace,
        name=exchange.service_account_ref.name,
        audience=exchange.audience,
        seconds=exchange.token_seconds,
    )
    issued_at = whole_seconds(context.clock())
    request = token_request(service, token)
    try:
        answer = await _send(request, source=source, context=context)
    except TransportError as error:
        raise unreachable(f"gave no answer: {error}", service) from None
    if answer.status == _TOO_MANY:
        context.rate_limiter.throttled(*pace)
    else:
        context.rate_limiter.accepted(*pace)
    facts = token_facts(token)
    if answer.status != 200:
        refused = refusal(answer, sent=token)
        raise failure_of(refused, answer, exchange=exchange, token=facts)
    issued = issued_token(answer, sent=token)
    return Session(
        access_key_id=_name_of(issued.value),
        secret_access_key=Sensitive(""),
        session_token=None,
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=issued.seconds),
        identity=described(service, subject=facts.subject),
        bearer=issued.value,
    )


def _pace(source: CredentialSource, service: TokenService) -> tuple[str, str]:
    """The rate limit key of an exchange: the host of a vendor, which is fixed, or the source."""
    if isinstance(service, GenericExchange):
        return f"source {source.uid}", _OPERATION
    return urlsplit(endpoint_of(service)).netloc, _OPERATION


def _name_of(token: Sensitive) -> str:
    """The start of the hash: it distinguishes tokens, which have no ID, and reveals nothing."""
    digest = hashlib.sha256(token.reveal().encode()).hexdigest()[:12]
    return f"sha256:{digest}"


async def _send(
    request: TokenRequest, *, source: CredentialSource, context: TokenExchangeContext
) -> HttpResponse:
    began, status = time.monotonic(), None
    try:
        answer = await context.http.request(
            "POST",
            request.url,
            limits=LIMITS,
            reach=request.reach,
            tenant=source.namespace,
            body=request.body,
            content_type=request.content_type,
            headers=request.headers,
        )
        status = answer.status
    finally:
        took = time.monotonic() - began
        if context.observe is not None:
            operation = f"token:{source.traits.service}"
            context.observe(Provider.TOKEN_EXCHANGE.value, operation, status=status, seconds=took)
    if context.skews is not None:
        by_vendor = request.reach is Reach.VENDOR
        context.skews.note(answer.headers, took=took, source=source, by_vendor=by_vendor)
    return answer


def _not_allowed() -> Failure:
    return Failure(
        "this operator's flags do not allow that token endpoint.",
        kind=FailureClass.CONFIGURATION,
        reason="TokenEndpointNotAllowed",
        field=f"{ROOT}.generic.endpoint",
        remedy="Start the operator with --allow-token-endpoint for it, or use another vendor.",
    )
