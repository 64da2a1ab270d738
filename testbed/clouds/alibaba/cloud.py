"""The interface of tests to the emulator's process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from typing_extensions import override

from testbed.clouds.alibaba.credentials_uris import UriAnswer
from testbed.clouds.alibaba.models import IssuedSession, RsaKeyPair, UserAccessKey
from testbed.clouds.emulator import EmulatedCloud

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNT = "1234567890123456"
_TRUST = Path(__file__).parents[1] / "trust"


class AlibabaCloud(EmulatedCloud):
    """Prepares the accounts, and reports the sessions.

    The services in faults are "sts", "ecs", "ccc", "modelstudio", "dashscope", "metadata" and
    "credentials-uri".
    """

    name = "alibaba"

    @override
    def client_environment(self) -> dict[str, str]:
        """The environment in which an unmodified SDK uses this Alibaba Cloud."""
        certificate = str(self.ca_file)
        proxy = f"http://127.0.0.1:{self.proxy_port}"
        return {
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,  # the metadata service has no TLS
            "NO_PROXY": "127.0.0.1,localhost",
            "SSL_CERT_FILE": certificate,
            "REQUESTS_CA_BUNDLE": certificate,
            "PYTHONPATH": str(_TRUST),
        }

    def relay(self, domains: Sequence[str], *, proxy_port: int) -> None:
        """Make the proxy also lead to another cloud of this machine, by the proxy of that cloud."""
        self._ask("relay", domains=list(domains), proxy_port=proxy_port)

    # --- accounts ------------------------------------------------------------------------------

    def create_identity_provider(
        self,
        *,
        issuer: str,
        client_ids: Sequence[str],
        name: str = "ack-rrsa",
        ca_file: Path | None = None,
        account: str = ACCOUNT,
    ) -> str:
        """Create an OIDC provider of RAM, return its ARN; `ca_file` is trusted for the issuer."""
        return str(
            self._ask(
                "create_identity_provider",
                name=name,
                issuer=issuer,
                client_ids=list(client_ids),
                ca_file=None if ca_file is None else str(ca_file),
                account=account,
            )
        )

    def delete_identity_provider(self, arn: str) -> None:
        """Delete an OIDC provider."""
        self._ask("delete_identity_provider", arn=arn)

    def create_role(
        self,
        *,
        name: str,
        trust_policy: Mapping[str, Any],
        policies: Mapping[str, Mapping[str, Any]] | None = None,
        max_session_seconds: int = 3600,
        account: str = ACCOUNT,
    ) -> str:
        """Create a role with its policies (Version "1") and return its ARN."""
        return str(
            self._ask(
                "create_role",
                name=name,
                trust_policy=trust_policy,
                policies=policies or {},
                max_session_seconds=max_session_seconds,
                account=account,
            )
        )

    def delete_role(self, arn: str) -> None:
        """Delete a role; its sessions remain valid, without any permission."""
        self._ask("delete_role", arn=arn)

    def put_trust_policy(self, arn: str, *, trust_policy: Mapping[str, Any]) -> None:
        """Replace a role's trust policy."""
        self._ask("put_trust_policy", arn=arn, trust_policy=trust_policy)

    def put_role_policy(self, arn: str, *, name: str, document: Mapping[str, Any]) -> None:
        """Add or replace a policy of a role; it applies from the next call on."""
        self._ask("put_role_policy", arn=arn, name=name, document=document)

    def create_user(
        self,
        *,
        name: str,
        policies: Mapping[str, Mapping[str, Any]] | None = None,
        account: str = ACCOUNT,
    ) -> UserAccessKey:
        """Create a RAM user with policies and return its access key."""
        made = self._ask("create_user", name=name, policies=policies or {}, account=account)
        return UserAccessKey(**made)

    def create_root_key(self, *, account: str = ACCOUNT) -> UserAccessKey:
        """Create an access key of the account itself, which may do everything but assume roles."""
        return UserAccessKey(**self._ask("create_user", name=None, policies={}, account=account))

    def create_access_key(self, user_arn: str) -> UserAccessKey:
        """Create another access key of a user."""
        return UserAccessKey(**self._ask("create_access_key", user_arn=user_arn))

    def create_rsa_key_pair(self, user_arn: str) -> RsaKeyPair:
        """Create an RSA key pair of a user; the private key is only returned here."""
        return RsaKeyPair(**self._ask("create_rsa_key_pair", user_arn=user_arn))

    def set_access_key_active(self, access_key_id: str, *, active: bool) -> None:
        """Enable or disable an access key."""
        self._ask("set_access_key_active", access_key_id=access_key_id, active=active)

    def delete_access_key(self, access_key_id: str) -> None:
        """Delete an access key."""
        self._ask("delete_access_key", access_key_id=access_key_id)

    def create_bearer_token(self, *, seconds: float = 3600, account: str = ACCOUNT) -> str:
        """Issue a bearer token for Cloud Call Center, valid for that long."""
        return str(self._ask("create_bearer_token", seconds=seconds, account=account))

    # --- the node, and credentials URIs --------------------------------------------------------

    def attach_instance_role(self, arn: str | None) -> None:
        """Attach a role that trusts ecs.aliyuncs.com to the node; None detaches it."""
        self._ask("attach_instance_role", arn=arn)

    def allow_metadata_v1(self, *, allowed: bool) -> None:
        """Set whether the metadata service of the node answers without a token."""
        self._ask("allow_metadata_v1", allowed=allowed)

    def create_credentials_uri(
        self, role_arn: str, *, answer: UriAnswer = UriAnswer.GOOD, seconds: float = 3600
    ) -> str:
        """Create a URI on the loopback address that returns a new session for each request."""
        path = self._ask(
            "create_credentials_uri", role_arn=role_arn, answer=answer, seconds=seconds
        )
        return f"http://127.0.0.1:{self._ports['plain']}{path}"

    def change_credentials_uri(self, uri: str, *, answer: UriAnswer) -> None:
        """Change how a URI answers from now on."""
        self._ask("change_credentials_uri", path=urlsplit(uri).path, answer=answer)

    def limit_sts(self, per_second: float | None) -> None:
        """Limit the calls of each STS API per second and account; None is the vendor's 100."""
        self._ask("limit_sts", per_second=per_second)

    # --- Model Studio ----------------------------------------------------------------------------

    def create_workspace(self, workspace: str, *, region: str, account: str = ACCOUNT) -> None:
        """Create a workspace of Model Studio."""
        self._ask("create_workspace", workspace=workspace, region=region, account=account)

    def create_model_studio_key(
        self, *, region: str, description: str = "made by hand", account: str = ACCOUNT
    ) -> str:
        """Create a key in the console, and return its value."""
        return str(
            self._ask(
                "create_model_studio_key", region=region, description=description, account=account
            )
        )

    def model_studio_keys(self) -> list[dict[str, Any]]:
        """All long-lived keys, without their values."""
        found: list[dict[str, Any]] = self._ask("model_studio_keys")
        return found

    def enable_model_studio_key(self, key_id: int, *, enabled: bool) -> None:
        """Enable or disable a key in the console."""
        self._ask("enable_model_studio_key", key_id=key_id, enabled=enabled)

    def describe_model_studio_key(self, key_id: int, *, description: str) -> None:
        """Edit the description of a key in the console."""
        self._ask("describe_model_studio_key", key_id=key_id, description=description)

    def delete_model_studio_key(self, key_id: int) -> None:
        """Delete a key in the console."""
        self._ask("delete_model_studio_key", key_id=key_id)

    def limit_temporary_keys(self, *, seconds: float | None) -> None:
        """Limit the lifetime of temporary keys, whatever is requested."""
        self._ask("limit_temporary_keys", seconds=seconds)

    # --- the sessions ----------------------------------------------------------------------------

    def sessions(self) -> list[IssuedSession]:
        """All issued sessions, expired or not, in the order of issue."""
        return [IssuedSession(**session) for session in self._ask("sessions")]
