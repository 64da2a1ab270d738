"""Connects the parts of the emulator and serves it until it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clouds import serving
from testbed.clouds.aws import bearer, codeartifact, ecr, mantle, service_credentials
from testbed.clouds.aws.accounts import Accounts
from testbed.clouds.aws.api_keys import ApiKeys
from testbed.clouds.aws.api_regions import ApiRegions
from testbed.clouds.aws.apigateway import ApiGateway
from testbed.clouds.aws.apigateway_quotas import GatewayQuotas
from testbed.clouds.aws.authentication import Authentication
from testbed.clouds.aws.bearer import ShortTermKeys
from testbed.clouds.aws.bedrock import CONTROL, RUNTIME, Bedrock
from testbed.clouds.aws.claude_platform import ClaudePlatform
from testbed.clouds.aws.codeartifact import CodeArtifact, Domains, PackageRepositories
from testbed.clouds.aws.control import Control
from testbed.clouds.aws.ecr import ContainerRegistry, Registries
from testbed.clouds.aws.execute_api import ExecuteApi
from testbed.clouds.aws.hosts import DOMAINS, service_of
from testbed.clouds.aws.iam import IdentityAndAccessManagement
from testbed.clouds.aws.iam_service_credentials import ServiceCredentialActions
from testbed.clouds.aws.iam_users import Users
from testbed.clouds.aws.identity_tokens import IdentityTokens
from testbed.clouds.aws.log_groups import LogGroups
from testbed.clouds.aws.pod_identity import PodIdentity
from testbed.clouds.aws.propagation import Propagation
from testbed.clouds.aws.rates import Rates
from testbed.clouds.aws.registry_tokens import RegistryTokens
from testbed.clouds.aws.roles_anywhere import RolesAnywhere
from testbed.clouds.aws.service_credentials import ServiceCredentials
from testbed.clouds.aws.sessions import Sessions
from testbed.clouds.aws.sts import SecurityTokenService
from testbed.clouds.aws.telemetry import ENDPOINTS, Telemetry
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
    gateway, control = _wire()
    routes = Routes(domains=DOMAINS)
    await serving.serve(
        directory, name="emulated-aws", gateway=gateway, control=control, routes=routes
    )


def _wire() -> tuple[Gateway, Control]:
    clock, faults, journal, accounts = Clock(), Faults(), CallLog(), Accounts()
    quotas = GatewayQuotas(clock=clock)
    rates, propagation = Rates(clock=clock), Propagation(clock=clock)
    sessions = Sessions(clock=clock)
    tokens = IdentityTokens(accounts=accounts, clock=clock)
    credentials = ServiceCredentials(clock=clock, propagation=propagation)
    authentication = Authentication(
        accounts=accounts, sessions=sessions, clock=clock, rates=rates, propagation=propagation
    )
    bedrock_keys, claude_keys = (
        ApiKeys(
            service=service,
            short_term=ShortTermKeys(form, find=authentication.find, clock=clock),
            long_term=credentials,
            authentication=authentication,
        )
        for service, form in (
            (service_credentials.SERVICE, bearer.BEDROCK),
            (service_credentials.CLAUDE_PLATFORM, bearer.CLAUDE_PLATFORM),
        )
    )
    groups = LogGroups()
    telemetry = {
        endpoint.name: Telemetry(
            endpoint, groups=groups, credentials=credentials, authentication=authentication
        )
        for endpoint in ENDPOINTS
    }
    claude_platform = ClaudePlatform(keys=claude_keys, authentication=authentication)
    regions = ApiRegions(clock=clock, propagation=propagation)
    users = Users(accounts=accounts, credentials=credentials, propagation=propagation)
    pod_identity = PodIdentity(
        accounts=accounts, sessions=sessions, authentication=authentication, clock=clock
    )
    roles_anywhere = RolesAnywhere(
        accounts=accounts, sessions=sessions, authentication=authentication
    )
    domains, package_tokens = Domains(), RegistryTokens(clock=clock)
    registry_tokens = RegistryTokens(clock=clock)
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
            Bedrock(name, plane=plane, keys=bedrock_keys, authentication=authentication)
            for name, plane in (
                ("bedrock", CONTROL),
                ("bedrock-runtime", RUNTIME),
                ("bedrock-mantle", mantle.PLANE),
            )
        ),
        claude_platform,
        pod_identity,
        roles_anywhere,
        CodeArtifact(domains=domains, tokens=package_tokens, authentication=authentication),
        PackageRepositories(domains=domains, tokens=package_tokens, authentication=authentication),
        ContainerRegistry(tokens=registry_tokens, authentication=authentication),
        Registries(tokens=registry_tokens, authentication=authentication),
        *telemetry.values(),
        ApiGateway(regions=regions, authentication=authentication, quotas=quotas),
        ExecuteApi(regions=regions, propagation=propagation, clock=clock),
    ]
    gateway = Gateway(
        services={service.name: service for service in services},
        service_of=service_of,
        request_id_header="x-amzn-requestid",
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
        quotas=quotas,
        propagation=propagation,
        claude_platform=claude_platform,
        pod_identity=pod_identity,
        roles_anywhere=roles_anywhere,
        telemetry=telemetry,
        domains=domains,
        registry_tokens={codeartifact.SERVICE: package_tokens, ecr.SERVICE: registry_tokens},
        faults=faults,
        journal=journal,
    )
    return gateway, control
