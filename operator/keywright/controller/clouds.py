"""The cloud providers of an operator, each with its clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keywright.api.source import Provider
from keywright.clouds.alibaba.api_calls import ApiCalls
from keywright.clouds.alibaba.context import AlibabaContext
from keywright.clouds.alibaba.identities.default_chain import AlibabaDefaultChain
from keywright.clouds.alibaba.provider import Alibaba
from keywright.clouds.alibaba.sts.client import StsCalls
from keywright.clouds.aws.api_gateway.client import SERVICE as GATEWAY
from keywright.clouds.aws.api_gateway.client import GatewayQuotas
from keywright.clouds.aws.clients import AwsContext, BotoClients
from keywright.clouds.aws.identities.ambient import AwsDefaultChain
from keywright.clouds.aws.provider import Aws
from keywright.clouds.clock_skew import ClockSkews
from keywright.clouds.endpoints import AllowedUris, AllowedUrls, Endpoints
from keywright.clouds.http import HttpClient
from keywright.clouds.interfaces import CloudProvider, RequestObserver, SecretReader, TokenSource
from keywright.clouds.listings import SharedListings
from keywright.clouds.sessions import Clock
from keywright.clouds.token_exchange.context import TokenExchangeContext
from keywright.clouds.token_exchange.provider import TokenExchange
from keywright.controller.records import Name
from keywright.controller.settings import Settings


@dataclass(frozen=True, slots=True)
class Clouds:
    """The cloud providers, and the resources that the process closes on exit."""

    providers: Mapping[Provider, CloudProvider]
    calls: BotoClients
    api: ApiCalls
    http: HttpClient
    skews: ClockSkews
    own: tuple[AwsDefaultChain | AlibabaDefaultChain, ...]

    def warm_up(self) -> None:
        """Import in the background what the first session needs."""
        self.calls.warm_up()

    def forget(self, source_uid: str) -> None:
        """Drop the cached sessions of a deleted source."""
        for cloud_provider in self.providers.values():
            cloud_provider.forget(source_uid=source_uid)

    async def close(self) -> None:
        """Close all connections without waiting for requests in progress."""
        self.calls.close()
        for chain in self.own:
            chain.close()
        await self.http.close()


def connect_clouds(
    settings: Settings,
    *,
    tokens: TokenSource,
    secrets: SecretReader,
    clock: Clock,
    skew_changed: Callable[[Name], None],
    observe: RequestObserver | None = None,
) -> Clouds:
    """Create all providers; the operator's default credentials only if the flag allows them."""
    endpoints = Endpoints(
        sts=AllowedUrls(settings.sts_endpoints), probes=AllowedUrls(settings.probe_urls)
    )
    http = HttpClient()
    skews = ClockSkews(clock=clock, changed=skew_changed)
    calls = BotoClients(
        http=http,
        endpoints=endpoints,
        threads=settings.cloud_threads,
        quotas={GATEWAY: GatewayQuotas(scale=settings.gateway_quota_share)},
        skews=skews,
        observe=observe,
    )
    ambient = AwsDefaultChain() if settings.allow_ambient else None
    listings = SharedListings(clock=clock, age=settings.key_times.listing_age)
    own = AlibabaDefaultChain() if settings.allow_ambient else None
    aws = AwsContext(
        tokens=tokens,
        secrets=secrets,
        calls=calls,
        clock=clock,
        ambient=ambient,
        min_lifetime=settings.min_key_lifetime,
        listings=listings,
    )
    alibaba = AlibabaContext(
        tokens=tokens,
        secrets=secrets,
        sts=StsCalls(http, clock=clock, endpoints=endpoints, skews=skews, observe=observe),
        api=ApiCalls(http, clock=clock, skews=skews, observe=observe),
        http=http,
        clock=clock,
        uris=AllowedUris(settings.credentials_uris),
        own=own,
        min_lifetime=settings.min_key_lifetime,
        listings=listings,
    )
    exchange = TokenExchangeContext(
        tokens=tokens,
        http=http,
        clock=clock,
        endpoints=AllowedUris(settings.token_endpoints),
        skews=skews,
        observe=observe,
        min_lifetime=settings.min_key_lifetime,
    )
    return Clouds(
        providers={
            Provider.AWS: Aws(aws, http=http, endpoints=endpoints),
            Provider.ALIBABA_CLOUD: Alibaba(alibaba),
            Provider.TOKEN_EXCHANGE: TokenExchange(exchange),
        },
        calls=calls,
        api=alibaba.api,
        http=http,
        skews=skews,
        own=tuple(chain for chain in (ambient, own) if chain is not None),
    )
