"""Connects the parts of the emulator and serves it until it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clouds import serving
from testbed.clouds.calls import CallLog
from testbed.clouds.clock import Clock
from testbed.clouds.faults import Faults
from testbed.clouds.gateway import Gateway
from testbed.clouds.proxy import Routes
from testbed.clouds.vendors.anthropic import Anthropic
from testbed.clouds.vendors.control import Control
from testbed.clouds.vendors.hosts import DOMAINS, service_of
from testbed.clouds.vendors.oauth import Generic, OpenAi, OpenAiAuth, OpenRouter
from testbed.clouds.vendors.tokens import AccessTokens
from testbed.clouds.vendors.trusts import Trusts

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.clouds.wire import Service


async def serve(directory: Path) -> None:
    """Serve until SIGTERM or SIGINT; `ready.json` in the directory has the ports and the CA."""
    clock, faults, journal = Clock(), Faults(), CallLog()
    trusts, tokens = Trusts(clock=clock), AccessTokens(clock=clock)
    generic = Generic(trusts=trusts, tokens=tokens)
    services: list[Service] = [
        Anthropic(trusts=trusts, tokens=tokens),
        OpenAiAuth(trusts=trusts, tokens=tokens),
        OpenAi(tokens=tokens),
        OpenRouter(trusts=trusts, tokens=tokens),
        generic,
    ]
    gateway = Gateway(
        services={service.name: service for service in services},
        service_of=service_of,
        request_id_header="request-id",
        clock=clock,
        faults=faults,
        journal=journal,
    )
    control = Control(
        trusts=trusts,
        tokens=tokens,
        generic=generic,
        clock=clock,
        faults=faults,
        journal=journal,
    )
    await serving.serve(
        directory,
        name="emulated-vendors",
        gateway=gateway,
        control=control,
        routes=Routes(domains=DOMAINS),
    )
