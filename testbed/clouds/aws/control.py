"""What a test may ask of the emulator, over plain HTTP on the loopback address.

`POST /NAME` with the keyword arguments as JSON; the typed side of it is `AwsCloud`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws.calls import IssuedSession
from testbed.clouds.aws.faults import Damage, Delay, Failure, Loss
from testbed.clouds.aws.wire import json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testbed.clouds.aws.accounts import Accounts
    from testbed.clouds.aws.api_regions import ApiRegions
    from testbed.clouds.aws.calls import Journal
    from testbed.clouds.aws.clock import Clock
    from testbed.clouds.aws.faults import Faults
    from testbed.clouds.aws.identity_tokens import IdentityTokens
    from testbed.clouds.aws.propagation import Propagation
    from testbed.clouds.aws.rates import Rates
    from testbed.clouds.aws.service_credentials import ServiceCredentials
    from testbed.clouds.aws.sessions import Session, Sessions
    from testbed.clouds.aws.wire import Request, Response


def _told(session: Session) -> dict[str, object]:
    told = IssuedSession(
        access_key_id=session.access_key_id,
        arn=session.arn,
        role_arn=session.role_arn,
        issued_at=session.issued_at,
        expires_at=session.expires_at,
        tags=dict(session.tags),
        transitive_tag_keys=sorted(session.transitive_tag_keys),
        source_identity=session.source_identity,
    )
    return dataclasses.asdict(told)


class Control:
    """The table of what can be asked."""

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
        propagation: Propagation,
        faults: Faults,
        journal: Journal,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock
        self._regions = regions
        self._rates = rates
        self._propagation = propagation
        self._faults = faults
        self._questions: Mapping[str, Callable[..., object]] = {
            "create_identity_provider": self._create_identity_provider,
            "delete_identity_provider": accounts.delete_provider,
            "create_role": accounts.create_role,
            "delete_role": accounts.delete_role,
            "put_trust_policy": accounts.put_trust_policy,
            "put_role_policy": accounts.put_role_policy,
            "create_managed_policy": accounts.create_managed_policy,
            "create_user": lambda **asked: dataclasses.asdict(accounts.create_user(**asked)),
            "set_clock": self._set_clock,
            "limit_sessions": self._limit_sessions,
            "sessions": lambda: [_told(session) for session in sessions.all()],
            "revoke_session": sessions.revoke,
            "fail_next": lambda **asked: faults.add(Failure(**asked)),
            "damage_next": lambda **asked: faults.add(Damage(**asked)),
            "lose_answer": lambda **asked: faults.add(Loss(**asked)),
            "delay": lambda **asked: faults.add(Delay(**asked)),
            "clear_faults": self._clear_faults,
            "limit_rate": rates.limit,
            "new_keys_fail_for": propagation.take,
            "calls": lambda **asked: [dataclasses.asdict(call) for call in journal.calls(**asked)],
            "forget_calls": journal.clear,
            "secrets": lambda: sorted(
                {*sessions.secrets(), *tokens.seen, *credentials.told, *regions.secrets()}
            ),
            "deploy_api": self._deploy_api,
        }

    async def answer(self, request: Request) -> Response:
        """The result as JSON; 400 with the reason when it cannot be done."""
        question = self._questions.get(request.path.removeprefix("/"))
        if question is None:
            return json_response(f"there is no {request.path}", status=404)
        try:
            return json_response(question(**json.loads(request.body)))
        except Exception as error:  # moto raises whatever; the test gets to see it
            return json_response(f"{type(error).__name__}: {error}", status=400)

    def _create_identity_provider(self, *, ca_file: str | None, **asked: Any) -> str:
        provider = self._accounts.create_provider(**asked)
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
        self._propagation.clear()

    def _set_clock(self, *, offset_seconds: float) -> None:
        self._clock.offset_seconds = offset_seconds

    def _limit_sessions(self, *, seconds: float | None) -> None:
        self._sessions.limit_seconds = seconds
