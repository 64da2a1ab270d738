"""The connection to the API server: address, trust and credentials, as the official client does.

The official client loads kubeconfig files (exec plugins included) and in-cluster configuration and
refreshes tokens; requests are sent by aiohttp sessions with plain dictionaries, which use a third
of the processor time of its generated calls (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import aiohttp
import msgspec
from aiohttp.connector import Connection as ClientConnection
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.incluster_config import load_incluster_config
from kubernetes.aio.config.kube_config import load_kube_config, refresh_token
from typing_extensions import override

from keywright.cluster.api_requests import ApiRequestObserver, verb_and_resource
from keywright.cluster.decoding import ShallowLines, decode_list
from keywright.cluster.resolving import OwnThreadResolver

_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_CONNECT_SECONDS = 10.0
_REQUEST_SECONDS = 30.0
_REFRESH_PAUSE_SECONDS = 10.0
_LOG = logging.getLogger(__name__)

Middleware = Callable[
    [aiohttp.ClientRequest, Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]],
    Awaitable[aiohttp.ClientResponse],
]


class Authorization(Protocol):
    """Provides the current Authorization header, or None if the client certificate suffices."""

    async def header(self) -> str | None:
        """Return the value of the header; a rotating token is read again at intervals."""

    async def renewed(self, refused: str | None) -> bool:
        """Reload after a 401; whether the header now differs from the refused one."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The address of the API server, and the operator's credentials for it."""

    server: str
    ssl_context: ssl.SSLContext
    authorization: Authorization
    proxy: str | None
    resolver: OwnThreadResolver = field(default_factory=OwnThreadResolver)

    def session(self, *, connections: int) -> aiohttp.ClientSession:
        """Return a session with its own pool, without credentials; the caller closes it.

        Closing it aborts requests in progress: connections are reset, so that a write delayed by
        the network does not arrive after those of the replica that has taken over.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                ssl=self.ssl_context,
                socket_factory=_linger_zero_socket,
                resolver=self.resolver,
            ),
            timeout=aiohttp.ClientTimeout(total=_REQUEST_SECONDS, sock_connect=_CONNECT_SECONDS),
            proxy=self.proxy,
        )

    def watch_session(
        self, *, connections: int, observe: ApiRequestObserver | None = None
    ) -> aiohttp.ClientSession:
        """Return a session for kopf: with credentials, and Secrets without their values."""
        middlewares: tuple[Middleware, ...] = (_authorize(self.authorization), _secrets_as_metadata)
        if observe is not None:
            middlewares = (*middlewares, _observed(observe))
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, ssl=self.ssl_context, resolver=self.resolver
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            middlewares=middlewares,
            proxy=self.proxy,
            read_bufsize=2**20,
            response_class=_KopfResponse,
        )


async def connect(*, kubeconfig: Path | None = None, context: str | None = None) -> Connection:
    """Connect by `kubeconfig`, otherwise by the pod's ServiceAccount, otherwise by $KUBECONFIG.

    Raises:
        kubernetes.config.ConfigException: none of them exists, or one is malformed.
    """
    load = partial(_load, kubeconfig=kubeconfig, context=context)
    configuration = Configuration()
    loader = await load(configuration)
    context_of_tls = _ssl_context(configuration)
    trust = ReloadedTrust(context_of_tls, configuration.ssl_ca_cert)
    return Connection(
        server=configuration.host.rstrip("/"),
        ssl_context=context_of_tls,
        authorization=_ConfiguredAuthorization(
            configuration, loader=loader, load=load, trust=trust
        ),
        proxy=configuration.proxy,
    )


async def _load(
    configuration: Configuration, *, kubeconfig: Path | None, context: str | None
) -> Any:
    """Load the configuration; return the loader that refreshes it, None if it does so by itself."""
    if kubeconfig is None and context is None and "KUBERNETES_SERVICE_HOST" in os.environ:
        load_incluster_config(configuration)  # type: ignore[no-untyped-call]  # untyped upstream
        return None
    return await load_kube_config(  # type: ignore[no-untyped-call]  # untyped upstream
        str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG"),
        context=context,
        client_configuration=configuration,
        persist_config=False,
    )


class ReloadedTrust:
    """Adds the authorities of a CA file to a TLS context once the file has changed.

    The kubelet replaces the file when the cluster's CA is rotated. Open connections stay; new ones
    trust the old authorities and the new ones, until the process ends.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        file: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._file = file if context.verify_mode is not ssl.CERT_NONE else None
        self._clock = clock
        self._state = self._stat()
        self._look_at = clock() + _REFRESH_PAUSE_SECONDS

    def refresh(self) -> None:
        """Check the file, at most every ten seconds."""
        if self._file is None or self._clock() < self._look_at:
            return
        self._look_at = self._clock() + _REFRESH_PAUSE_SECONDS
        state = self._stat()
        if state is None or state == self._state:
            return
        try:
            self._context.load_verify_locations(self._file)
        except OSError as error:
            _LOG.warning(
                "loading the CA of the Kubernetes API failed, retrying: %s", type(error).__name__
            )
        else:
            self._state = state

    def _stat(self) -> tuple[int, int, int] | None:
        if self._file is None:
            return None
        try:
            found = Path(self._file).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


