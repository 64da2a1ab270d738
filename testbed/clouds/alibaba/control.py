"""The control commands of this cloud; `AlibabaCloud` is their typed client."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from testbed.clouds import control
from testbed.clouds.alibaba.model_studio_keys import Permissions
from testbed.clouds.alibaba.models import IssuedSession, RsaKeyPair, UserAccessKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.alibaba.accounts import Accounts, User
    from testbed.clouds.alibaba.bearer import BearerTokens
    from testbed.clouds.alibaba.credentials_uris import CredentialsUris
    from testbed.clouds.alibaba.metadata import Metadata
    from testbed.clouds.alibaba.model_studio_keys import ModelStudioKeys
    from testbed.clouds.alibaba.oidc_tokens import OidcTokens
    from testbed.clouds.alibaba.rates import StsRates
    from testbed.clouds.alibaba.rsa_keys import RsaKeys
    from testbed.clouds.alibaba.sessions import Session, Sessions
    from testbed.clouds.calls import CallLog
    from testbed.clouds.clock import Clock
    from testbed.clouds.faults import Faults
    from testbed.clouds.proxy import Routes


class Control(control.Control):
    """The table of commands."""

    def __init__(
        self,
        *,
        accounts: Accounts,
        tokens: OidcTokens,
        sessions: Sessions,
        rsa_keys: RsaKeys,
        bearer_tokens: BearerTokens,
        model_studio_keys: ModelStudioKeys,
        metadata: Metadata,
        uris: CredentialsUris,
        routes: Routes,
        rates: StsRates,
        clock: Clock,
        faults: Faults,
        journal: CallLog,
    ) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._sessions = sessions
        self._rsa_keys = rsa_keys
        self._bearer_tokens = bearer_tokens
        self._model_studio_keys = model_studio_keys
        self._metadata = metadata
        self._routes = routes
        self._rates = rates
        super().__init__(clock=clock, faults=faults, journal=journal)
        self.questions |= self._of_accounts() | self._of_sessions()
        self.questions |= {
            "create_bearer_token": bearer_tokens.create,
            "create_workspace": model_studio_keys.create_workspace,
            "model_studio_keys": model_studio_keys.all,
            "enable_model_studio_key": model_studio_keys.set_enabled,
            "describe_model_studio_key": model_studio_keys.describe,
            "delete_model_studio_key": model_studio_keys.forget,
            "limit_temporary_keys": model_studio_keys.limit,
            "create_model_studio_key": self._create_model_studio_key,
            "attach_instance_role": metadata.attach_role,
            "allow_metadata_v1": metadata.allow_v1,
            "create_credentials_uri": uris.create,
            "change_credentials_uri": uris.change,
            "relay": self._relay,
            "limit_sts": rates.limit,
            "clear_faults": self._clear_faults,
            "secrets": self._secrets,
        }

    def _clear_faults(self) -> None:
        self._faults.clear()
        self._rates.limit(per_second=None)

    def _of_accounts(self) -> dict[str, Callable[..., object]]:
        accounts = self._accounts
        return {
            "create_identity_provider": self._create_identity_provider,
            "delete_identity_provider": accounts.delete_provider,
            "create_role": accounts.create_role,
            "delete_role": accounts.delete_role,
            "put_trust_policy": accounts.put_trust_policy,
            "put_role_policy": accounts.put_role_policy,
            "create_user": self._create_user,
            "create_access_key": self._create_access_key,
            "create_rsa_key_pair": self._create_rsa_key_pair,
            "set_access_key_active": accounts.set_access_key_active,
            "delete_access_key": accounts.delete_access_key,
        }

    def _of_sessions(self) -> dict[str, Callable[..., object]]:
        return {
            "limit_sessions": self._limit_sessions,
            "sessions": lambda: [_to_api(session) for session in self._sessions.all()],
            "revoke_session": self._sessions.revoke,
        }

    def _create_identity_provider(self, *, ca_file: str | None, **requested: Any) -> str:
        provider = self._accounts.create_provider(**requested)
        self._tokens.trust(provider, ca_file=None if ca_file is None else Path(ca_file))
        return provider.arn

    def _create_user(self, **requested: Any) -> dict[str, object]:
        return self._key(self._accounts.create_user(**requested))

    def _create_access_key(self, *, user_arn: str) -> dict[str, object]:
        return self._key(self._user(user_arn))

    def _create_rsa_key_pair(self, *, user_arn: str) -> dict[str, object]:
        user = self._user(user_arn)
        key_id, pem = self._rsa_keys.create(user)
        return dataclasses.asdict(
            RsaKeyPair(public_key_id=key_id, private_key=pem, user_arn=user.arn)
        )

    def _secrets(self) -> list[str]:
        return sorted(
            {
                *self._accounts.secrets(),
                *self._sessions.secrets(),
                *self._tokens.seen,
                *self._rsa_keys.to_api,
                *self._bearer_tokens.secrets(),
                *self._model_studio_keys.secrets(),
                *self._metadata.secrets(),
            }
        )

    def _create_model_studio_key(self, *, account: str, region: str, description: str) -> str:
        """A key that a person has created in the console."""
        key = self._model_studio_keys.create(
            account=account,
            region=region,
            workspace=None,
            description=description,
            created_by=account,
            permissions=Permissions(),
        )
        return key.value

    def _key(self, user: User) -> dict[str, object]:
        key = self._accounts.create_access_key(user)
        return dataclasses.asdict(
            UserAccessKey(access_key_id=key.id, secret_key=key.secret, user_arn=user.arn)
        )

    def _user(self, arn: str) -> User:
        user = self._accounts.user(arn)
        if user is None:
            raise LookupError(f"there is no user {arn}: create it first")
        return user

    def _limit_sessions(self, *, seconds: float | None) -> None:
        self._sessions.limit_seconds = seconds

    def _relay(self, *, domains: list[str], proxy_port: int) -> None:
        self._routes.others.update(dict.fromkeys(domains, proxy_port))


def _to_api(session: Session) -> dict[str, object]:
    to_api = IssuedSession(
        access_key_id=session.access_key_id,
        arn=session.arn,
        role_arn=None if session.role_id is None else session.owner_arn,
        issued_at=session.issued_at,
        expires_at=session.expires_at,
    )
    return dataclasses.asdict(to_api)
