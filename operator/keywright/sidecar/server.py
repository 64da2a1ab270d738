"""The HTTP server of the sidecar: one path for each vendor, only on the loopback address."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from aiohttp import web

from keywright.sidecar import documents
from keywright.sidecar.authorization import AuthorizationToken
from keywright.sidecar.documents import (
    Document,
    DocumentError,
    FileMissingError,
    MountedFile,
    Parse,
)

ALIBABA_PATH, ALIBABA_FILE = "/alibaba-cloud", "credentials.json"
AWS_PATH, AWS_FILE = "/aws", "credential-process.json"
_HOST = "127.0.0.1"
# a page in a browser, or a foreign name that resolves to this address, must be refused
_NAMES = frozenset({_HOST, "localhost"})


class UnavailableError(Exception):
    """No credential is available now; the message says why."""


class CachedCredential:
    """One mounted file, and the response for SDKs."""

    def __init__(self, path: Path, *, parse: Parse, clock: Callable[[], datetime]) -> None:
        self._file: MountedFile[Document] = MountedFile(path, parse=parse)
        self._clock = clock
        self._told: str | None = None

    def answer(self) -> str:
        """Return the response body; raises UnavailableError.

        A reason is logged when it changes, not on each request.
        """
        try:
            body = self._current().body.reveal()
        except UnavailableError as error:
            if str(error) != self._told:
                logging.getLogger(__name__).warning("not served: %s", error)
            self._told = str(error)
            raise
        self._told = None
        return body

    def _current(self) -> Document:
        try:
            document = self._file.read()
        except FileMissingError as error:
            raise UnavailableError(str(error)) from None
        except DocumentError as error:
            raise UnavailableError(f"{self._file.path}: {error}") from None
        if document.expires_at <= self._clock():
            raise UnavailableError(
                f"the credential in {self._file.path} is over: see the grant's conditions"
            )
        return document


class CredentialServer:
    """Responds to SDKs in the same pod.

    Without an AWS authorization token, nothing is served to AWS SDKs: 404.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int,
        token: AuthorizationToken | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._port = port
        self._token = token
        self._alibaba = CachedCredential(
            directory / ALIBABA_FILE, parse=documents.alibaba_cloud, clock=clock
        )
        self._aws = CachedCredential(directory / AWS_FILE, parse=documents.aws, clock=clock)
        application = web.Application(middlewares=[_only_loopback_names])
        application.router.add_get(ALIBABA_PATH, self._answer_alibaba)
        if token is not None:
            application.router.add_get(AWS_PATH, self._answer_aws)
        self._runner = web.AppRunner(application, access_log=None)

    async def start(self) -> None:
        """Listen; raises OSError if the port is in use."""
        await self._runner.setup()
        await web.TCPSite(self._runner, _HOST, self._port).start()

    async def stop(self) -> None:
        """Close the listener and its connections."""
        await self._runner.cleanup()

    async def _answer_alibaba(self, _: web.Request) -> web.Response:
        try:
            return web.Response(text=self._alibaba.answer(), content_type="application/json")
        except UnavailableError as error:
            return web.json_response({"Code": "Unavailable", "Message": str(error)}, status=503)

    async def _answer_aws(self, request: web.Request) -> web.Response:
        assert self._token is not None
        try:
            if not self._token.accepts(request.headers.get("Authorization")):
                return _refusal(
                    401,
                    "the Authorization header is not the token: set "
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE to the sidecar's token file",
                )
            return web.Response(text=self._aws.answer(), content_type="application/json")
        except (UnavailableError, FileMissingError) as error:
            return _refusal(503, str(error))


@web.middleware
async def _only_loopback_names(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.host.partition(":")[0] not in _NAMES:
        return _refusal(403, "the Host header must be 127.0.0.1 or localhost")
    return await handler(request)


def _refusal(status: int, message: str) -> web.Response:
    """An error in the format that AWS SDKs parse."""
    return web.json_response({"code": str(status), "message": message}, status=status)
