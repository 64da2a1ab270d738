"""The refusals of Alibaba Cloud in tests/data/fidelity.tsv: a request for each, by row."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any

from tests.testbed.alibaba import ACCOUNT, Answer, Member

if TYPE_CHECKING:
    from collections.abc import Callable


def _oidc(member: Member, **claims: Any) -> Answer:
    return member.assume_with_oidc(OIDCToken=member.token(**claims))


def _provider(member: Member, *, issuer: str, token: str) -> Answer:
    """An answer for a provider of this test's own, whose issuer cannot be reached."""
    arn = member.cloud.create_identity_provider(
        name=f"{member.name}-own", issuer=issuer, client_ids=["sts.aliyuncs.com"]
    )
    answer = member.assume_with_oidc(OIDCProviderArn=arn, OIDCToken=token)
    member.cloud.delete_identity_provider(arn)
    return answer


def _unreachable(member: Member) -> Answer:
    issuer = "https://127.0.0.1:1"
    return _provider(member, issuer=issuer, token=member.token(iss=issuer))


def _forged(member: Member) -> Answer:
    head, claims, _ = member.token().split(".")
    signature = base64.urlsafe_b64encode(secrets.token_bytes(256)).decode().rstrip("=")
    return member.assume_with_oidc(OIDCToken=f"{head}.{claims}.{signature}")


def _throttled(member: Member) -> Answer:
    member.cloud.limit_sts(0.001)
    member.assume()
    return member.assume()


_O, _R = "alibaba-sts AssumeRoleWithOIDC", "alibaba-sts AssumeRole"
REQUESTS: dict[str, Callable[[Member], Answer]] = {
    f"{_O}: token over": lambda m: _oidc(m, exp=1),
    f"{_O}: audience": lambda m: _oidc(m, aud=["sts.amazonaws.com"]),
    f"{_O}: issuer": lambda m: _oidc(m, iss="https://other.example"),
    f"{_O}: issuer broken": _unreachable,
    f"{_O}: signature": _forged,
    f"{_O}: issuer's certificate not trusted": lambda m: _provider(
        m, issuer=m.issuer.url, token=m.token()
    ),
    f"{_O}: provider ARN malformed": lambda m: m.assume_with_oidc(OIDCProviderArn="acs:ram::x"),
    f"{_O}: no such provider": lambda m: m.assume_with_oidc(
        OIDCProviderArn=f"acs:ram::{ACCOUNT}:oidc-provider/none"
    ),
    f"{_O}: trust policy": lambda m: _oidc(m, sub="system:serviceaccount:team-b:chat"),
    f"{_R}: no such role": lambda m: m.assume(RoleArn=f"acs:ram::{ACCOUNT}:role/none"),
    f"{_R}: duration": lambda m: m.assume(DurationSeconds="3601"),
    f"{_R}: policy grammar": lambda m: m.assume(Policy="{"),
    f"{_R}: session name": lambda m: m.assume(RoleSessionName="a b"),
    "alibaba-sts any: access key unknown": lambda m: m.assume(AccessKeyId="LTAI5tUnknown"),
    "alibaba-sts any: more than 100/s": _throttled,
}
