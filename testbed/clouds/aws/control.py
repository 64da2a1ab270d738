"""The control commands of this cloud; `AwsCloud` is their typed client."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.clouds import control
from testbed.clouds.aws.issued_sessions import IssuedSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.aws.accounts import Accounts
    from testbed.clouds.aws.api_regions import ApiRegions
    from testbed.clouds.aws.apigateway_quotas import GatewayQuotas
    from testbed.clouds.aws.claude_platform import ClaudePlatform
    from testbed.clouds.aws.codeartifact import Domains
    from testbed.clouds.aws.identity_tokens import IdentityTokens
    from testbed.clouds.aws.pod_identity import PodIdentity
    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.aws.rates import Rates
    from testbed.clouds.aws.registry_tokens import RegistryTokens
    from testbed.clouds.aws.roles_anywhere import RolesAnywhere
    from testbed.clouds.aws.service_credentials import ServiceCredentials
    from testbed.clouds.aws.sessions import Session, Sessions
    from testbed.clouds.aws.telemetry import Telemetry
    from testbed.clouds.calls import CallLog
    from testbed.clouds.clock import Clock
    from testbed.clouds.faults import Faults


def _to_api(session: Session) -> dict[str, object]:
    to_api = IssuedSession(
        access_key_id=session.access_key_id,
        arn=session.arn,
        role_arn=session.role_arn,
        issued_at=session.issued_at,
        expires_at=session.expires_at,
        tags=dict(session.tags),
        transitive_tag_keys=sorted(session.transitive_tag_keys),
        source_identity=session.source_identity,
    )
    return dataclasses.asdict(to_api)


class Control(control.Control):
    """The table of commands."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        tokens: IdentityTokens,
        sessions: Sessions,
        credentials: ServiceCredentials,
        regions: ApiRegions,
        clock: Clock,
        rates: Rates,
        quotas: GatewayQuotas,
        propagation: Propagation,
        claude_platform: ClaudePlatform,
        pod_identity: PodIdentity,
        roles_anywhere: RolesAnywhere,
        telemetry: Mapping[str, Telemetry],
        domains: Domains,
        registry_tokens: Mapping[str, RegistryTokens],
        faults: Faults,
        journal: CallLog,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._credentials = credentials
        self._sessions = sessions
        self._regions = regions
        self._rates = rates
        self._quotas = quotas
        self._propagation = propagation
        self._registry_tokens = registry_tokens
        super().__init__(clock=clock, faults=faults, journal=journal)
        self.questions |= {
            "create_identity_provider": self._create_identity_provider,
            "delete_identity_provider": accounts.delete_provider,
            "create_role": accounts.create_role,
            "delete_role": accounts.delete_role,
            "put_trust_policy": accounts.put_trust_policy,
            "put_role_policy": accounts.put_role_policy,
            "create_managed_policy": accounts.create_managed_policy,
            "create_user": lambda **requested: dataclasses.asdict(
                accounts.create_user(**requested)
            ),
            "limit_sessions": self._limit_sessions,
            "sessions": lambda: [_to_api(session) for session in sessions.all()],
            "revoke_session": sessions.revoke,
            "clear_faults": self._clear_faults,
            "limit_rate": rates.limit,
            "deleted_keys_count_for": credentials.lag,
            "end_service_credential": credentials.end,
            "gateway_time_scale": quotas.set_scale,
            "gateway_lags_behind": regions.lag,
            "new_keys_fail_for": propagation.take,
            "create_cluster": lambda ca_file, **requested: pod_identity.create_cluster(
                ca_file=Path(ca_file), **requested
            ),
            "associate_pod_identity": pod_identity.associate,
            "create_trust_anchor": roles_anywhere.create_trust_anchor,
            "create_profile": roles_anywhere.create_profile,
            "enable_anywhere": roles_anywhere.enable,
            "list_roles_of_profile": roles_anywhere.list_roles,
            "revoke_certificate": roles_anywhere.revoke,
            "bind_workspace": claude_platform.bind_workspace,
            "received": lambda *, service: telemetry[service].received,
            "create_package_domain": domains.create,
            "limit_registry_tokens": lambda *, service, seconds: registry_tokens[service].limit(
                seconds=seconds
            ),
            "set_outbound_federation": claude_platform.set_outbound_federation,
            "secrets": lambda: sorted(
                {
                    *sessions.secrets(),
                    *tokens.seen,
                    *pod_identity.seen,
                    *credentials.to_api,
                    *regions.secrets(),
                    *(value for each in registry_tokens.values() for value in each.secrets()),
                }
            ),
            "deploy_api": self._deploy_api,
        }

    def _create_identity_provider(self, *, ca_file: str | None, **requested: Any) -> str:
        provider = self._accounts.create_provider(**requested)
        self._tokens.trust(provider, ca_file=None if ca_file is None else Path(ca_file))
        return provider.arn

    def _deploy_api(
        self,
        *,
        name: str,
        paths: list[str],
        stage: str,
        region: str,
        account: str,
        api_id: str | None,
    ) -> str:
        apis = self._regions.of(account=account, region=region).apis
        api = apis.create({"name": name}, api_id=api_id)
        for path in paths:
            resource = api["rootResourceId"]
            for part in filter(None, path.split("/")):
                resource = apis.create_resource(
                    {"pathPart": part}, api=api["id"], resource=resource
                )["id"]
            apis.put_method(
                {"apiKeyRequired": True}, api=api["id"], resource=resource, method="GET"
            )
        apis.create_deployment({"stageName": stage}, api=api["id"])
        return str(api["id"])

    def _clear_faults(self) -> None:
        self._faults.clear()
        self._rates.clear()
        self._credentials.lag(seconds=0)
        self._quotas.set_scale(scale=None)
        self._regions.lag(seconds=0)
        self._propagation.clear()
        for tokens in self._registry_tokens.values():
            tokens.limit(seconds=None)

    def _limit_sessions(self, *, seconds: float | None) -> None:
        self._sessions.limit_seconds = seconds
