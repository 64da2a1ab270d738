"""The default credential chain of the operator itself, by the library's own providers.

Here the library is right: its order, its variables and its files are what is meant. But its
`DefaultCredentialsProvider` drops the end of what it finds and keeps a thread for the metadata
service awake, so that its providers are asked one by one. They block, and read the environment
when they are imported: one thread of our own does both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from keywright.api.sensitive import Sensitive
from keywright.clouds.http import LONGEST_CALL_SECONDS
from keywright.clouds.interfaces import Session, whole_seconds

# Both write to the terminal from their import on, whole answers of STS among other things.
_LOGGERS = ("credentials", "alibabacloud-tea")


class AlibabaDefaultChain:
    """Implements `identities.asking.OwnIdentity`; nothing else in the process reads any of it."""

    def __init__(self, *, load: Callable[[], Iterable[Any]] | None = None) -> None:
        self._load = load or _providers
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="alibaba-own")
        self._providers: tuple[Any, ...] | None = None

    async def session(self, *, now: datetime) -> Session | None:
        """The first credentials of the chain, as they are now; None where there are none."""
        loop = asyncio.get_running_loop()
        # The libraries' own calls have no total deadline.
        async with asyncio.timeout(LONGEST_CALL_SECONDS):
            return await loop.run_in_executor(self._pool, lambda: self._first(now))

    def close(self) -> None:
        """Wait for no one."""
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
    """What the provider gives, with its end; None where it raises, as the chain goes on then."""
    try:
        found = provider.get_credentials()
        # Those of files hand on what another one gives, without its end; that one has no public
        # name (alibabacloud_credentials 1.0.12, provider/cli_profile.py and profile.py).
        inner = getattr(provider, f"_{type(provider).__name__}__innerProvider", None)
        return found if inner is None else inner.get_credentials()
    except Exception:  # the library raises whatever; its words may quote what was read
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
    """The library's chain, in its order (provider/default.py)."""
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
