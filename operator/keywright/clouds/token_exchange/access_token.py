"""Access tokens as keys: the token of the source's session itself, and its probe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from keywright.api.access_token import OPENAI_BASE_URLS, AccessToken
from keywright.api.durations import format_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource, Provider
from keywright.api.token_exchange_source import AnthropicExchange
from keywright.clouds.addresses import Reach
from keywright.clouds.http import Timeouts, TransportError
from keywright.clouds.interfaces import DEFAULT_OPTIONS, IssuedKey, Session, SessionOptions
from keywright.clouds.token_exchange.context import TokenExchangeContext, exchange_of
from keywright.clouds.token_exchange.requests import ANTHROPIC_BETA, JSON, TITLES
from keywright.planning.renewal import is_fresh
from keywright.secrets.credential import API_KEY, Credential

_PATIENCE: Final = Timeouts(connect_seconds=5.0, read_seconds=5.0)
_ANTHROPIC: Final = "https://api.anthropic.com/v1"
_SHORT: Final = timedelta(minutes=5)


def session_options(key: AccessToken) -> SessionOptions:
    """None: the vendor decides about a token."""
    del key
    return DEFAULT_OPTIONS


def accepts_session(key: AccessToken, *, session: Session, now: datetime) -> bool:
    """Whether a token in memory may be used: it must be fresh."""
    del key
    return is_fresh(issued_at=session.issued_at, expires_at=session.expires_at, now=now)


def mint(
    key: AccessToken, *, grant: ApiKeyGrant, session: Session, source: CredentialSource
) -> IssuedKey:
    """Return the token, with a warning if readers have too little time."""
    del key, grant
    assert session.bearer is not None
    assert session.expires_at is not None
    credential = Credential(
        values={API_KEY: session.bearer},
        region=source.region,
        account_id=None,
        key_id=session.access_key_id,
        issued_at=session.issued_at,
        expires_at=session.expires_at,
        provider=Provider.TOKEN_EXCHANGE,
    )
    warning = _short_life(session.expires_at - session.issued_at, source=source)
    return IssuedKey(credential, warning, identity=session.identity)


def _short_life(lifetime: timedelta, *, source: CredentialSource) -> str:
    """A warning if the kubelet could update a file too late; what may make tokens longer."""
    if lifetime > _SHORT:
        return ""
    return (
        f"The token is valid for {format_duration(lifetime.total_seconds())} only, and files in"
        " pods are up to two minutes old: let the vendor issue longer ones, or raise"
        f" tokenExpiration of CredentialSource {source.name}."
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the vendor's API."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any] | None = None


async def probe(
    grant: ApiKeyGrant,
    credential: Credential,
    *,
    source: CredentialSource,
    context: TokenExchangeContext,
) -> None:
    """List the models with the token, or let a model write one token.

    Raises:
        Failure: the vendor does not accept the token.
    """
    service = exchange_of(source).identity
    token = credential.values[API_KEY].reveal()
    call = _call(source.traits.service, token=token, model=grant.spec.probe.model_id)
    title = TITLES[type(service)]
    try:
        answer = await context.http.request(
            call.method,
            call.url,
            limits=_PATIENCE,
            reach=Reach.VENDOR,
            tenant=grant.namespace,
            headers=call.headers,
            body=None if call.body is None else json.dumps(call.body),
            content_type=JSON,
        )
    except TransportError as error:
        raise Failure(
            f"{title} was not reached: {error}.",
            kind=FailureClass.TRANSIENT,
            reason="ProbeTimeout",
            field="spec.probe",
        ) from None
    if answer.status != 200:
        raise Failure(
            f"{title} answered {answer.status}.",
            kind=FailureClass.TRANSIENT,
            reason="ProbeRejected",
            field="spec.probe",
            remedy=_remedy(answer.status, model=grant.spec.probe.model_id),
        )


def _call(service: str, *, token: str, model: str | None) -> _Call:
    headers = {"Authorization": f"Bearer {token}"}
    one_token = {
        "model": model,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "."}],
    }
    if service == AnthropicExchange.field:
        base, path = _ANTHROPIC, "messages"
        headers |= {"anthropic-version": "2023-06-01", "anthropic-beta": ANTHROPIC_BETA}
    else:
        base, path = OPENAI_BASE_URLS[service], "chat/completions"
    if model is None:
        return _Call("GET", f"{base}/models", headers)
    return _Call("POST", f"{base}/{path}", headers, one_token)


def _remedy(status: int, *, model: str | None) -> str:
    if model is not None and status in (400, 404):
        return f"Check that spec.probe.modelId {model} is a model of the vendor."
    if status in (401, 403):
        return "Let the rule or mapping of the vendor allow inference and the list of models."
    return ""