class _ConfiguredAuthorization:
    """The token of the official client's configuration, refreshed by the client's own code.

    A token that the API server rejects is older than the one in its file or of its plugin:
    everything is loaded again, at most every ten seconds.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        loader: Any,
        load: Callable[[Configuration], Awaitable[Any]],
        trust: ReloadedTrust,
    ) -> None:
        self._trust = trust
        self._configuration = configuration
        self._loader = loader
        self._load = load
        self._refreshing: asyncio.Task[None] | None = None
        self._loading = asyncio.Lock()
        self._load_again_at = 0.0

    async def header(self) -> str | None:
        # Before each request, including those of kopf.
        self._trust.refresh()
        refreshing = self._refreshing
        if self._loader is not None and (refreshing is None or refreshing.cancelled()):
            # Returns immediately unless the user entry is an exec plugin or a cloud's provider.
            self._refreshing = asyncio.create_task(
                self._keep_fresh(), name="kubeconfig token refresh"
            )
        token: str | None = await self._configuration.get_api_key_with_prefix("BearerToken")
        if token is None:
            return None
        return token if token[:7].lower() == "bearer " else f"Bearer {token}"

    async def renewed(self, refused: str | None) -> bool:
        async with self._loading:
            now = asyncio.get_running_loop().time()
            if await self.header() == refused and now >= self._load_again_at:
                self._load_again_at = now + _REFRESH_PAUSE_SECONDS
                await self._reload()
            return await self.header() != refused

    async def _reload(self) -> None:
        configuration = Configuration()
        try:
            loader = await self._load(configuration)
        except Exception as error:
            _LOG.warning("could not reload credentials after 401: %s", error)
            return
        if self._refreshing is not None:
            self._refreshing.cancel()
        self._configuration, self._loader, self._refreshing = configuration, loader, None

    async def _keep_fresh(self) -> None:
        """Refresh until cancelled; a plugin that fails is called again."""
        while True:
            try:
                await refresh_token(  # type: ignore[no-untyped-call]  # untyped upstream
                    self._loader, self._configuration
                )
            except Exception as error:
                _LOG.warning("the kubeconfig's credentials were not refreshed: %s", error)
                await asyncio.sleep(_REFRESH_PAUSE_SECONDS)
            else:
                return


def _authorize(authorization: Authorization) -> Middleware:
    async def authorize(
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        header = await authorization.header()
        if header is not None:
            request.headers["Authorization"] = header
        answer = await handler(request)
        if answer.status != 401 or not await authorization.renewed(header):
            return answer
        answer.release()
        request.headers["Authorization"] = await authorization.header() or ""
        return await handler(request)

    return authorize


def _observed(observe: ApiRequestObserver) -> Middleware:
    async def observed(
        request: aiohttp.ClientRequest,
        handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
    ) -> aiohttp.ClientResponse:
        began, status = time.perf_counter(), None
        try:
            answer = await handler(request)
            status = answer.status
        finally:
            verb, resource = verb_and_resource(request.method, request.url.raw_path_qs)
            observe(verb, resource, status=status, seconds=time.perf_counter() - began)
        return answer

    return observed


class _KopfResponse(aiohttp.ClientResponse):
    """A response that kopf can parse regardless of the content of a single object.

    Items are decoded one by one, lines of a watch are limited in depth to what a decoder supports,
    and the `items` of an empty list are never null, as in a list of metadata.
    """

    @override
    async def start(self, connection: ClientConnection) -> aiohttp.ClientResponse:
        await super().start(connection)
        if "watch" in self.url.query and self.status < 400:
            self.content = cast("aiohttp.StreamReader", ShallowLines(self.content))
        return self

    @override
    async def json(self, **options: Any) -> Any:
        if self.status >= 400:
            return await super().json(**options)
        try:
            return await decode_list(await self.read())
        except msgspec.DecodeError as error:
            # kopf restarts a watch that was cut off.
            raise aiohttp.ClientPayloadError(f"an answer that is no JSON: {error}") from error


async def _secrets_as_metadata(
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    if request.url.path.endswith("/secrets"):
        watching = "watch" in request.url.query
        request.headers["Accept"] = _METADATA if watching else _METADATA_LIST
    return await handler(request)


def _linger_zero_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket that discards unsent data when it is closed (SO_LINGER, 0 s)."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return made


def _ssl_context(configuration: Configuration) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data
    )
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
