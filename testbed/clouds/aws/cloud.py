"""The interface of tests to the emulator's process."""

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
    """Prepares the accounts, limits rates, and reports the sessions.

    The services in faults are "sts", "iam", "bedrock", "bedrock-runtime", "bedrock-mantle",
    "aws-external-anthropic", "eks-auth", "rolesanywhere", "monitoring", "logs", "xray",
    "codeartifact", "codeartifact-repositories", "ecr", "ecr-registries", "apigateway" and
    "execute-api".
    """

    name = "aws"

    @override
    def client_environment(self) -> dict[str, str]:
        """The environment in which an unmodified SDK uses this AWS."""
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
        """A boto3 client of that service with all permissions in the account."""
        from testbed.clouds.aws.administration import administrator  # noqa: PLC0415  boto3 is slow

        return administrator(self, service, account=account, region=region)

    # --- accounts ------------------------------------------------------------------------------

    def create_identity_provider(
        self,
        *,
        issuer: str,
        client_ids: Sequence[str],
        ca_file: Path | None = None,
        account: str = ACCOUNT,
    ) -> str:
        """Create an IAM OIDC provider and return its ARN; `ca_file` is trusted for the issuer."""
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
        """Create a role with policies and a boundary, and return its ARN."""
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
        """Delete a role; its sessions remain valid, without any permission."""
        self._ask("delete_role", name=name, account=account)

    def put_trust_policy(
        self, *, name: str, trust_policy: Mapping[str, Any], account: str = ACCOUNT
    ) -> None:
        """Replace a role's trust policy."""
        self._ask("put_trust_policy", name=name, trust_policy=trust_policy, account=account)

    def put_role_policy(
        self, *, role: str, name: str, document: Mapping[str, Any], account: str = ACCOUNT
    ) -> None:
        """Add or replace an inline policy of a role; it applies from the next call on."""
        self._ask("put_role_policy", role=role, name=name, document=document, account=account)

    def create_managed_policy(
        self, *, name: str, document: Mapping[str, Any], account: str = ACCOUNT
    ) -> str:
        """Create a managed policy and return its ARN; `account="aws"` makes it one of AWS's own."""
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
        """Create a user with inline policies and return its access key."""
        made = self._ask("create_user", name=name, policies=policies, path=path, account=account)
        return UserAccessKey(
            access_key_id=made["access_key_id"],
            secret_key=made["secret_key"],
            user_arn=made["user_arn"],
        )

    def create_cluster(
        self, *, name: str, issuer: str, ca_file: Path, account: str = ACCOUNT
    ) -> None:
        """Create an EKS cluster with this issuer, for EKS Pod Identity; `ca_file` is trusted."""
        self._ask("create_cluster", name=name, issuer=issuer, ca_file=str(ca_file), account=account)

    def associate_pod_identity(
        self, *, cluster: str, namespace: str, service_account: str, role_arn: str | None
    ) -> None:
        """Associate a role with a ServiceAccount of a cluster; None removes the association."""
        self._ask(
            "associate_pod_identity",
            cluster=cluster,
            namespace=namespace,
            service_account=service_account,
            role_arn=role_arn,
        )

    def create_trust_anchor(
        self,
        *,
        certificates: str,
        region: str = "us-west-2",
        account: str = ACCOUNT,
        arn: str | None = None,
    ) -> str:
        """Create a trust anchor of IAM Roles Anywhere with these CAs in PEM; return its ARN.

        With the ARN that an example names, if there is one.
        """
        return str(
            self._ask(
                "create_trust_anchor",
                certificates=certificates,
                region=region,
                account=account,
                arn=arn,
            )
        )

    def create_profile(
        self,
        *,
        role_arns: Sequence[str],
        duration_seconds: int = 3600,
        accept_role_session_name: bool = False,
        session_policy: Mapping[str, Any] | None = None,
        region: str = "us-west-2",
        account: str = ACCOUNT,
        arn: str | None = None,
    ) -> str:
        """Create a profile of IAM Roles Anywhere for these roles, and return its ARN."""
        return str(
            self._ask(
                "create_profile",
                role_arns=list(role_arns),
                duration_seconds=duration_seconds,
                accept_role_session_name=accept_role_session_name,
                session_policy=session_policy,
                region=region,
                account=account,
                arn=arn,
            )
        )

    def enable_anywhere(self, arn: str, *, enabled: bool) -> None:
        """Enable or disable a trust anchor or a profile."""
        self._ask("enable_anywhere", arn=arn, enabled=enabled)

    def list_roles_of_profile(self, profile_arn: str, *, role_arns: Sequence[str]) -> None:
        """Replace the roles of a profile."""
        self._ask("list_roles_of_profile", profile_arn=profile_arn, role_arns=list(role_arns))

    def revoke_certificate(self, trust_anchor_arn: str, *, serial_number: int) -> None:
        """Import a CRL of the trust anchor with one more certificate."""
        self._ask(
            "revoke_certificate",
            trust_anchor_arn=trust_anchor_arn,
            serial_number=str(serial_number),
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
        """Create a REST API whose GET methods at these paths (one segment each) need an API key.

        With the ID that an example names, if there is one.
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
        """Limit the calls per second of an account to a service, over all its actions.

        The burst is as large; beyond it a call is rejected with Throttling "Rate exceeded" in the
        format of the service. The emulator's clock counts. None removes the limit.
        """
        self._ask("limit_rate", service=service, per_second=per_second)

    def deleted_keys_count_for(self, seconds: float) -> None:
        """Let deleted service-specific credentials count and work for that long; 0 disables it."""
        self._ask("deleted_keys_count_for", seconds=seconds)

    def end_service_credential(self, credential_id: str) -> None:
        """Let a service-specific credential have expired: IAM lists it as Expired."""
        self._ask("end_service_credential", credential_id=credential_id)

    def gateway_time_scale(self, scale: float | None, *, older_form: bool = False) -> None:
        """Let the quotas of API Gateway's control plane refill `scale` times as fast as in AWS.

        1 is AWS: CreateApiKey and DeleteApiKey 5/s, UpdateUsagePlan one per 20 s, all together 10/s
        with a burst of 40, and 0.1 s for a change, during which no other is accepted. None is the
        default of the testbed, 10,000, with which quotas are rarely reached. `older_form` rejects a
        concurrent change with status 400 instead of 409.
        """
        self._ask("gateway_time_scale", scale=scale, older_form=older_form)

    def gateway_lags_behind(self, seconds: float) -> None:
        """Set how long the data plane uses the old state of changed keys and plan memberships.

        The data plane of AWS takes up to two minutes; 0 disables it.
        """
        self._ask("gateway_lags_behind", seconds=seconds)

    def new_keys_fail_for(self, seconds: float, *, listed: bool = True) -> None:
        """Let data planes not know new resources for that long.

        These are users, access keys, service-specific credentials, and keys in usage plans. With
        `listed=False` IAM does not list its users and service-specific credentials either for that
        time. 0 disables it.
        """
        self._ask("new_keys_fail_for", seconds=seconds, listed=listed)

    # --- Claude Platform on AWS ------------------------------------------------------------------

    def bind_workspace(self, workspace: str, *, region: str) -> None:
        """Let a workspace exist in this Region alone."""
        self._ask("bind_workspace", workspace=workspace, region=region)

    def set_outbound_federation(self, *, enabled: bool, account: str = ACCOUNT) -> None:
        """Enable or disable the account's outbound web identity federation."""
        self._ask("set_outbound_federation", account=account, enabled=enabled)

    # --- package and container registries ---------------------------------------------------------

    def create_package_domain(
        self,
        name: str,
        *,
        repositories: Sequence[str],
        owner: str = ACCOUNT,
        region: str = "us-west-2",
    ) -> None:
        """Create a domain of CodeArtifact; each repository has the package `keywright-sample`."""
        self._ask(
            "create_package_domain",
            name=name,
            owner=owner,
            region=region,
            repositories=list(repositories),
        )

    def limit_registry_tokens(self, service: str, *, seconds: float | None) -> None:
        """Let new tokens of "codeartifact" or "ecr" expire after that long; None removes it."""
        self._ask("limit_registry_tokens", service=service, seconds=seconds)

    # --- telemetry -------------------------------------------------------------------------------

    def received(self, service: str) -> int:
        """The metrics, log records or spans that "monitoring", "logs" or "xray" have accepted."""
        return int(self._ask("received", service=service))

    # --- the call log --------------------------------------------------------------------------

    def sessions(self) -> list[IssuedSession]:
        """All issued sessions, expired or not, in the order of issue."""
        return [IssuedSession(**session) for session in self._ask("sessions")]

    def session(self, call: Call) -> IssuedSession:
        """The session that an AssumeRole call in the log created."""
        for session in self.sessions():
            if session.access_key_id == call.session:
                return session
        raise CloudRefusedError(f"{call.action} made no session")
