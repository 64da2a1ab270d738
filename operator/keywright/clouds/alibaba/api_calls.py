"""Signed requests to the OpenAPI of a service of Alibaba Cloud, and their errors.

Nothing is sent again here: CreateApiKey, for example, has no token for idempotency.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass
from typing import Final

import msgspec

from keywright.api.source import CredentialSource, Provider
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.acs3 import FORM_TYPE, ApiRequest, signed_headers
from keywright.clouds.answer_values import ACCOUNT, fits
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.http import HttpClient, Timeouts, TransportError
from keywright.clouds.interfaces import RequestObserver, Session
from keywright.clouds.rate_limit import AdaptiveRateLimiter, pace_key
from keywright.clouds.redaction import redacted
from keywright.clouds.sessions import Clock

_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")


class ApiError(Exception):
    """The service returned an error, or did not respond: then `status` is 0 and `code` empty.

    No part of it is secret.
    """

    def __init__(self, code: str, message: str, *, status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether the service rejected the request, so that it certainly did nothing."""
        return bool(self.code) and self.status < 500


class _GatewayAnswer(msgspec.Struct, rename="pascal"):
    """An error of the API gateway, before the service."""

    code: str = ""
    message: str = ""


class _ServiceAnswer(msgspec.Struct, rename="camel"):
    """The common part of a response of a service; an error can have HTTP status 200."""

    success: bool | None = None
    code: object = None
    message: object = None


@dataclass(frozen=True, slots=True)
class Call:
    """For which source and namespace a request is sent, with which session and timeouts."""

    by: Session
    source: CredentialSource
    tenant: str
    limits: Timeouts


class ApiCalls:
    """Sends requests, at the rate that the services accept for each account."""

    def __init__(
        self,
        http: HttpClient,
        *,
        clock: Clock,
        skews: ClockSkews | None = None,
        observe: RequestObserver | None = None,
    ) -> None:
        self._http = http
        self._clock = clock
        self._skews = skews
        self._observe = observe
        self._rate_limiter = AdaptiveRateLimiter(clock=time.monotonic)

    async def send(self, request: ApiRequest, *, call: Call) -> bytes:
        """The body of a successful response; raises ApiError."""
        account = pace_key(call.source, account=account_of(call.by))
        pace = (f"{request.host} {account}", request.action)
        await self._rate_limiter.wait(*pace, tenant=call.tenant)
        headers = signed_headers(request, by=call.by, now=self._clock(), nonce=str(uuid.uuid4()))
        began, status = time.monotonic(), None
        try:
            answer = await self._http.request(
                request.method,
                request.url,
                limits=call.limits,
                reach=Reach.VENDOR,
                tenant=call.tenant,
                body=request.body,
                content_type=FORM_TYPE,
                headers={"accept": "application/json", **headers},
            )
            status = answer.status
        except TransportError as error:
            raise ApiError("", str(error), status=0) from None
        finally:
            if self._observe is not None:
                service = request.host.partition(".")[0]
                self._observe(
                    Provider.ALIBABA_CLOUD.value,
                    f"{service}:{request.action}",
                    status=status,
                    seconds=time.monotonic() - began,
                )
        if self._skews is not None:
            self._skews.note(
                answer.headers,
                took=time.monotonic() - began,
                source=call.source,
                by_vendor=True,
            )
        refusal = _error_in(answer.body, status=answer.status, host=request.host)
        if refusal is None:
            self._rate_limiter.accepted(*pace)
            return answer.body
        if refusal.code.startswith("Throttling"):
            self._rate_limiter.throttled(*pace)
        raise refusal


def _error_in(body: bytes, *, status: int, host: str) -> ApiError | None:
    try:
        found = msgspec.json.decode(body, type=_ServiceAnswer)
        gateway = msgspec.json.decode(body, type=_GatewayAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # `from None`, and without its message: an unreadable response may contain a key.
        return ApiError("", f"{host}: HTTP {status} without a valid response", status=0)
    if status == 200 and found.success is not False:
        return None
    code = _text(found.code) or gateway.code
    message = redacted(_text(found.message) or gateway.message).rstrip(".") or f"HTTP {status}"
    if not _CODE.fullmatch(code):
        code = "Unknown" if 400 <= status < 500 else ""
    if status >= 500:
        message = f"{host}: HTTP {status}: {message}"
    return ApiError(code, message, status=status)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def account_of(session: Session) -> str:
    """The account in an ARN, `acs:SERVICE:REGION:ACCOUNT:...`; empty if it is not an account ID."""
    parts = session.identity.split(":")
    return parts[3] if len(parts) > 3 and fits(parts[3], ACCOUNT) else ""
