"""Short-term API keys of AWS services: signed locally, without a call.

A key is a presigned request (SigV4) in base64, with the prefix of its service. The format is that
of AWS's own generators, aws-bedrock-token-generator 1.1.0 and
token-generator-for-aws-external-anthropic 1.0.0, which differ in host, service and prefix alone; a
test compares the keys with theirs. A key expires with the session that signed it, or after its own
duration, twelve hours at most.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keywright.api.durations import format_duration
from keywright.api.grant import ApiKeyGrant
from keywright.api.partitions import partition_of
from keywright.api.presigned_key import PresignedKey
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.sts.sessions import explain_short_session
from keywright.clouds.interfaces import (
    DEFAULT_OPTIONS,
    IssuedKey,
    Session,
    SessionOptions,
    whole_seconds,
)
from keywright.planning.renewal import session_may_sign
from keywright.secrets.credential import Credential

# Time that STS subtracts for its own processing; too little to be reported.
_SLACK: Final = timedelta(seconds=60)
_VERSION: Final = "&Version=1"


@dataclass(frozen=True, slots=True)
class PresignedKeys:
    """The short-term keys of one service; implements `provider.KeyIssuer`.

    `host` and `service` are those of the presigned request, `prefix` is that of the key.
    """

    host: str
    service: str
    prefix: str

    def session_options(self, key: PresignedKey, *, region: str) -> SessionOptions:
        """Without limits, the source's own session signs; with limits, one that has them."""
        if not key.session_policies:
            return DEFAULT_OPTIONS
        return SessionOptions(
            policy=key.policy_in(partition_of(region).id),
            policy_arns=key.policy_arns,
            scoped=key.scoped_session,
        )

    def accepts_session(self, key: PresignedKey, *, session: Session, now: datetime) -> bool:
        """Whether the cached session may sign the key: it must be fresh."""
        return session_may_sign(
            session_issued_at=session.issued_at,
            session_expires_at=session.expires_at,
            key_ends_at=now + _duration(key),
            now=now,
        )

    async def mint(
        self,
        key: PresignedKey,
        *,
        grant: ApiKeyGrant,
        source: CredentialSource,
        session: Session,
        region: str,
        account_id: str,
        context: AwsContext,
    ) -> IssuedKey:
        """Issue a key signed by the session, with a warning if the session shortens it."""
        del grant
        requested = _duration(key)
        issued_at = whole_seconds(context.clock())
        ends_at = issued_at + requested
        if session.expires_at is not None:
            ends_at = min(ends_at, session.expires_at)
        credential = Credential(
            values={"apiKey": self.sign(session, region=region, lifetime=requested)},
            region=region,
            account_id=account_id,
            key_id=session.access_key_id,
            issued_at=issued_at,
            expires_at=ends_at,
        )
        return IssuedKey(
            credential,
            _warning(key, source=source, session=session, asked_end=issued_at + requested),
        )

    def sign(self, session: Session, *, region: str, lifetime: timedelta) -> Sensitive:
        """Sign a new API key, which expires with the session at the latest."""
        # Imported after start-up: botocore takes a third of a second.
        from botocore.auth import SigV4QueryAuth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        token = session.session_token
        signer = Credentials(
            session.access_key_id,
            session.secret_access_key.reveal(),
            token.reveal() if token else None,
        )
        request = AWSRequest(
            method="POST",
            url=f"https://{self.host}/",
            headers={"host": self.host},
            params={"Action": "CallWithBearerToken"},
        )
        expires = int(lifetime.total_seconds())
        SigV4QueryAuth(signer, self.service, region, expires=expires).add_auth(request)
        url = str(request.url).removeprefix("https://") + _VERSION
        return Sensitive(self.prefix + base64.b64encode(url.encode()).decode())


def _warning(
    key: PresignedKey, *, source: CredentialSource, session: Session, asked_end: datetime
) -> str:
    if session.expires_at is None:
        return _end_is_unknown(session, source=source.name)
    # A shared session that is a little older lasts as long as it can: nothing to change.
    lasts = session.expires_at - session.issued_at
    if asked_end <= session.expires_at or lasts + _SLACK >= _duration(key):
        return ""
    return (
        "It ends with the session that signed it, before the"
        f" {format_duration(key.duration_seconds)} asked:"
        f" {explain_short_session(session, source=source)}"
    )


def _duration(key: PresignedKey) -> timedelta:
    return timedelta(seconds=key.duration_seconds)


def _end_is_unknown(session: Session, *, source: str) -> str:
    """A warning for a session token from a Secret; a bare access key does not expire."""
    if session.session_token is None:
        return ""
    return (
        f"It ends with the session token that CredentialSource {source} has from its Secret, if"
        " that ends first; AWS does not tell when."
    )
