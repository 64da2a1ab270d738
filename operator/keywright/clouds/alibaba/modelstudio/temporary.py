"""Temporary keys of Model Studio, made with the long-lived key of the source.

The page "Generate a temporary API key": POST /api/v1/tokens?expire_in_seconds=1..1800 with the key
as a bearer token; the response has the token and its expiry in seconds since the epoch. A temporary
key has the permissions of the long-lived one, works in its region alone, and cannot be deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from keywright.api.durations import format_duration
from keywright.api.errors import Failure, FailureClass
from keywright.api.formats import Format
from keywright.api.grant import ApiKeyGrant
from keywright.api.model_studio_keys import ModelStudioTemporaryKey, host_in
from keywright.api.source import CredentialSource, Provider
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.context import ROOT, AlibabaContext, limits_of
from keywright.clouds.answer_values import MODEL_STUDIO_KEY, invalid, moment, secret
from keywright.clouds.common_refusals import check_end
from keywright.clouds.http import HttpResponse, TransportError
from keywright.clouds.interfaces import (
    DEFAULT_OPTIONS,
    IssuedKey,
    Session,
    SessionOptions,
    whole_seconds,
)
from keywright.clouds.redaction import redacted
from keywright.secrets.credential import API_KEY, Credential

PATH: Final = "/api/v1/tokens"
_FIELD: Final = "spec.modelStudioTemporaryKey"
_BEARER: Final = f"{ROOT}.bearer.secretRef"
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,127}")
# Time that the service may subtract; too little to be reported.
_SLACK: Final = timedelta(seconds=60)
_ENVIRONMENTS: Final = frozenset({Format.DASHSCOPE_ENV, Format.OPENAI_ENV})


class _Answer(msgspec.Struct):
    token: str
    expires_at: int


class _Refusal(msgspec.Struct):
    code: str = ""
    message: str = ""


def session_options(key: ModelStudioTemporaryKey) -> SessionOptions:
    """The session options: none."""
    del key
    return DEFAULT_OPTIONS


def accepts_session(key: ModelStudioTemporaryKey, *, session: Session, now: datetime) -> bool:
    """Always: the long-lived key is used until its Secret changes."""
    del key, now
    return session.bearer is not None


async def mint(
    key: ModelStudioTemporaryKey,
    *,
    grant: ApiKeyGrant,
    source: CredentialSource,
    session: Session,
    account_id: str,
    context: AlibabaContext,
) -> IssuedKey:
    """Make a temporary key, with the expiry from the service, never the requested one.

    Raises:
        Failure: the service rejects the key of the source, or is not reached.
    """
    del account_id
    region = grant.region(source)
    host = host_in(region, key.workspace_id)
    # The source has a key, and the region a host: both were validated with the source.
    assert host is not None
    assert session.bearer is not None
    issued_at = whole_seconds(context.clock())
    answer = await token_for(
        session.bearer.reveal(),
        host=host,
        seconds=key.duration_seconds,
        source=source,
        tenant=grant.namespace,
        context=context,
    )
    if answer.status != 200:
        raise _refused(answer, host=host)
    try:
        found = msgspec.json.decode(answer.body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # `from None`, and without its message: it may quote the token.
        raise invalid("body with a temporary key") from None
    credential = Credential(
        values={API_KEY: secret(found.token, MODEL_STUDIO_KEY)},
        region=region,
        account_id=None,
        key_id=session.access_key_id,
        issued_at=issued_at,
        expires_at=_end(found.expires_at, issued_at, context.min_lifetime),
        provider=Provider.ALIBABA_CLOUD,
    )
    return IssuedKey(credential, _warning(key, grant=grant, credential=credential))


async def token_for(
    bearer: str,
    *,
    host: str,
    seconds: int,
    source: CredentialSource,
    tenant: str,
    context: AlibabaContext,
) -> HttpResponse:
    """Request a temporary key with a long-lived one; raises Failure without a response."""
    try:
        return await context.http.request(
            "POST",
            f"https://{host}{PATH}?expire_in_seconds={seconds}",
            limits=replace(limits_of(source), most_bytes=16 * 1024),
            reach=Reach.VENDOR,
            tenant=tenant,
            headers={"Authorization": f"Bearer {bearer}"},
        )
    except TransportError as error:
        raise Failure(
            f"Model Studio: {error}.",
            kind=FailureClass.TRANSIENT,
            reason="CloudError",
            field=f"{_FIELD}.region",
            remedy=(
                "Tried again. If this stays, check region and workspaceId, and the network, proxy"
                f" and firewall between the operator and {host}."
            ),
        ) from None


@dataclass(frozen=True, slots=True)
class _Row:
    """What a refusal means, with field and remedy; `{host}` is the host that was called."""

    kind: FailureClass
    field: str
    remedy: str
    reason: str


_BY_STATUS: Final[Mapping[int, _Row]] = {
    401: _Row(
        FailureClass.DENIED,
        _BEARER,
        "Put an enabled API key of Model Studio into the Secret, of the region of {host}, and of"
        " its workspace if workspaceId is set. A temporary key (st-...) makes no other.",
        reason="InvalidApiKey",
    ),
    403: _Row(
        FailureClass.DENIED,
        _BEARER,
        "Allow the operator's address in the key's accessIps, and settle what Model Studio says of"
        " the account.",
        reason="AccessDenied",
    ),
    404: _Row(
        FailureClass.CONFIGURATION,
        f"{_FIELD}.workspaceId",
        "Correct workspaceId and region: they are in the API Host of the workspace.",
        reason="NotFound",
    ),
    429: _Row(
        FailureClass.THROTTLED,
        _FIELD,
        "Tried again later. Give readers that need the same key one grant.",
        reason="Throttled",
    ),
}
_OTHER_MISTAKE: Final = _Row(
    FailureClass.CONFIGURATION,
    _FIELD,
    "Correct the value to what Model Studio says of it.",
    reason="InvalidRequest",
)
_OF_THE_SERVICE: Final = _Row(FailureClass.TRANSIENT, _FIELD, "Tried again.", reason="CloudError")


def _refused(answer: HttpResponse, *, host: str) -> Failure:
    try:
        found = msgspec.json.decode(answer.body, type=_Refusal)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        found = _Refusal()
    code = found.code if _CODE.fullmatch(found.code) else f"HTTP {answer.status}"
    message = redacted(found.message).rstrip(".") or f"HTTP {answer.status}"
    status = 429 if code.startswith("Throttling") else answer.status
    other = _OTHER_MISTAKE if 400 <= status < 500 else _OF_THE_SERVICE
    row = _BY_STATUS.get(status, other)
    return Failure(
        f"Model Studio ({host}): {code}: {message}.",
        kind=row.kind,
        reason=row.reason,
        field=row.field,
        remedy=row.remedy.format(host=host),
    )


def _end(seconds: int, issued_at: datetime, least: timedelta) -> datetime:
    try:
        found = moment(datetime.fromtimestamp(seconds, UTC), what="expires_at")
    except (ValueError, OverflowError, OSError):
        raise invalid("expires_at") from None
    check_end(found, issued_at=issued_at, least=least, field=_FIELD)
    return found


def _warning(key: ModelStudioTemporaryKey, *, grant: ApiKeyGrant, credential: Credential) -> str:
    """Which readers a key of at most half an hour suits, and an expiry before the requested one."""
    assert credential.expires_at is not None
    life = credential.expires_at - credential.issued_at
    parts = []
    if life + _SLACK < timedelta(seconds=key.duration_seconds):
        parts.append(
            f"The key ends before the {format_duration(key.duration_seconds)} asked: it lasts"
            f" {format_duration(life.total_seconds())}."
        )
    if _ENVIRONMENTS & set(grant.formats):
        parts.append(
            "A key that is valid for half an hour suits readers that read a mounted file again, and"
            " keywright proxy: a process that reads it into its environment is refused after that."
        )
    return " ".join(parts)
