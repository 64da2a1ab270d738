"""The emulator's process, seen from a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from testbed.clouds.aws.issued_sessions import IssuedSession
from testbed.clouds.emulator import CloudRefusedError, EmulatedCloud

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testbed.clouds.calls import Call

ACCOUNT = "123456789012"


@dataclass(frozen=True, slots=True)
class UserAccessKey:
    """A user's long-term access key."""

    access_key_id: str
    secret_key: str = field(repr=False)
    user_arn: str


@dataclass(frozen=True, slots=True)
class DeployedApi:
    """A REST API of API Gateway at a stage; a path is appended to the `url`."""

    id: str
    stage: str
    url: str


class AwsCloud(EmulatedCloud):
    """Prepares the accounts, limits rates, and tells of the sessions.

    The services in faults are "sts", "iam", "bedrock", "bedrock-runtime", "bedrock-mantle",
    "apigateway" and "execute-api".
    """

    name = "aws"

    @override
    def client_environment(self) -> dict[str, str]:
        """All that an unmodified SDK needs in its environment to meet this AWS."""
        certificate = str(self.ca_file)
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.proxy_port}",
            "NO_PROXY": "127.0.0.1,localhost",
            "AWS_CA_BUNDLE": certificate,
            "SSL_CERT_FILE": certificate,
            "REQUESTS_CA_BUNDLE": certificate,
        }

    def administrator(
        self, service: str, *, account: str = ACCOUNT, region: str = "us-east-1"
    ) -> Any:
        """A boto3 client of that service that may do everything in the account."""
        from testbed.clouds.aws.administration import administrator  # noqa: PLC0415  boto3 is slow

        return administrator(self, service, account=account, region=region)

    # --- what is in the accounts ---------------------------------------------------------------

    def create_identity_provider(
        self,
        *,
        issuer: str,
        client_ids: Sequence[str],
        ca_file: Path | None = None,
        account: str = ACCOUNT,
    ) -> str:
        """The ARN of an IAM OIDC provider; the issuer is reached trusting `ca_file`."""
        return str(
            self._ask(
                "create_identity_provider",
                issuer=issuer,
                client_ids=list(client_ids),
                ca_file=None if ca_file is None else str(ca_file),
                account=account,
            )
        )

    def delete_identity_provider(self, *, issuer: str, account: str = ACCOUNT) -> None:
        """Delete the IAM OIDC provider for that issuer."""
        self._ask("delete_identity_provider", issuer=issuer, account=account)

    def create_role(
        self,
        *,
        name: str,
        trust_policy: Mapping[str, Any],
        policies: Mapping[str, Mapping[str, Any]] | None = None,
        managed_policy_arns: Sequence[str] = (),
        max_session_seconds: int = 3600,
        permissions_boundary: str | None = None,
        account: str = ACCOUNT,
    ) -> str:
        """The ARN of a new role with inline and managed policies, and a boundary."""
        return str(
            self._ask(
                "create_role",
                name=name,
                trust_policy=trust_policy,
                policies=policies or {},
                managed_policy_arns=list(managed_policy_arns),
                max_session_seconds=max_session_seconds,
                permissions_boundary=permissions_boundary,
                account=account,
            )
        )

    def delete_role(self, *, name: str, account: str = ACCOUNT) -> None:
        """Delete a role; its sessions live on without any permission."""
        self._ask("delete_role", name=name, account=account)

    def put_trust_policy(
        self, *, name: str, trust_policy: Mapping[str, Any], account: str = ACCOUNT
    ) -> None:
        """Replace a role's trust policy."""
        self._ask("put_trust_policy", name=name, trust_policy=trust_policy, account=account)

    def put_role_policy(
        self, *, role: str, name: str, document: Mapping[str, Any], account: str = ACCOUNT
    ) -> None:
        """Add or replace an inline policy of a role; it holds from the next call on."""
        self._ask("put_role_policy", role=role, name=name, document=document, account=account)

    def create_managed_policy(
        self, *, name: str, document: Mapping[str, Any], account: str = ACCOUNT
    ) -> str:
        """The ARN of a new managed policy; `account="aws"` makes it one of AWS's own."""
        return str(
            self._ask("create_managed_policy", name=name, document=document, account=account)
        )

    def create_user(
        self,
        *,
        name: str,
        policies: Mapping[str, Mapping[str, Any]],
        path: str = "/",
        account: str = ACCOUNT,
    ) -> UserAccessKey:
        """A new user with inline policies; its access key."""
        made = self._ask("create_user", name=name, policies=policies, path=path, account=account)
        return UserAccessKey(
            access_key_id=made["access_key_id"],
            secret_key=made["secret_key"],
            user_arn=made["user_arn"],
        )

    def deploy_api(
        self,
        *,
        name: str,
        paths: Sequence[str] = ("/orders",),
        stage: str = "prod",
        region: str = "us-east-1",
        account: str = ACCOUNT,
        api_id: str | None = None,
    ) -> DeployedApi:
        """A new REST API whose GET methods at these paths (one part each) ask for an API key.

        With the id that an example names, where there is one.
        """
        api_id = self._ask(
            "deploy_api",
            name=name,
            paths=list(paths),
            stage=stage,
            region=region,
            account=account,
            api_id=api_id,
        )
        assert api_id is not None
        return DeployedApi(
            id=api_id,
            stage=stage,
            url=f"https://{api_id}.execute-api.{region}.amazonaws.com/{stage}",
        )

    # --- time and faults -------------------------------------------------------------------------

    def limit_rate(self, service: str, per_second: float | None) -> None:
        """Let an account make that many calls a second of a service, whatever its actions.

        A burst of as many is let through; beyond it a call is refused with Throttling "Rate
        exceeded" in the form of the service. The emulator's clock counts. None ends it.
        """
        self._ask("limit_rate", service=service, per_second=per_second)

    def deleted_keys_count_for(self, seconds: float) -> None:
        """Let service-specific credentials that are deleted count and work that long; 0 ends it."""
        self._ask("deleted_keys_count_for", seconds=seconds)

    def gateway_time_scale(self, scale: float | None, *, older_form: bool = False) -> None:
        """Let the quotas of API Gateway's control plane refill `scale` times as fast as in AWS.

        1 is AWS: CreateApiKey and DeleteApiKey 5/s, UpdateUsagePlan one per 20 s, all together 10/s
        with a burst of 40, and 0.1 s for a change, beside which no other is accepted. None is the
        default of the testbed, 10,000, with which quotas are hardly ever met. `older_form` refuses
        a concurrent change with status 400 in place of 409.
        """
        self._ask("gateway_time_scale", scale=scale, older_form=older_form)

    def gateway_lags_behind(self, seconds: float) -> None:
        """Let keys that are disabled, enabled, deleted or taken out of plans count on that long.

        The data plane of AWS takes up to two minutes; 0 ends it.
        """
        self._ask("gateway_lags_behind", seconds=seconds)

    def new_keys_fail_for(self, seconds: float, *, listed: bool = True) -> None:
        """Let what is made from now on be unknown to data planes that long.

        That is users, access keys, service-specific credentials, and keys in usage plans. With
        `listed=False` IAM does not show its users and service-specific credentials either for that
        time. 0 ends it.
        """
        self._ask("new_keys_fail_for", seconds=seconds, listed=listed)

    # --- the journal -----------------------------------------------------------------------------

    def sessions(self) -> list[IssuedSession]:
        """Every session that was given out, ended or not, in that order."""
        return [IssuedSession(**session) for session in self._ask("sessions")]

    def session(self, call: Call) -> IssuedSession:
        """The session that an AssumeRole call of the journal made."""
        for session in self.sessions():
            if session.access_key_id == call.session:
                return session
        raise CloudRefusedError(f"{call.action} made no session")
