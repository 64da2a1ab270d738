"""Requests to STS of Alibaba Cloud, and their errors.

The library is not used for this: most of its providers drop the expiry of a session, missing values
are read from the operator's environment, tokens and keys only from files, a session of 15 minutes
is stale from its first second, and a policy with spaces is signed incorrectly. Here every value is
passed explicitly. Parameters are sent in the body, not in the URL as by the library, so that no
token is logged on the way; STS signs and reads both in the same way (credentials-go, the same
providers).
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from keywright.api.errors import Failure
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.sts.rpc import KeySigner, Parameters, Signer, common, form, signed
from keywright.clouds.answer_values import (
    ACCOUNT,
    ALIBABA_ARN,
    ALIBABA_KEY_ID,
    ALIBABA_SECRET,
    ALIBABA_TOKEN,
    parsed_moment,
    secret,
    text,
)
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.endpoints import Endpoints, not_allowed
from keywright.clouds.http import HttpClient, Timeouts, TransportError
from keywright.clouds.interfaces import RequestObserver, Session
from keywright.clouds.rate_limit import AdaptiveRateLimiter
from keywright.clouds.redaction import redacted
from keywright.clouds.sessions import Clock

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")


class StsError(Exception):
    """STS returned an error, or did not respond: then `code` is empty. No part of it is secret.

    `field` is the field that the endpoint comes from.
    """

    def __init__(self, code: str, message: str, *, field: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The endpoint of STS and its timeouts; `field` is the field that sets the host.

    `source` is the source that the clock skew is recorded for.
    """

    host: str
    limits: Timeouts
    tenant: str = ""
    field: str = ""
    source: CredentialSource | None = None


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """The credentials in a response; the session of an RSA key has no token and no ARN."""

    access_key_id: str
    secret: Sensitive
    token: Sensitive | None
    expires_at: datetime
    arn: str = ""


class _Credentials(msgspec.Struct, rename="pascal"):
    access_key_id: str
    access_key_secret: str
    security_token: str
    expiration: str


class _AssumedRole(msgspec.Struct, rename="pascal"):
    arn: str


class _RoleAnswer(msgspec.Struct, rename="pascal"):
    credentials: _Credentials
    assumed_role_user: _AssumedRole


class _SessionAccessKey(msgspec.Struct, rename="pascal"):
    session_access_key_id: str
    session_access_key_secret: str
    expiration: str


class _KeyAnswer(msgspec.Struct, rename="pascal"):
    session_access_key: _SessionAccessKey


class _CallerAnswer(msgspec.Struct, rename="pascal"):
    arn: str
    account_id: str


class _Refusal(msgspec.Struct, rename="pascal"):
    code: str = ""
    message: str = ""


_Struct = TypeVar("_Struct", bound=msgspec.Struct)


