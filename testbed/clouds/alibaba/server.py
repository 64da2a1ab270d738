"""Connects the parts of the emulator and serves it until it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clouds import serving
from testbed.clouds.alibaba.accounts import Accounts
from testbed.clouds.alibaba.authentication import Authentication
from testbed.clouds.alibaba.bearer import BearerTokens
from testbed.clouds.alibaba.ccc import CloudCallCenter
from testbed.clouds.alibaba.control import Control
from testbed.clouds.alibaba.credentials_uris import CredentialsUris
from testbed.clouds.alibaba.dashscope import DashScope
from testbed.clouds.alibaba.ecs import ElasticComputeService
from testbed.clouds.alibaba.hosts import DOMAINS, PLAIN_HOSTS, service_of
from testbed.clouds.alibaba.metadata import Metadata
from testbed.clouds.alibaba.model_studio_keys import ModelStudioKeys
from testbed.clouds.alibaba.modelstudio import ModelStudio
from testbed.clouds.alibaba.oidc_tokens import OidcTokens
from testbed.clouds.alibaba.principals import Principals
from testbed.clouds.alibaba.rates import StsRates
from testbed.clouds.alibaba.rsa_keys import RsaKeys
from testbed.clouds.alibaba.sessions import Sessions
from testbed.clouds.alibaba.sts import SecurityTokenService
from testbed.clouds.calls import CallLog
from testbed.clouds.clock import Clock
from testbed.clouds.faults import Faults
from testbed.clouds.gateway import Gateway
from testbed.clouds.proxy import Routes

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.clouds.wire import Service


async def serve(directory: Path) -> None:
    """Serve until SIGTERM or SIGINT; `ready.json` in the directory has the ports and the CA."""
    routes = Routes(domains=DOMAINS, plain_hosts=PLAIN_HOSTS)
    gateway, control = _wire(routes)
    await serving.serve(
        directory, name="emulated-alibaba-cloud", gateway=gateway, control=control, routes=routes
    )


def _wire(routes: Routes) -> tuple[Gateway, Control]:
    clock, faults, journal = Clock(), Faults(), CallLog()
    rates = StsRates(clock=clock)
    accounts, rsa_keys, sessions = Accounts(), RsaKeys(), Sessions(clock=clock)
    tokens = OidcTokens(accounts=accounts, clock=clock)
    authentication = Authentication(
        principals=Principals(accounts=accounts, sessions=sessions, clock=clock),
        rsa_keys=rsa_keys,
        clock=clock,
    )
    bearer_tokens = BearerTokens(clock=clock)
    model_studio_keys = ModelStudioKeys(clock=clock)
    metadata = Metadata(accounts=accounts, sessions=sessions, clock=clock)
    uris = CredentialsUris(accounts=accounts, sessions=sessions)
    services: list[Service] = [
        SecurityTokenService(
            accounts=accounts,
            sessions=sessions,
            tokens=tokens,
            authentication=authentication,
            rates=rates,
        ),
        ElasticComputeService(authentication=authentication),
        CloudCallCenter(tokens=bearer_tokens, authentication=authentication),
        ModelStudio(keys=model_studio_keys, authentication=authentication),
        DashScope(keys=model_studio_keys),
        metadata,
        uris,
    ]
    gateway = Gateway(
        services={service.name: service for service in services},
        service_of=service_of,
        request_id_header="x-acs-request-id",
        clock=clock,
        faults=faults,
        journal=journal,
    )
    control = Control(
        accounts=accounts,
        tokens=tokens,
        sessions=sessions,
        rsa_keys=rsa_keys,
        bearer_tokens=bearer_tokens,
        model_studio_keys=model_studio_keys,
        metadata=metadata,
        uris=uris,
        routes=routes,
        rates=rates,
        clock=clock,
        faults=faults,
        journal=journal,
    )
    return gateway, control
