"""The operator's own identity: boto3's default credential chain.

Anyone who may write a CredentialSource could use it, so it is off unless a flag of the operator
allows it. botocore refreshes the credentials; each new session reads them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from keywright.api.aws_source import Ambient
from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import moment
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.error_codes import code_and_message
from keywright.clouds.aws.sts.errors import failure_from_session
from keywright.clouds.aws.sts.sessions import verify_identity
from keywright.clouds.http import MAX_CALL_SECONDS
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds

_FIELD = "CredentialSource spec.aws.ambient"


async def open_session(
    identity: Ambient, *, source: CredentialSource, ask: SessionOptions, context: AwsContext
) -> Session:
    """Read the credentials of the default chain.

    Raises:
        Failure: the flag is not set, the chain finds nothing, or AWS does not accept the result.
    """
    del identity, ask
    if context.ambient is None:
        raise Failure(
            "this operator lends its own identity to no one.",
            kind=FailureClass.CONFIGURATION,
            reason="AmbientNotAllowed",
            field=_FIELD,
            remedy="Use webIdentity, or start the operator with --allow-ambient.",
        )
    try:
        session = await context.ambient.session(now=context.clock())
    except Exception as error:
        # `from None`: providers of the chain may quote what they read.
        raise _failure(error) from None
    if session is None:
        raise Failure(
            "boto3's default chain finds no credentials in the operator's surroundings.",
            kind=FailureClass.TRANSIENT,
            reason="AmbientNotFound",
            field=_FIELD,
            remedy="Give the operator's pod an identity: IRSA, Pod Identity, or an instance role.",
        )
    return await verify_identity(
        session, source=source, context=context, refusal=failure_from_session
    )


def _failure(error: Exception) -> Failure:
    from botocore.exceptions import CredentialRetrievalError  # noqa: PLC0415  as _default_chain

    if not isinstance(error, CredentialRetrievalError | OSError):
        return failure_from_session(error)
    _, message = code_and_message(error)
    return Failure(
        f"the operator's own identity cannot be read: {message}.",
        kind=FailureClass.TRANSIENT,
        reason="AmbientUnavailable",
        field=_FIELD,
        remedy=(
            "Check the identity of the operator's pod. EKS Pod Identity needs an association of its"
            " ServiceAccount, a role that trusts pods.eks.amazonaws.com with sts:AssumeRole and"
            " sts:TagSession, and egress to the agent (networkPolicy.podIdentity of the chart)."
        ),
    )


class AwsDefaultChain:
    """The credentials in the operator's own environment, files and metadata, refreshed by botocore.

    Nothing else in the process reads them: every other client has a bare session.
    """

    def __init__(self, *, load: Callable[[], Any] | None = None) -> None:
        self._load = load or _default_chain
        # One thread: a botocore session is not thread-safe, and a refresh may take seconds.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="aws-ambient")
        self._credentials: Any = None
        self._known: Session | None = None

    async def session(self, *, now: datetime) -> Session | None:
        """The current credentials, not verified yet; None if the chain finds none."""
        loop = asyncio.get_running_loop()
        # The libraries' own calls have no total deadline.
        async with asyncio.timeout(MAX_CALL_SECONDS):
            return await loop.run_in_executor(self._pool, lambda: self._frozen(now))

    def close(self) -> None:
        """Shut down without waiting for calls in progress."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _frozen(self, now: datetime) -> Session | None:
        if self._credentials is None:
            self._credentials = self._load()
        if self._credentials is None:
            return None
        frozen = self._credentials.get_frozen_credentials()
        known = self._known
        if known is None or known.access_key_id != frozen.access_key:
            # The expiry of refreshable credentials has no public name (botocore 1.44,
            # credentials.py, RefreshableCredentials).
            ends_at = getattr(self._credentials, "_expiry_time", None)
            if isinstance(ends_at, datetime):
                # A process or an endpoint may return an expiry without a time zone, and means UTC.
                ends_at = moment(ends_at, what="Expiration")
            known = self._known = Session(
                access_key_id=frozen.access_key,
                secret_access_key=Sensitive(frozen.secret_key),
                session_token=Sensitive(frozen.token) if frozen.token else None,
                issued_at=whole_seconds(now),
                expires_at=ends_at if isinstance(ends_at, datetime) else None,
                identity="",
            )
        return known


def _default_chain() -> Any:
    from botocore.session import Session as CoreSession  # noqa: PLC0415  imported after start-up

    return CoreSession().get_credentials()
