"""The emulator's process, seen from a test."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from testbed.clouds.aws.calls import Call, IssuedSession
from testbed.processes import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNT = "123456789012"
_ROOT = Path(__file__).parents[3]
_READY_FILE = "ready.json"
_START_SECONDS = 30.0
_ANSWER_SECONDS = 10.0


class CloudRefusedError(RuntimeError):
    """The emulator could not do what a test asked of it."""


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


class AwsCloud:
    """Starts and stops the emulator, prepares its accounts, moves its clock, reads its journal.

    The process is bound to the thread that calls `start` (it ends when that thread does): start it
    from the main thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: ChildProcess | None = None
        self._ports: dict[str, Any] = {}
        # the test's own environment may name a proxy; the control port is never behind one
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def process(self) -> ChildProcess:
        """The running emulator."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Return once the emulator answers."""
        self.spawn()
        self.wait_until_ready()

    def spawn(self) -> None:
        """Start it and return at once; `wait_until_ready` must follow."""
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / _READY_FILE).unlink(missing_ok=True)
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self._process = ChildProcess(
            "aws",
            [sys.executable, "-m", "testbed.clouds.aws", "--directory", self._directory],
            log=self._directory / "aws.log",
            environment={**os.environ, "PYTHONPATH": path},
        )

    def wait_until_ready(self) -> None:
        """Return once the emulator answers."""
        ready = self._directory / _READY_FILE
        self.process.wait_until(ready.exists, seconds=_START_SECONDS)
        self._ports = json.loads(ready.read_text())

    def stop(self) -> None:
        """End the process; nothing it knew is kept."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ca_file(self) -> Path:
        """The CA that signs the certificates of all AWS hosts here."""
        return Path(self._ports["certificate"])

    @property
    def tls_port(self) -> int:
        """The port that serves every AWS host over TLS, by SNI and Host."""
        return int(self._ports["tls"])

    @property
    def proxy_port(self) -> int:
        """The port of the CONNECT proxy."""
        return int(self._ports["proxy"])

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

    def set_clock(self, *, offset_seconds: float) -> None:
        """Let the emulator's now be the machine's plus this."""
        self._ask("set_clock", offset_seconds=offset_seconds)

    def limit_sessions(self, *, seconds: float | None) -> None:
        """Let every session issued from now on last that long, whatever was asked.

        Rounded up to the next whole second; `Expiration` says so, and it is enforced. None ends it.
        """
        self._ask("limit_sessions", seconds=seconds)

    def revoke_session(self, access_key_id: str) -> None:
        """End a session at once; it is then refused as expired."""
        if not self._ask("revoke_session", access_key_id=access_key_id):
            raise CloudRefusedError(f"there is no session {access_key_id}")

    def fail_next(
        self,
        service: str,
        action: str | None = None,
        *,
        code: str,
        message: str,
        status: int,
        count: int = 1,
    ) -> None:
        """Refuse the next `count` calls of a service, of one action where that is given.

        Services are "sts", "iam", "bedrock", "bedrock-runtime", "bedrock-mantle", "apigateway" and
        "execute-api"; actions are as in the journal.
        """
        self._ask(
            "fail_next",
            service=service,
            action=action,
            code=code,
            message=message,
            status=status,
            remaining=count,
        )

    def damage_next(self, service: str, action: str | None = None, *, count: int = 1) -> None:
        """Carry the next `count` calls out, and cut their genuine answers short."""
        self._ask("damage_next", service=service, action=action, remaining=count)

    def lose_answer(self, service: str, action: str | None = None, *, count: int = 1) -> None:
        """Carry the next `count` calls out, and cut the connections without any answer.

        The journal has such a call as it ended, since the work was done. Behind a proxy, as here,
        botocore calls it ProxyConnectionError: to the client the request may never have gone out.
        """
        self._ask("lose_answer", service=service, action=action, remaining=count)

    def delay(self, service: str, action: str | None = None, *, seconds: float) -> None:
        """Answer the calls of a service that much later, until `clear_faults`."""
        self._ask("delay", service=service, action=action, seconds=seconds)

    def limit_rate(self, service: str, per_second: float | None) -> None:
        """Let an account make that many calls a second of a service, whatever its actions.

        A burst of as many is let through; beyond it a call is refused with Throttling "Rate
        exceeded" in the form of the service. The emulator's clock counts. None ends it.
        """
        self._ask("limit_rate", service=service, per_second=per_second)

    def new_keys_fail_for(self, seconds: float, *, listed: bool = True) -> None:
        """Let what is made from now on be unknown to data planes that long.

        That is users, access keys, service-specific credentials, and keys in usage plans. With
        `listed=False` IAM does not show its users and service-specific credentials either for that
        time. 0 ends it.
        """
        self._ask("new_keys_fail_for", seconds=seconds, listed=listed)

    def clear_faults(self) -> None:
        """End all faults, delays, rates and waits for new keys."""
        self._ask("clear_faults")

    # --- the journal -----------------------------------------------------------------------------

    def calls(self, *, service: str | None = None, action: str | None = None) -> list[Call]:
        """The calls so far, in the order they were answered."""
        return [Call(**call) for call in self._ask("calls", service=service, action=action)]

    def sessions(self) -> list[IssuedSession]:
        """Every session that was given out, ended or not, in that order."""
        return [IssuedSession(**session) for session in self._ask("sessions")]

    def session(self, call: Call) -> IssuedSession:
        """The session that an AssumeRole call of the journal made."""
        for session in self.sessions():
            if session.access_key_id == call.session:
                return session
        raise CloudRefusedError(f"{call.action} made no session")

    def forget_calls(self) -> None:
        """Empty the journal."""
        self._ask("forget_calls")

    # --- what nobody may tell --------------------------------------------------------------------

    def secrets(self) -> list[str]:
        """Every secret key, token and API key given out, and every identity token shown to STS.

        For tests that look for them where none may be; the journal has none of them.
        """
        return [str(secret) for secret in self._ask("secrets")]

    def _ask(self, question: str, /, **arguments: object) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._ports['control']}/{question}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise CloudRefusedError(f"{question}: {json.load(error)}") from None
