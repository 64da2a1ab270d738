"""Wires the emulator and serves it until it is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import signal
import ssl
from typing import TYPE_CHECKING

from aiohttp import web

from testbed.certificates import Authority
from testbed.clouds.aws import mantle
from testbed.clouds.aws.accounts import Accounts
from testbed.clouds.aws.api_keys import ApiKeys
from testbed.clouds.aws.api_regions import ApiRegions
from testbed.clouds.aws.apigateway import ApiGateway
from testbed.clouds.aws.authentication import Authentication
from testbed.clouds.aws.bearer import ShortTermKeys
from testbed.clouds.aws.bedrock import CONTROL, RUNTIME, Bedrock
from testbed.clouds.aws.calls import Journal
from testbed.clouds.aws.clock import Clock
from testbed.clouds.aws.control import Control
from testbed.clouds.aws.execute_api import ExecuteApi
from testbed.clouds.aws.faults import Faults
from testbed.clouds.aws.gateway import Gateway
from testbed.clouds.aws.iam import IdentityAndAccessManagement
from testbed.clouds.aws.iam_service_credentials import ServiceCredentialActions
from testbed.clouds.aws.iam_users import Users
from testbed.clouds.aws.identity_tokens import IdentityTokens
from testbed.clouds.aws.propagation import Propagation
from testbed.clouds.aws.proxy import ProxyConnection
from testbed.clouds.aws.rates import Rates
from testbed.clouds.aws.service_credentials import ServiceCredentials
from testbed.clouds.aws.sessions import Sessions
from testbed.clouds.aws.sts import SecurityTokenService
from testbed.clouds.aws.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from testbed.clouds.aws.wire import Service

READY_FILE = "ready.json"
_LOOPBACK = "127.0.0.1"
_SHUTDOWN_SECONDS = 1.0


async def serve(directory: Path) -> None:
    """Serve until SIGTERM or SIGINT; `ready.json` in the directory tells the ports and the CA."""
    gateway, control = _wire()
    authority = Authority(directory / "certificates", name="emulated-aws")
    tls = server_tls(authority)
    cloud = web.Server(functools.partial(_handle, gateway.answer), access_log=None)
    control_server = web.Server(functools.partial(_handle, control.answer), access_log=None)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with contextlib.AsyncExitStack() as stack:
        ports = {
            "tls": await _listen(stack, cloud, tls=tls),
            "control": await _listen(stack, control_server, tls=None),
        }
        proxy = await loop.create_server(
            lambda: ProxyConnection(server=cloud, tls=tls), _LOOPBACK, 0
        )
        stack.callback(proxy.close)
        ports["proxy"] = proxy.sockets[0].getsockname()[1]
        _publish(directory, {**ports, "certificate": str(authority.certificate)})
        await ended.wait()


def server_tls(authority: Authority) -> ssl.SSLContext:
    """A TLS context that has a certificate for whatever name a client asks for (SNI)."""

    @functools.cache
    def context_for(name: str) -> ssl.SSLContext:
        issued = authority.issue(name, hosts=[name])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.certificate, issued.key)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def choose(
        connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext
    ) -> None:
        if name is not None:
            connection.context = context_for(name)

    default = context_for("amazonaws.com")
    default.sni_callback = choose
    return default


def _wire() -> tuple[Gateway, Control]:
    clock, faults, journal, accounts = Clock(), Faults(), Journal(), Accounts()
    rates, propagation = Rates(clock=clock), Propagation(clock=clock)
    sessions = Sessions(clock=clock)
    tokens = IdentityTokens(accounts=accounts, clock=clock)
    credentials = ServiceCredentials(clock=clock, propagation=propagation)
    authentication = Authentication(
        accounts=accounts, sessions=sessions, clock=clock, rates=rates, propagation=propagation
    )
    keys = ApiKeys(
        short_term=ShortTermKeys(find=authentication.find, clock=clock),
        long_term=credentials,
        authentication=authentication,
    )
    regions = ApiRegions(clock=clock, propagation=propagation)
    users = Users(accounts=accounts, credentials=credentials, propagation=propagation)
    services: list[Service] = [
        SecurityTokenService(
            accounts=accounts, sessions=sessions, tokens=tokens, authentication=authentication
        ),
        IdentityAndAccessManagement(
            authentication=authentication,
            accounts=accounts,
            propagation=propagation,
            users=users,
            credentials=ServiceCredentialActions(users=users, credentials=credentials, clock=clock),
        ),
        *(
            Bedrock(name, plane=plane, keys=keys, authentication=authentication)
            for name, plane in (
                ("bedrock", CONTROL),
                ("bedrock-runtime", RUNTIME),
                ("bedrock-mantle", mantle.PLANE),
            )
        ),
        ApiGateway(regions=regions, authentication=authentication),
        ExecuteApi(regions=regions, propagation=propagation, clock=clock),
    ]
    gateway = Gateway(
        services={service.name: service for service in services},
        clock=clock,
        faults=faults,
        journal=journal,
    )
    control = Control(
        accounts=accounts,
        tokens=tokens,
        sessions=sessions,
        credentials=credentials,
        regions=regions,
        clock=clock,
        rates=rates,
        propagation=propagation,
        faults=faults,
        journal=journal,
    )
    return gateway, control


async def _listen(
    stack: contextlib.AsyncExitStack, server: web.Server, *, tls: ssl.SSLContext | None
) -> int:
    runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, _LOOPBACK, 0, ssl_context=tls)
    await site.start()
    return int(runner.addresses[0][1])


async def _handle(
    answer: Callable[[Request], Awaitable[Response]], incoming: web.BaseRequest
) -> web.Response:
    path, _, query = incoming.raw_path.partition("?")
    response = await answer(
        Request(
            host=incoming.host.partition(":")[0],
            method=incoming.method,
            path=path,
            query=query,
            headers=tuple((name.lower(), value) for name, value in incoming.headers.items()),
            body=await incoming.read(),
            source_ip=incoming.remote or _LOOPBACK,
        )
    )
    if response.lost and incoming.transport is not None:
        incoming.transport.abort()
    return web.Response(
        status=response.status,
        body=response.body,
        headers={**response.headers, "Content-Type": response.content_type},
    )


def _publish(directory: Path, content: dict[str, object]) -> None:
    """Write the ready file in one step, so that a reader never sees half of it."""
    draft = directory / f"{READY_FILE}.draft"
    draft.write_text(json.dumps(content))
    draft.replace(directory / READY_FILE)
