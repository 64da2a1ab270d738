"""boto3 at the edge: clients that are made once, and calls in a bounded pool of threads.

A client costs 70 ms of processor time to make and is safe to share between threads; a boto3
Session is not, so that all clients are made by one thread (facts: botocore's own documentation of
thread safety). Nothing of the operator's own credentials takes part: calls are unsigned, or signed
with the credentials that are handed in.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from keywright.clouds.aws.refusals import THROTTLED
from keywright.clouds.pacing import Pacing
from keywright.clouds.ways import Session

_Answer = TypeVar("_Answer")
_CONNECT_SECONDS = 5
_READ_SECONDS = 10
_ATTEMPTS = 3


class AwsCalls:
    """Clients by service, region and endpoint; importing boto3 is left to the pool's first job."""

    def __init__(self, *, threads: int = 8) -> None:
        self.pacing = Pacing(clock=time.monotonic)
        self._share = max(1, threads // 2)
        self._shares: dict[str, asyncio.Semaphore] = {}
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="aws")
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, str | None], Any] = {}
        self._session: Any = None

    def warm_up(self) -> None:
        """Import boto3 and read the model of STS in the background: a third of a second."""
        self._pool.submit(self._client, "sts", "us-east-1", None)

    def close(self) -> None:
        """Wait for no one: what is under way ends with the process."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(
        self,
        service: str,
        call: Callable[[Any], _Answer],
        *,
        region: str,
        endpoint: str | None = None,
        session: Session | None = None,
        attempts: int = _ATTEMPTS,
    ) -> _Answer:
        """The result of `call(client)`, run in the pool; the client signs as `session`, or not.

        `attempts=1` is for what must not be done twice: the SDK then repeats nothing by itself.
        """
        loop = asyncio.get_running_loop()
        if session is None:
            return await loop.run_in_executor(
                self._pool, lambda: call(self._client(service, region, endpoint))
            )
        account = account_of(session)

        def work() -> _Answer:
            client = self._new_client(service, region, endpoint, session=session, attempts=attempts)
            self._pace(client, loop, account=account, service=service)
            return call(client)

        # No account has all the threads: one that is slow would hold up the others.
        share = self._shares.setdefault(account, asyncio.Semaphore(self._share))
        async with share:
            return await loop.run_in_executor(self._pool, work)

    def _pace(
        self, client: Any, loop: asyncio.AbstractEventLoop, *, account: str, service: str
    ) -> None:
        """Wait for a turn before each request, and note each answer: also of botocore's retries."""

        def before(**_: Any) -> None:
            if self.pacing.is_paced(account):
                turn = self.pacing.wait(account, service)
                asyncio.run_coroutine_threadsafe(turn, loop).result()

        def after(parsed_response: dict[str, Any] | None = None, **_: Any) -> None:
            error = (parsed_response or {}).get("Error", {})
            refused = error.get("Code") in THROTTLED
            told = self.pacing.throttled if refused else self.pacing.accepted
            loop.call_soon_threadsafe(told, account, service)

        client.meta.events.register("before-send.*", before)
        client.meta.events.register("response-received.*", after)

    def _client(self, service: str, region: str, endpoint: str | None) -> Any:
        key = (service, region, endpoint)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._new_client(service, region, endpoint)
        return client

    def _new_client(
        self,
        service: str,
        region: str,
        endpoint: str | None,
        *,
        session: Session | None = None,
        attempts: int = _ATTEMPTS,
    ) -> Any:
        with self._lock:
            if self._session is None:
                self._session = _bare_session()
            from botocore import UNSIGNED  # noqa: PLC0415  as above
            from botocore.config import Config  # noqa: PLC0415  as above

            config = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": attempts},
                user_agent_extra="keywright",
                **({"signature_version": UNSIGNED} if session is None else {}),
            )
            credentials = (
                {}
                if session is None
                else {
                    "aws_access_key_id": session.access_key_id,
                    "aws_secret_access_key": session.secret_access_key.reveal(),
                    "aws_session_token": session.session_token.reveal()
                    if session.session_token
                    else None,
                }
            )
            return self._session.client(
                service, region_name=region, endpoint_url=endpoint, config=config, **credentials
            )


def account_of(session: Session) -> str:
    """The account of a session's identity, an ARN; empty where that is not known yet."""
    parts = session.identity.split(":")
    return parts[4] if len(parts) > 4 else ""


def _bare_session() -> Any:
    """A boto3 Session that knows nothing of the operator's own profile, files or credentials.

    What stays of the environment are botocore's variables of the network: endpoints, CA bundle,
    proxies.
    """
    # Imported here: a third of a second that the first list of objects need not wait for.
    import boto3  # noqa: PLC0415
    from botocore.session import Session as CoreSession  # noqa: PLC0415

    core = CoreSession(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
        }
    )
    core.set_credentials("unused", "unused")
    return boto3.session.Session(botocore_session=core, region_name="us-east-1")
