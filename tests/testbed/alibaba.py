"""What a test holds: a role and a user in the emulated Alibaba Cloud, the SDKs, tampered calls."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import json
import ssl
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from testbed.clouds.alibaba import UserAccessKey, signatures
from testbed.clouds.wire import Request
from tests.testbed.issuer import SUBJECT, Issuer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.alibaba import AlibabaCloud

ACCOUNT = "1234567890123456"
REGION = "cn-hangzhou"
HOST = f"sts.{REGION}.aliyuncs.com"
AUDIENCE = "sts.aliyuncs.com"


def allow(*actions: str, resource: str = "*", **condition: object) -> dict[str, Any]:
    """A policy of one statement."""
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return {"Version": "1", "Statement": [statement]}


def trusts(principal: Mapping[str, object], **condition: object) -> dict[str, Any]:
    """A trust policy of one statement."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": dict(principal),
    }
    if condition:
        statement["Condition"] = condition
    return {"Version": "1", "Statement": [statement]}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the cloud answered."""

    status: int
    content: dict[str, Any]

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return str(self.content.get("Code"))

    @property
    def message(self) -> str:
        """The words of a refusal."""
        return str(self.content.get("Message"))


@dataclass(frozen=True, slots=True)
class Temporary:
    """A session's key, and its token."""

    key: UserAccessKey
    token: str = field(repr=False)


@dataclass(slots=True)
class Member:
    """A RAM user that may assume the role, and a provider that the role trusts."""

    cloud: AlibabaCloud
    issuer: Issuer
    provider_arn: str
    name: str = field(default_factory=lambda: f"t-{uuid.uuid4().hex[:10]}")
    user: UserAccessKey = field(init=False)
    role_arn: str = field(init=False)

    def __post_init__(self) -> None:
        self.user = self.cloud.create_user(
            name=self.name, policies={"assume": allow("sts:AssumeRole")}
        )
        self.role_arn = self.cloud.create_role(
            name=self.name,
            trust_policy=self.trust(),
            policies={"ecs": allow("ecs:Describe*", "sts:AssumeRole")},
        )

    def trust(self, *, subject: str = SUBJECT) -> dict[str, Any]:
        """Trusts this account, and the issuer for one subject and the audience of STS."""
        federated = trusts(
            {"Federated": [self.provider_arn]},
            StringEquals={
                "oidc:iss": self.issuer.url,
                "oidc:aud": AUDIENCE,
                "oidc:sub": subject,
            },
        )
        anyone = trusts({"RAM": [f"acs:ram::{ACCOUNT}:root"]})
        return {"Version": "1", "Statement": federated["Statement"] + anyone["Statement"]}

    def token(self, **claims: Any) -> str:
        """A token for the audience of STS, with these claims changed."""
        return self.issuer.token(**{"aud": [AUDIENCE], **claims})

    def call(self, parameters: Mapping[str, str], *, key: UserAccessKey | None = None) -> Answer:
        """An RPC call, signed with the key of the user; what is not given is as it should be."""
        key = key or self.user
        given = {
            **rpc(parameters),
            "AccessKeyId": key.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": str(uuid.uuid4()),
            **parameters,
        }
        text = signatures.rpc_string_to_sign("GET", given)
        signed = {"Signature": signatures.rpc_signature(key.secret_key, text), **given}
        return self.get(signed)

    def assume(self, *, key: UserAccessKey | None = None, **changed: str) -> Answer:
        """AssumeRole, with these parameters changed."""
        return self.call(
            {
                "Action": "AssumeRole",
                "RoleArn": self.role_arn,
                "RoleSessionName": "keywright",
                **changed,
            },
            key=key,
        )

    def assume_with_oidc(self, **changed: str) -> Answer:
        """AssumeRoleWithOIDC, with these parameters changed."""
        requested = {
            "Action": "AssumeRoleWithOIDC",
            "RoleArn": self.role_arn,
            "OIDCProviderArn": self.provider_arn,
            "OIDCToken": self.token() if "OIDCToken" not in changed else "",
            "RoleSessionName": "keywright",
            **changed,
        }
        return self.get({**rpc(requested), **requested})

    def key(self, access_key_id: str, secret_key: str) -> UserAccessKey:
        """A key that was given out, for a call."""
        return UserAccessKey(access_key_id, secret_key, self.user.user_arn)

    def temporary(self, answer: Answer) -> Temporary:
        """The session of an answer."""
        given = answer.content["Credentials"]
        key = self.key(given["AccessKeyId"], given["AccessKeySecret"])
        return Temporary(key, given["SecurityToken"])

    def get(self, parameters: Mapping[str, str], *, host: str = HOST) -> Answer:
        """A GET with just these parameters."""
        return self.request("GET", f"/?{urlencode(parameters)}", host=host)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        host: str = HOST,
    ) -> Answer:
        """A request through the proxy, as it is."""
        trust = ssl.create_default_context(cafile=str(self.cloud.ca_file))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.cloud.proxy_port, context=trust, timeout=5
        )
        connection.set_tunnel(host, 443)
        connection.request(method, path, headers=dict(headers or {}), body=body)
        answer = connection.getresponse()
        content = json.load(answer)
        connection.close()
        return Answer(answer.status, content)


def reported(answer: Answer) -> tuple[int, str]:
    """Status and code."""
    return answer.status, answer.code


def rpc(parameters: Mapping[str, str]) -> dict[str, str]:
    """The parameters that every RPC call has."""
    return {
        "Format": "JSON",
        "Version": "2015-04-01",
        "Timestamp": time_text(),
        **{name: value for name, value in parameters.items() if name in {"Format", "Version"}},
    }


def signed_headers(
    key: UserAccessKey, *, changed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The headers of GetCallerIdentity signed by ACS3, with these changed before the signature."""
    headers = {
        "host": HOST,
        "x-acs-action": "GetCallerIdentity",
        "x-acs-content-sha256": hashlib.sha256(b"").hexdigest(),
        "x-acs-date": time_text(),
        "x-acs-signature-nonce": str(uuid.uuid4()),
        "x-acs-version": "2015-04-01",
        **(changed or {}),
    }
    names = tuple(sorted(headers))
    request = Request(HOST, "POST", "/", "", tuple(headers.items()), b"", "127.0.0.1")
    text = signatures.acs3_string_to_sign(request, signed_headers=names)
    fields = {
        "Credential": key.access_key_id,
        "SignedHeaders": ";".join(names),
        "Signature": signatures.acs3_signature(key.secret_key, text),
    }
    given = ",".join(f"{name}={value}" for name, value in fields.items())
    return {**headers, "authorization": f"{signatures.ACS3} {given}"}


def time_text(*, offset_seconds: float = 0) -> str:
    """Now, plus this, as the API writes it."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=offset_seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
