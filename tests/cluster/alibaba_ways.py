"""Every way to be someone in Alibaba Cloud, prepared in RAM and written down as sources.

One namespace has them all, so that one operator serves them at the same time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from testbed.clouds.alibaba.cloud import ACCOUNT
from tests.cluster.alibaba import EVERYTHING, PROVIDER, AlibabaTenant, cli_config, trusts

FAR = "6543210987654321"
# With blanks where they matter: the library signs such a policy wrongly.
NARROW = {
    "Version": "1",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["sts:*", "ecs:DescribeRegions"],
            "Resource": "*",
            "Condition": {"StringNotEquals": {"acs:UserAgent": "a client with blanks"}},
        }
    ],
}


WAYS = (
    "access-key",
    "sts",
    "ram-role",
    "ram-role-limited",
    "ram-role-of-session",
    "node",
    "node-named",
    "oidc",
    "oidc-annotated",
    "uri",
    "rsa",
    "default-chain",
    "two-hops",
    *(f"profile-{mode}" for mode in ("ak", "sts", "role", "node", "oidc", "chain")),
    *(f"ini-{type_}" for type_ in ("ak", "sts", "role", "node", "oidc", "rsa")),
)
ENDLESS = frozenset(
    {"access-key", "sts", "default-chain", "profile-ak", "profile-sts", "ini-ak", "ini-sts"}
)


@dataclass(frozen=True)
class Way:
    """A source by name, the content of its `alibabaCloud`, and the identity that results."""

    name: str
    spec: dict[str, Any]
    arn: str

    @property
    def ends(self) -> bool:
        """Whether the cloud tells an end of its credentials."""
        return self.name not in ENDLESS


class Cast:
    """Users, roles and Secrets of one namespace."""

    def __init__(self, tenant: AlibabaTenant, *, own_arn: str, uri: str) -> None:
        self.tenant = tenant
        self.cloud = tenant.world.alibaba
        self.uri = uri
        self._own_arn = own_arn
        self.user = self.cloud.create_user(
            name=f"{tenant.namespace}-user", policies={"everything": EVERYTHING}
        )
        self.pair = self.cloud.create_rsa_key_pair(self.user.user_arn)
        self.by_user = tenant.create_role(trusts({"RAM": [self.user.user_arn]}), suffix="-by-user")
        self.guarded = tenant.create_role(
            trusts({"RAM": [self.user.user_arn]}, StringEquals={"sts:ExternalId": "partner-7:a/b"}),
            suffix="-guarded",
        )
        self.by_token = tenant.create_role(suffix="-by-token")
        self.second = self._next(self.by_token, suffix="-second")
        self.third = self._next(self.second, suffix="-third")
        self.after_user = self._next(self.by_user, suffix="-after-user")
        self.last = self._next(self.after_user, suffix="-last", account=FAR)

    def _next(self, before: str, *, suffix: str, account: str = ACCOUNT) -> str:
        return self.tenant.create_role(trusts({"RAM": [before]}), suffix=suffix, account=account)

    def put_secrets(self, session: Mapping[str, str]) -> None:
        """The Secrets that sources read; `session` is the environment of another user's session."""
        key = {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": self.user.access_key_id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": f"{self.user.secret_key}\n",
        }
        names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
        token = {f"ALIBABA_CLOUD_{name}": session[f"ALIBABA_CLOUD_{name}"] for name in names}
        create = self.tenant.create_secret
        release = self.tenant.create_released_secret
        create(name="key", **key)
        release(name="session", **token)
        create(name="rsa-key", **{"private.pem": self.pair.private_key})
        release(
            name="bearer-token",
            ALIBABA_CLOUD_BEARER_TOKEN=self.cloud.create_bearer_token(),
        )
        release(
            name="files",
            **{
                "config.json": self._config(session),
                "credentials": self._ini(session),
                "pk.pem": self.pair.private_key,
            },
        )

    def _config(self, session: Mapping[str, str]) -> str:
        key = {
            "access_key_id": self.user.access_key_id,
            "access_key_secret": self.user.secret_key,
        }
        held = {
            "access_key_id": session["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            "access_key_secret": session["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
            "sts_token": session["ALIBABA_CLOUD_SECURITY_TOKEN"],
        }
        return cli_config(
            {"name": "ak", "mode": "AK", **key},
            {"name": "sts", "mode": "StsToken", **held},
            {
                "name": "role",
                "mode": "RamRoleArn",
                **key,
                "ram_role_arn": self.by_user,
                "ram_session_name": "by-profile",
                "expired_seconds": 900,
                "policy": json.dumps(NARROW),
            },
            {"name": "node", "mode": "EcsRamRole"},
            {
                "name": "oidc",
                "mode": "OIDC",
                "oidc_provider_arn": PROVIDER,
                "oidc_token_file": "/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token",
                "ram_role_arn": self.by_token,
                "role_session_name": "by-profile",
            },
            {
                "name": "chain-2",
                "mode": "ChainableRamRoleArn",
                "source_profile": "role-wide",
                "ram_role_arn": self.after_user,
                "ram_session_name": "second",
            },
            {
                "name": "chain",
                "mode": "ChainableRamRoleArn",
                "source_profile": "chain-2",
                "ram_role_arn": self.last,
                "ram_session_name": "third",
            },
            {"name": "role-wide", "mode": "RamRoleArn", **key, "ram_role_arn": self.by_user},
            current="ak",
        )

    def _ini(self, session: Mapping[str, str]) -> str:
        key = {
            "access_key_id": self.user.access_key_id,
            "access_key_secret": self.user.secret_key,
        }
        sections = {
            "default": {"type": "access_key", **key},
            "sts": {
                "type": "sts",
                "access_key_id": session["ALIBABA_CLOUD_ACCESS_KEY_ID"],
                "access_key_secret": session["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
                "security_token": session["ALIBABA_CLOUD_SECURITY_TOKEN"],
            },
            "role": {"type": "ram_role_arn", **key, "role_arn": self.by_user},
            "node": {"type": "ecs_ram_role"},
            "oidc": {
                "type": "oidc_role_arn",
                "oidc_provider_arn": PROVIDER,
                "oidc_token_file_path": "/var/run/token",
                "role_arn": self.by_token,
                "role_session_name": "by-ini",
            },
            "rsa": {
                "type": "rsa_key_pair",
                "public_key_id": self.pair.public_key_id,
                "private_key_file": "/home/user/pk.pem",
            },
        }
        return "\n".join(
            "\n".join([f"[{name}]", "enable = true", *(f"{k} = {v}" for k, v in lines.items())])
            for name, lines in sections.items()
        )

    # ---- the table

    def ways(self) -> Iterator[Way]:
        """All identities except for bearer tokens, which have no identity."""
        here, user = self.tenant.namespace, self.user.user_arn
        key = {"secretRef": {"name": "key"}}
        held = self._session(self.by_token, f"{here}.seed")
        node = f"acs:ram::{ACCOUNT}:assumed-role/{here}-node/"
        yield Way("access-key", {"accessKey": key}, user)
        yield Way("sts", {"sts": {"secretRef": {"name": "session"}}}, held)
        yield Way(
            "ram-role",
            {"ramRoleArn": {**key, "roleArn": self.by_user}},
            self._session(self.by_user, f"{here}.ram-role"),
        )
        yield Way(
            "ram-role-limited",
            {
                "ramRoleArn": {
                    **key,
                    "roleArn": self.guarded,
                    "externalId": "partner-7:a/b",
                    "roleSessionName": "limited",
                    "roleSessionExpiration": "15m",
                    "policy": NARROW,
                }
            },
            self._session(self.guarded, "limited"),
        )
        yield Way(
            "ram-role-of-session",
            {"ramRoleArn": {"secretRef": {"name": "session"}, "roleArn": self.second}},
            self._session(self.second, f"{here}.ram-role-of-session"),
        )
        yield Way("node", {"ecsRamRole": {}}, node)
        yield Way("node-named", {"ecsRamRole": {"roleName": f"{here}-node"}}, node)
        yield Way(
            "oidc",
            {"oidcRoleArn": self.tenant.by_token(self.by_token)},
            self._session(self.by_token, f"{here}.oidc"),
        )
        yield Way(
            "oidc-annotated",
            {"oidcRoleArn": self.tenant.by_token(None)},
            self._session(self.by_token, f"{here}.oidc-annotated"),
        )
        yield Way(
            "uri",
            {"credentialsUri": {"uri": self.uri}},
            self._session(self.by_token, "credentials-uri"),
        )
        pair = {
            "publicKeyId": self.pair.public_key_id,
            "privateKeySecretRef": {"name": "rsa-key", "key": "private.pem"},
        }
        yield Way("rsa", {"rsaKeyPair": pair}, user)
        yield Way("default-chain", {"defaultChain": {}}, self._own_arn)
        yield Way(
            "two-hops",
            {
                "oidcRoleArn": self.tenant.by_token(self.by_token),
                "assumeRoles": [
                    {"roleArn": self.second, "roleSessionName": "middle"},
                    {"roleArn": self.third, "policy": NARROW},
                ],
            },
            self._session(self.third, f"{here}.two-hops"),
        )
        yield from self._profiles(held=held, node=node)

    def _profiles(self, *, held: str, node: str) -> Iterator[Way]:
        here, user = self.tenant.namespace, self.user.user_arn
        account = {"serviceAccountRef": {"name": "chat-bedrock"}}
        modes = {
            "ak": (None, user),
            "sts": ("sts", held),
            "role": ("role", self._session(self.by_user, "by-profile")),
            "node": ("node", node),
            "oidc": ("oidc", self._session(self.by_token, "by-profile")),
            "chain": ("chain", self._session(self.last, "third")),
        }
        for mode, (name, arn) in modes.items():
            profile = _profile(name, account if mode == "oidc" else {})
            yield Way(f"profile-{mode}", {"profile": profile}, arn)
        types = {
            "ak": (None, user),
            "sts": ("sts", held),
            "role": ("role", self._session(self.by_user, f"{here}.ini-role")),
            "node": ("node", node),
            "oidc": ("oidc", self._session(self.by_token, "by-ini")),
            "rsa": ("rsa", user),
        }
        for type_, (name, arn) in types.items():
            profile = _profile(name, account if type_ == "oidc" else {})
            file = {**profile, "format": "CredentialsFile"}
            yield Way(f"ini-{type_}", {"profile": file}, arn)

    def _session(self, role_arn: str, name: str) -> str:
        account, _, role = role_arn.removeprefix("acs:ram::").partition(":role/")
        return f"acs:ram::{account}:assumed-role/{role}/{name}"


def _profile(name: str | None, more: dict[str, Any]) -> dict[str, Any]:
    named = {} if name is None else {"name": name}
    return {"secretRef": {"name": "files"}, **named, **more}
