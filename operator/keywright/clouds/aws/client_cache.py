"""Cached boto3 clients, which contain no credentials.

Creating a client takes 2 to 3 ms of processor time and up to 350 KiB, the first one of a service
ten times as long. A client is safe to share between threads; a boto3 Session is not, so one thread
at a time creates clients (botocore's documentation of thread safety).

A request is signed with the session of the call in whose thread the request is sent. A renewed or
revoked session therefore leaves nothing in a client.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from keywright.clouds.aws.transport import CONNECT_SECONDS, READ_SECONDS
from keywright.clouds.bounded import FairLruDict, LruDict
from keywright.clouds.interfaces import Session

SERVICES: Final = ("apigateway", "codeartifact", "ecr", "iam", "rolesanywhere", "sts")
"""The services of AWS whose models the image keeps; a client of another one is not created."""
DEFAULT_ATTEMPTS: Final = 3
_MAX_UNSIGNED: Final = 64
# 45 MB, if every client is one of IAM.
_MAX_SIGNED: Final = 128
_MODELS: Final = str(Path(__file__).with_name("models"))
_Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A client: its host, and how often the SDK sends a request (`attempts`)."""

    service: str
    region: str
    endpoint: str | None = None
    attempts: int = DEFAULT_ATTEMPTS


class BotoClientCache:
    """Clients by key; `signing_session` returns the session of the call in the current thread.

    Unsigned clients are shared by all tenants; those of endpoints that tenants choose evict only
    each other. Signed clients belong to one tenant each: the SDK counts retries by client, and the
    failures of one tenant must not use up the retries of others.

    `handlers` are registered for botocore's events, by the event's name.
    """

    def __init__(
        self, *, signing_session: Callable[[], Session], handlers: dict[str, _Handler]
    ) -> None:
        self._signing_session = signing_session
        self._handlers = handlers
        # Held for the lookup only: a tenant's new endpoint must not delay existing clients.
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._unsigned: LruDict[ClientKey, Any] = LruDict(_MAX_UNSIGNED, evicted=_close)
        self._unsigned_of_endpoints: LruDict[ClientKey, Any] = LruDict(
            _MAX_UNSIGNED, evicted=_close
        )
        self._signed: FairLruDict[str, ClientKey, Any] = FairLruDict(_MAX_SIGNED, evicted=_close)
        self._session: Any = None

    def __len__(self) -> int:
        """The number of cached clients."""
        return len(self._unsigned) + len(self._unsigned_of_endpoints) + len(self._signed)

    def unsigned(self, key: ClientKey) -> Any:
        """A client whose requests are not signed."""
        cache = self._unsigned if key.endpoint is None else self._unsigned_of_endpoints
        return self._cached(
            lambda: cache.get(key), lambda client: cache.put(key, client), key=key, signed=False
        )

    def signed(self, key: ClientKey, *, tenant: str) -> Any:
        """The tenant's client, which signs with the session of the call in the current thread."""
        return self._cached(
            lambda: self._signed.get(tenant, key),
            lambda client: self._signed.put(tenant, key, client),
            key=key,
            signed=True,
        )

    def _cached(
        self, get: Callable[[], Any], put: Callable[[Any], None], *, key: ClientKey, signed: bool
    ) -> Any:
        with self._lock:
            client = get()
        if client is not None:
            return client
        with self._making:
            with self._lock:
                client = get()
            if client is None:
                client = self._new(key, signed=signed)
                with self._lock:
                    put(client)
        return client

    def _new(self, key: ClientKey, *, signed: bool) -> Any:
        assert key.service in SERVICES, f"the image has no model of {key.service}"
        if self._session is None:
            self._session = _bare_session(_CallCredentials(self._signing_session))
        # Imported here: a third of a second that the initial lists need not wait for.
        from botocore import UNSIGNED  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": key.attempts},
            user_agent_extra="keywright",
            **({} if signed else {"signature_version": UNSIGNED}),
        )
        client = self._session.client(
            key.service, region_name=key.region, endpoint_url=key.endpoint, config=config
        )
        for event, handler in self._handlers.items():
            client.meta.events.register(event, handler)
        return client


class _CallCredentials:
    """Credentials of botocore whose values are those of the current thread's call.

    botocore reads them once for each signature (botocore 1.44, signers.py, `get_auth_instance`).
    """

    method = "explicit"

    def __init__(self, signing_session: Callable[[], Session]) -> None:
        self._signing_session = signing_session

    def load_credentials(self) -> _CallCredentials:
        """Return itself: this is also botocore's component `credential_provider`."""
        return self

    def get_frozen_credentials(self) -> Any:
        """The values for one signature."""
        from botocore.credentials import ReadOnlyCredentials  # noqa: PLC0415  as above

        session = self._signing_session()
        token = session.session_token
        return ReadOnlyCredentials(
            session.access_key_id,
            session.secret_access_key.reveal(),
            None if token is None else token.reveal(),
            None,
        )

    def get_deferred_property(self, name: str) -> Callable[[], None]:
        """No property: an account ID in the host name is not used by these services."""
        del name
        return lambda: None


def _close(client: Any) -> None:
    client.close()


def _bare_session(credentials: _CallCredentials) -> Any:
    """A boto3 Session without the operator's own profile, files or credentials.

    Of the environment, only botocore's network variables apply: endpoints, CA bundle, proxies.
    """
    import boto3  # noqa: PLC0415  as above
    from botocore.session import Session as CoreSession  # noqa: PLC0415  as above

    core = CoreSession(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            # Additions to botocore's models of services (botocore 1.44, loaders.py, "extras").
            "data_path": (None, None, _MODELS, None),
        }
    )
    core.register_component("credential_provider", credentials)
    return boto3.session.Session(botocore_session=core, region_name="us-east-1")