class StsCalls:
    """One method for each action that Keywright uses.

    STS allows an account 100 calls of an API per second. `rate_limiter` has the rates of each
    signing key, and of each namespace for calls with tokens, since no response proves their
    account.
    """

    def __init__(
        self,
        http: HttpClient,
        *,
        clock: Clock,
        endpoints: Endpoints | None = None,
        rate_limiter: AdaptiveRateLimiter | None = None,
        skews: ClockSkews | None = None,
        observe: RequestObserver | None = None,
    ) -> None:
        self._skews = skews
        self._observe = observe
        self._http = http
        self._rate_limiter = rate_limiter or AdaptiveRateLimiter(clock=time.monotonic)
        self._endpoints = endpoints or Endpoints()
        self._clock = clock

    async def assume_role(
        self, parameters: Parameters, *, by: Session, at: Endpoint
    ) -> TemporaryCredentials:
        """AssumeRole, signed with the session `by`; raises StsError."""
        answer = await self._post("AssumeRole", parameters, signer=_signer(by), at=at)
        return _issued(answer)

    async def assume_role_with_oidc(
        self, parameters: Parameters, *, at: Endpoint
    ) -> TemporaryCredentials:
        """AssumeRoleWithOIDC, which is not signed: the token authenticates it; raises StsError."""
        return _issued(await self._post("AssumeRoleWithOIDC", parameters, signer=None, at=at))

    async def generate_session_access_key(
        self, parameters: Parameters, *, signer: Signer, at: Endpoint
    ) -> TemporaryCredentials:
        """GenerateSessionAccessKey, signed with an RSA key; raises StsError.

        A GET request, as in the provider that is correct (credentials-go); the query has no token.
        """
        whole = {**self._common("GenerateSessionAccessKey"), **parameters}
        query = form(signed(whole, method="GET", by=signer))
        url = f"https://{at.host}/?{query}"
        pace = _pace("GenerateSessionAccessKey", parameters=whole, at=at)
        body = await self._asked("GET", url, body=None, at=at, pace=pace)
        found = _decoded(body, _KeyAnswer).session_access_key
        return TemporaryCredentials(
            access_key_id=text(found.session_access_key_id, ALIBABA_KEY_ID),
            secret=secret(found.session_access_key_secret, ALIBABA_SECRET),
            token=None,
            expires_at=_end(found.expiration),
        )

    async def caller(self, by: Session, *, at: Endpoint) -> tuple[str, str]:
        """ARN and account of the session, as STS reports them; raises StsError."""
        body = await self._post("GetCallerIdentity", {}, signer=_signer(by), at=at)
        answer = _decoded(body, _CallerAnswer)
        return text(answer.arn, ALIBABA_ARN), text(answer.account_id, ACCOUNT)

    async def _post(
        self, action: str, parameters: Parameters, *, signer: Signer | None, at: Endpoint
    ) -> bytes:
        whole: Parameters = {**self._common(action), **parameters}
        if signer is not None:
            whole = signed(whole, method="POST", by=signer)
        pace = _pace(action, parameters=whole, at=at)
        return await self._asked("POST", f"https://{at.host}/", body=form(whole), at=at, pace=pace)

    def _common(self, action: str) -> Parameters:
        return common(action, now=self._clock(), nonce=str(uuid.uuid4()))

    async def _asked(
        self, method: str, url: str, *, body: str | None, at: Endpoint, pace: tuple[str, str]
    ) -> bytes:
        reach = self._endpoints.sts_reach(f"https://{at.host}/")
        if reach is None:
            raise not_allowed("spec.alibabaCloud.stsEndpoint")
        await self._rate_limiter.wait(*pace, tenant=at.tenant)
        began, status = time.monotonic(), None
        try:
            answer = await self._http.request(
                method, url, limits=at.limits, reach=reach, tenant=at.tenant, body=body
            )
            status = answer.status
        except TransportError as error:
            raise StsError("", str(error), field=at.field) from None
        finally:
            if self._observe is not None:
                seconds = time.monotonic() - began
                operation = f"sts:{pace[1]}"
                self._observe(
                    Provider.ALIBABA_CLOUD.value, operation, status=status, seconds=seconds
                )
        if self._skews is not None and at.source is not None:
            self._skews.note(
                answer.headers,
                took=time.monotonic() - began,
                source=at.source,
                by_vendor=reach is not Reach.LISTED,
            )
        if answer.status == 200:
            self._rate_limiter.accepted(*pace)
            return answer.body
        try:
            refusal = msgspec.json.decode(answer.body, type=_Refusal)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            refusal = _Refusal()
        message = redacted(refusal.message).rstrip(".") or f"HTTP {answer.status}"
        code = refusal.code if _CODE.fullmatch(refusal.code) else "Unknown"
        throttled = refusal.code.startswith("Throttling")
        if throttled:
            self._rate_limiter.throttled(*pace)
        known = throttled or (answer.status < 500 and bool(refusal.code))
        if not known:
            message = f"{at.host}: HTTP {answer.status}" + (
                f": {message}" if refusal.message else ""
            )
        raise StsError(code if known else "", message, field=at.field)


def _pace(action: str, *, parameters: Parameters, at: Endpoint) -> tuple[str, str]:
    """The rate limit key of a call, and the API that shares one limit."""
    return f"{at.host} {parameters.get('AccessKeyId') or at.tenant}", action


def _signer(by: Session) -> Signer:
    return KeySigner(by.access_key_id, secret=by.secret_access_key, token=by.session_token)


def _decoded(body: bytes, type_: type[_Struct]) -> _Struct:
    try:
        return msgspec.json.decode(body, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # `from None`, and without its message: an unreadable response may contain credentials.
        raise StsError("", "the answer has not the documented shape") from None


def _issued(body: bytes) -> TemporaryCredentials:
    answer = _decoded(body, _RoleAnswer)
    found = answer.credentials
    return TemporaryCredentials(
        access_key_id=text(found.access_key_id, ALIBABA_KEY_ID),
        secret=secret(found.access_key_secret, ALIBABA_SECRET),
        token=secret(found.security_token, ALIBABA_TOKEN),
        expires_at=_end(found.expiration),
        arn=text(answer.assumed_role_user.arn, ALIBABA_ARN),
    )


def _end(found: str) -> datetime:
    # Alibaba Cloud writes UTC (2026-01-02T03:04:05Z), and means it without the letter.
    try:
        return parsed_moment(found, what="Expiration")
    except Failure as failure:
        raise StsError("", failure.message.rstrip(".")) from None
