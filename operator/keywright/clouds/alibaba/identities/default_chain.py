"""The operator's own identity: the default credential chain of Alibaba Cloud's library.

Anyone who may write a CredentialSource could use it, so it is off unless a flag of the operator
allows it.

The order, variables and files are those of the library. But its `DefaultCredentialsProvider` drops
the expiry of the credentials, and keeps a thread for the metadata service running, so its providers
are called one by one. They block, and read the environment on import: both is done in a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from keywright.api.alibaba_source import DefaultChain
from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.context import (
    ROOT,
    AlibabaContext,
    reject_session_options,
    verify_identity,
)
from keywright.clouds.alibaba.identities.ecs_ram_role import not_allowed
from keywright.clouds.alibaba.sts.errors import RequestContext
from keywright.clouds.http import MAX_CALL_SECONDS
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds

_FIELD = f"{ROOT}.defaultChain"
# Both write to the terminal from their import on, including complete responses of STS.
_LOGGERS = ("credentials", "alibabacloud-tea")


async def open_session(
    identity: DefaultChain,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """Read the credentials of the chain.

    Raises:
        Failure: the flag is not set, the chain finds no valid credentials, or the cloud does not
            accept them.
    """
    del identity
    reject_session_options(ask, way="defaultChain")
    if context.own is None:
        raise not_allowed(_FIELD, remedy="Use oidcRoleArn")
    now = context.clock()
    session = await context.own.session(now=now)
    if session is None or (session.expires_at is not None and session.expires_at <= now):
        raise Failure(
            "the default credential chain finds no living credentials around the operator.",
            kind=FailureClass.TRANSIENT,
            reason="AmbientNotFound",
            field=_FIELD,
            remedy="Give the operator's pod an identity: RRSA, variables, or a role of its node.",
        )
    return await verify_identity(
        session, source=source, asking=RequestContext(fields={"": _FIELD}), context=context
    )


class AlibabaDefaultChain:
    """Implements `DefaultCredentials`; nothing else in the process reads these credentials."""

    def __init__(self, *, load: Callable[[], Iterable[Any]] | None = None) -> None:
        self._load = load or _providers
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="alibaba-own")
        self._providers: tuple[Any, ...] | None = None

    async def session(self, *, now: datetime) -> Session | None:
        """Return the current credentials of the first provider that has any; None if none has."""
        loop = asyncio.get_running_loop()
        # The libraries' own calls have no total deadline.
        async with asyncio.timeout(MAX_CALL_SECONDS):
            return await loop.run_in_executor(self._pool, lambda: self._first(now))

    def close(self) -> None:
        """Shut down without waiting for calls in progress."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _first(self, now: datetime) -> Session | None:
        if self._providers is None:
            self._providers = tuple(self._load())
        for provider in self._providers:
            found = _found(provider)
            if found is not None:
                return _session(found, now=now)
        return None


def _found(provider: Any) -> Any:
    """The provider's credentials with their expiry; None if it raises, to continue the chain."""
    try:
        found = provider.get_credentials()
        # Providers for files return the credentials of another one without their expiry; that one
        # has no public name (alibabacloud_credentials 1.0.12, provider/cli_profile.py and
        # profile.py).
        inner = getattr(provider, f"_{type(provider).__name__}__innerProvider", None)
        return found if inner is None else inner.get_credentials()
    except Exception:  # the library raises any type; messages may quote what was read
        return None


def _session(found: Any, *, now: datetime) -> Session:
    token, end = found.get_security_token(), found.get_expiration()
    return Session(
        access_key_id=found.get_access_key_id(),
        secret_access_key=Sensitive(found.get_access_key_secret()),
        session_token=Sensitive(token) if token else None,
        issued_at=whole_seconds(now),
        expires_at=datetime.fromtimestamp(end, UTC) if end else None,
        identity="",
    )


def _providers() -> Iterable[Any]:
    """The providers of the library's chain, in its order (provider/default.py)."""
    from alibabacloud_credentials import provider as library  # noqa: PLC0415  reads the environment
    from alibabacloud_credentials.utils import auth_util  # noqa: PLC0415  as above

    for name in _LOGGERS:
        logging.getLogger(name).disabled = True
    yield library.EnvironmentVariableCredentialsProvider()
    if auth_util.enable_oidc_credential:
        yield library.OIDCRoleArnCredentialsProvider()
    yield library.CLIProfileCredentialsProvider()
    yield library.ProfileCredentialsProvider()
    if auth_util.environment_ecs_metadata_disabled.lower() != "true":
        yield library.EcsRamRoleCredentialsProvider(async_update_enabled=False)
    if auth_util.environment_credentials_uri:
        yield library.URLCredentialsProvider()
