"""boto3's default chain of the operator itself, in a botocore session of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from keywright.api.sensitive import Sensitive
from keywright.clouds.answer_values import moment
from keywright.clouds.http import LONGEST_CALL_SECONDS
from keywright.clouds.interfaces import Session, whole_seconds


class AwsDefaultChain:
    """What the operator's own environment, files and metadata say; refreshed by botocore.

    Nothing else in the process reads them: every other client is made from a bare session.
    """

    def __init__(self, *, load: Callable[[], Any] | None = None) -> None:
        self._load = load or _default_chain
        # One thread: a botocore session is not for several, and a refresh may take seconds.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="aws-ambient")
        self._credentials: Any = None
        self._known: Session | None = None

    async def session(self, *, now: datetime) -> Session | None:
        """The credentials as they are now, not proved yet; None where the chain finds none."""
        loop = asyncio.get_running_loop()
        # The libraries' own calls have no total deadline.
        async with asyncio.timeout(LONGEST_CALL_SECONDS):
            return await loop.run_in_executor(self._pool, lambda: self._frozen(now))

    def close(self) -> None:
        """Wait for no one."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _frozen(self, now: datetime) -> Session | None:
        if self._credentials is None:
            self._credentials = self._load()
        if self._credentials is None:
            return None
        frozen = self._credentials.get_frozen_credentials()
        known = self._known
        if known is None or known.access_key_id != frozen.access_key:
            # Of those that botocore refreshes, the end has no public name (botocore 1.44,
            # credentials.py, RefreshableCredentials).
            ends_at = getattr(self._credentials, "_expiry_time", None)
            if isinstance(ends_at, datetime):
                # A process or an endpoint may tell an end without a zone, and means UTC.
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
