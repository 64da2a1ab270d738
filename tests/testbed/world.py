"""What a test holds: a role in the emulated AWS, real clients, and keys made by AWS's generator."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aws_bedrock_token_generator import provide_token
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from testbed.boto3_sessions import boto3_session
from tests.testbed.issuer import AUDIENCE, SUBJECT, Issuer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testbed.clouds.aws import AwsCloud, UserAccessKey

ACCOUNT = "123456789012"
REGION = "us-east-1"
MODEL = "amazon.nova-lite-v1:0"
BEDROCK_POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "bedrock:CallWithBearerToken",
                "bedrock:InvokeModel*",
                "bedrock:ListFoundationModels",
            ],
            "Resource": "*",
        }
    ],
}


def allow(*actions: str, resource: str = "*", **condition: object) -> dict[str, Any]:
    """A policy of one statement."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


def trusts(
    principal: object,
    *actions: str,
    effect: str = "Allow",
    condition: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """A trust policy of one statement; without actions it is sts:AssumeRole."""
    statement: dict[str, Any] = {
        "Effect": effect,
        "Principal": {"AWS": principal},
        "Action": list(actions) or "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True, slots=True)
class Temporary:
    """Credentials of a session as STS gave them."""

    access_key_id: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires_at: datetime.datetime

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Temporary:
        """The credentials in an answer of STS."""
        given = answer["Credentials"]
        return cls(
            given["AccessKeyId"],
            given["SecretAccessKey"],
            given["SessionToken"],
            given["Expiration"],
        )

    @classmethod
    def long_term(cls, key: UserAccessKey) -> Temporary:
        """A user's key, to be used wherever a session's is."""
        never = datetime.datetime.max.replace(tzinfo=datetime.UTC)
        return cls(key.access_key_id, key.secret_key, "", never)


class Tenant:
    """A role that trusts one ServiceAccount, and everything that a workload does with it."""

    def __init__(self, cloud: AwsCloud, issuer: Issuer, *, region: str = REGION) -> None:
        self.cloud = cloud
        self.issuer = issuer
        self.region = region
        self.role_name = f"tenant-{uuid.uuid4().hex[:8]}"
        self.role_arn = cloud.create_role(
            name=self.role_name, trust_policy=self.trust(), policies={"bedrock": BEDROCK_POLICY}
        )

    def trust(self, *, subject: str = SUBJECT, operator: str = "StringEquals") -> dict[str, Any]:
        """A trust policy for tokens of the issuer."""
        host = self.issuer.url.removeprefix("https://")
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{host}"},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {operator: {f"{host}:sub": subject, f"{host}:aud": AUDIENCE}},
                }
            ],
        }

    def client(
        self, service: str, *, credentials: Temporary | None = None, host: str | None = None
    ) -> Any:
        """A boto3 client that meets the emulator, without retries."""
        signed = credentials is not None
        return boto3_session().client(
            service,
            region_name=self.region,
            endpoint_url=None if host is None else f"https://{host}",
            aws_access_key_id=credentials.access_key_id if credentials else "none",
            aws_secret_access_key=credentials.secret_key if credentials else "none",
            aws_session_token=credentials.token if credentials else None,
            verify=str(self.cloud.ca_file),
            config=Config(
                proxies={"https": self.cloud.client_environment()["HTTPS_PROXY"]},
                retries={"total_max_attempts": 1},
                signature_version="v4" if signed else None,
                parameter_validation=False,  # it is AWS that is to refuse, not the SDK
            ),
        )

    def assume(self, **changed: Any) -> dict[str, Any]:
        """The whole answer of AssumeRoleWithWebIdentity; a parameter can be changed by name."""
        parameters = {
            "RoleArn": self.role_arn,
            "RoleSessionName": "keywright",
            "WebIdentityToken": changed.pop("WebIdentityToken", None) or self.issuer.token(),
            **changed,
        }
        answer: dict[str, Any] = self.client("sts").assume_role_with_web_identity(**parameters)
        return answer

    def session(self, **changed: Any) -> Temporary:
        """Credentials of a new session."""
        return Temporary.of(self.assume(**changed))

    def admin(self) -> Any:
        """A boto3 client of IAM that may do everything."""
        return self.client("iam", credentials=self.user(allow("*")))

    def user(self, *policies: Mapping[str, Any], account: str = ACCOUNT) -> Temporary:
        """The access key of a new user with these policies."""
        return Temporary.long_term(
            self.cloud.create_user(
                name=f"user-{uuid.uuid4().hex[:8]}",
                policies={f"p{number}": policy for number, policy in enumerate(policies)},
                account=account,
            )
        )

    def key(
        self,
        credentials: Temporary | None = None,
        *,
        region: str | None = None,
        lasts: datetime.timedelta = datetime.timedelta(hours=12),
    ) -> str:
        """A Bedrock API key, made by AWS's own generator."""
        signer = credentials or self.session()
        return str(
            provide_token(
                region=region or self.region,
                aws_credentials_provider=_Provider(signer),
                expiry=lasts,
            )
        )

    def data(self, key: str) -> dict[str, str]:
        """The Secret's data that holds the key, in the formats BedrockEnv and OpenAIEnv."""
        return {
            "AWS_BEARER_TOKEN_BEDROCK": key,
            "AWS_REGION": self.region,
            "OPENAI_API_KEY": key,
            "OPENAI_BASE_URL": f"https://bedrock-runtime.{self.region}.amazonaws.com/openai/v1",
        }


class _Provider:
    """Hands credentials to the generator, which wants a botocore provider."""

    def __init__(self, credentials: Temporary) -> None:
        self._credentials = credentials

    def load(self) -> Credentials:
        return Credentials(
            self._credentials.access_key_id,
            self._credentials.secret_key,
            self._credentials.token,
        )


def refusal(call: Callable[..., object], **arguments: object) -> tuple[int, str, str]:
    """The status, code and message with which boto3 tells that AWS refused the call."""
    try:
        call(**arguments)
    except ClientError as error:
        reported: Mapping[str, Any] = error.response
        return (
            reported["ResponseMetadata"]["HTTPStatusCode"],
            reported["Error"]["Code"],
            reported["Error"]["Message"],
        )
    raise AssertionError("the call was allowed")
