"""The refusals of AWS in tests/data/fidelity.tsv: a request for each, by the name of the row."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws.refusals import region_disabled
from tests.testbed.api_gateway import Partner, value
from tests.testbed.issuer import AUDIENCE
from tests.testbed.world import ACCOUNT, Temporary, Tenant, allow, refusal, trusts

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.aws import AwsCloud

Refusal = tuple[int, str, str]
_BEDROCK = "bedrock.amazonaws.com"


@dataclass(frozen=True, slots=True)
class Aws:
    """What requests to AWS are made with."""

    tenant: Tenant
    cloud: AwsCloud

    @property
    def iam(self) -> Any:
        """An administrator of IAM."""
        return self.tenant.admin()

    def user(self, **credentials: object) -> str:
        """The name of a new user, with a key for Bedrock where `credentials` says so."""
        name = f"user-{uuid.uuid4().hex[:8]}"
        self.iam.create_user(UserName=name)
        for _ in range(int(str(credentials.get("keys", 0)))):
            self.iam.create_service_specific_credential(UserName=name, ServiceName=_BEDROCK)
        return name

    def hop(self, *, caller: Temporary | None = None, **requested: Any) -> Refusal:
        """The refusal of AssumeRole."""
        caller = caller or self.tenant.user(allow("sts:AssumeRole", "sts:TagSession"))
        root = f"arn:aws:iam::{ACCOUNT}:root"
        role = self.cloud.create_role(
            name=f"role-{uuid.uuid4().hex[:8]}",
            trust_policy=trusts(root, "sts:AssumeRole", "sts:TagSession"),
        )
        client = self.tenant.client("sts", credentials=caller)
        return refusal(
            client.assume_role, **{"RoleArn": role, "RoleSessionName": "hop", **requested}
        )

    def tagged(self, letters: int) -> Temporary:
        """A session with transitive tags of so many letters each."""
        root = f"arn:aws:iam::{ACCOUNT}:root"
        role = self.cloud.create_role(
            name=f"role-{uuid.uuid4().hex[:8]}",
            trust_policy=trusts(root, "sts:AssumeRole", "sts:TagSession"),
            policies={"all": allow("sts:*")},
        )
        client = self.tenant.client("sts", credentials=self.tenant.user(allow("sts:*")))
        tags = _tags(3, letters=letters)
        answer = client.assume_role(
            RoleArn=role,
            RoleSessionName="hop",
            Tags=tags,
            TransitiveTagKeys=[tag["Key"] for tag in tags],
        )
        return Temporary.of(answer)


def _tags(number: int, *, letters: int) -> list[dict[str, str]]:
    return [{"Key": f"tag-{i}", "Value": secrets.token_hex(128)[:letters]} for i in range(number)]


def _delete_user(aws: Aws, *, what: str) -> Refusal:
    name = aws.user(keys=1 if what == "key" else 0)
    if what == "policy":
        arn = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"
        aws.iam.attach_user_policy(UserName=name, PolicyArn=arn)
    if what == "inline":
        document = json.dumps(allow("bedrock:*"))
        aws.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    return refusal(aws.iam.delete_user, UserName=name)


def _key(aws: Aws, action: str, *, user: str = "", **requested: Any) -> Refusal:
    name = user or aws.user(keys=1)
    call = getattr(aws.iam, f"{action}_service_specific_credential")
    known = {} if action == "create" else {"ServiceSpecificCredentialId": "ACCAUNKNOWN123456789"}
    return refusal(call, **{"UserName": name, **known, **requested})


def _token(aws: Aws, **claims: Any) -> Refusal:
    return refusal(aws.tenant.assume, WebIdentityToken=aws.tenant.issuer.token(**claims))


def _unreachable(aws: Aws) -> Refusal:
    issuer = "https://127.0.0.1:1"
    aws.cloud.create_identity_provider(issuer=issuer, client_ids=[AUDIENCE])
    return _token(aws, iss=issuer)


def _expired(aws: Aws) -> Refusal:
    token = aws.tenant.issuer.token()
    aws.cloud.set_clock(offset_seconds=601)
    return refusal(aws.tenant.assume, WebIdentityToken=token)


def _faulty(aws: Aws, service: str, *, code: str, message: str, status: int) -> Refusal:
    aws.cloud.fail_next(service, code=code, message=message, status=status)
    if service == "sts":
        return refusal(aws.tenant.assume)
    if service == "iam":
        return refusal(aws.iam.list_roles)
    return refusal(_gateway(aws).get_api_keys)


def _unknown_key(aws: Aws, service: str) -> Refusal:
    stranger = Temporary.long_term(aws.cloud.create_user(name=f"u-{uuid.uuid4().hex}", policies={}))
    unknown = Temporary("AKIAUNKNOWNUNKNOWN00", stranger.secret_key, "", stranger.expires_at)
    client = aws.tenant.client(service, credentials=unknown)
    return refusal(client.get_caller_identity if service == "sts" else client.get_api_keys)


def _over(aws: Aws) -> Refusal:
    session = aws.tenant.session()
    aws.cloud.revoke_session(session.access_key_id)
    return refusal(aws.tenant.client("sts", credentials=session).get_caller_identity)


def _bad_status(aws: Aws) -> Refusal:
    name = aws.user(keys=1)
    found = aws.iam.list_service_specific_credentials(UserName=name)
    (key,) = found["ServiceSpecificCredentials"]
    known = key["ServiceSpecificCredentialId"]
    return _key(aws, "update", user=name, Status="Invalid", ServiceSpecificCredentialId=known)


def _clock(aws: Aws) -> Refusal:
    client = _gateway(aws)
    aws.cloud.set_clock(offset_seconds=600)
    return refusal(client.get_api_keys)


def _gateway(aws: Aws) -> Any:
    return aws.tenant.client("apigateway", credentials=aws.tenant.user(allow("apigateway:*")))


def _api_key(aws: Aws, **requested: Any) -> Refusal:
    return refusal(_gateway(aws).create_api_key, **requested)


def _same_value(aws: Aws) -> Refusal:
    taken = value()
    _gateway(aws).create_api_key(name="a", value=taken)
    return _api_key(aws, name="b", value=taken)


def _patched_key(aws: Aws, path: str, text: str) -> Refusal:
    made = _gateway(aws).create_api_key(name="a")
    change = [{"op": "replace", "path": path, "value": text}]
    return refusal(_gateway(aws).update_api_key, apiKey=made["id"], patchOperations=change)


def _patched_plan(aws: Aws, op: str, text: str | None) -> Refusal:
    partner = Partner(aws.tenant)
    change = {"op": op, "path": "/apiStages"} | ({} if text is None else {"value": text})
    return refusal(
        partner.client.update_usage_plan, usagePlanId=partner.plan(), patchOperations=[change]
    )


def _plan(aws: Aws, **stage: str) -> Refusal:
    return refusal(_gateway(aws).create_usage_plan, name="p", apiStages=[stage])


def _plan_with_stages(aws: Aws) -> Refusal:
    partner = Partner(aws.tenant)
    return refusal(partner.client.delete_usage_plan, usagePlanId=partner.plan())


def _import(aws: Aws) -> Refusal:
    return refusal(_gateway(aws).import_api_keys, body=b"Name\na\n", format="csv")


_K = "CreateServiceSpecificCredential"
_W = "sts AssumeRoleWithWebIdentity"
_G = "apigateway"
REQUESTS: dict[str, Callable[[Aws], Refusal]] = {
    "iam CreateUser: name taken": lambda a: refusal(a.iam.create_user, UserName=a.user()),
    "iam GetUser: missing": lambda a: refusal(a.iam.get_user, UserName="missing"),
    "iam DeleteUser: missing": lambda a: refusal(a.iam.delete_user, UserName="missing"),
    "iam DeleteUser: attached managed policy": lambda a: _delete_user(a, what="policy"),
    "iam DeleteUser: inline policy left": lambda a: _delete_user(a, what="inline"),
    "iam DeleteUser: service specific credential left": lambda a: _delete_user(a, what="key"),
    f"iam {_K}: no such user": lambda a: _key(a, "create", user="missing", ServiceName=_BEDROCK),
    f"iam {_K}: no such user and unsupported service": lambda a: _key(
        a, "create", user="missing", ServiceName="x.amazonaws.com"
    ),
    f"iam {_K}: unsupported service (3 names)": lambda a: _key(
        a, "create", ServiceName="x.amazonaws.com"
    ),
    "iam ListServiceSpecificCredentials: unsupported service": lambda a: refusal(
        a.iam.list_service_specific_credentials, UserName=a.user(), ServiceName="x.amazonaws.com"
    ),
    "iam UpdateServiceSpecificCredential: unknown id": lambda a: _key(
        a, "update", Status="Inactive"
    ),
    "iam UpdateServiceSpecificCredential: wrong user": lambda a: _key(
        a, "update", user="missing", Status="Inactive"
    ),
    "iam UpdateServiceSpecificCredential: id with hyphens": lambda a: _key(
        a, "update", Status="Inactive", ServiceSpecificCredentialId="a-b-c-d-e-f-g-h-i-j-k-l"
    ),
    "iam UpdateServiceSpecificCredential: status not of the enum": _bad_status,
    "iam ResetServiceSpecificCredential: unknown id / wrong user": lambda a: _key(a, "reset"),
    "iam DeleteServiceSpecificCredential: unknown id": lambda a: _key(a, "delete"),
    "iam DeleteServiceSpecificCredential: wrong user": lambda a: _key(a, "delete", user="missing"),
    "iam AttachUserPolicy: no such policy": lambda a: refusal(
        a.iam.attach_user_policy,
        UserName=a.user(),
        PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/none",
    ),
    "iam any: throttled": lambda a: _faulty(
        a, "iam", code="Throttling", message="Rate exceeded", status=400
    ),
    f"{_W}: not trusted": lambda a: _token(a, sub="system:serviceaccount:x:y"),
    f"{_W}: audience": lambda a: _token(a, aud=["other"]),
    f"{_W}: no provider": lambda a: _token(a, iss="https://elsewhere.example/id"),
    f"{_W}: JWKS not reachable": _unreachable,
    f"{_W}: expired token": _expired,
    f"{_W}: token too old": lambda a: _token(
        a, iat=int(time.time()) - 100_000, exp=int(time.time()) + 600
    ),
    f"{_W}: region of STS off": lambda a: _faulty(
        a,
        "sts",
        code="RegionDisabledException",
        message=region_disabled(ACCOUNT).message,
        status=403,
    ),
    f"{_W}: fresh role: session unknown to GetCallerIdentity": lambda a: _unknown_key(a, "sts"),
    "sts AssumeRole: malformed role ARN": lambda a: a.hop(RoleArn="nothing-valid-in-here"),
    "sts AssumeRole: session name with ':'": lambda a: a.hop(RoleSessionName="a:b"),
    "sts AssumeRole: transitive key not among tags": lambda a: a.hop(TransitiveTagKeys=["a"]),
    "sts AssumeRole: transitive key of the calling session": lambda a: a.hop(
        caller=a.tagged(3), Tags=[{"Key": "tag-0", "Value": "x"}]
    ),
    "sts AssumeRole: tag keys differing in case": lambda a: a.hop(
        Tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]
    ),
    "sts AssumeRole: denied": lambda a: a.hop(caller=a.tenant.user(allow("iam:*"))),
    "sts AssumeRole: 9 tags of 250 letters": lambda a: a.hop(Tags=_tags(9, letters=250)),
    "sts AssumeRole: chained from a session with transitive tags": lambda a: a.hop(
        caller=a.tagged(120), Tags=_tags(9, letters=120)[3:]
    ),
    "sts any signed call: unknown access key id": lambda a: _unknown_key(a, "sts"),
    "sts any signed call: session over": _over,
    f"{_G} any signed call: clock more than 5 minutes off": _clock,
    f"{_G} any: session key unknown": lambda a: _unknown_key(a, "apigateway"),
    f"{_G} CreateApiKey: value of 19": lambda a: _api_key(a, value="v" * 19),
    f"{_G} CreateApiKey: value of 129": lambda a: _api_key(a, value="v" * 129),
    f"{_G} CreateApiKey: value taken": _same_value,
    f"{_G} CreateApiKey: name of 1025": lambda a: _api_key(a, name="n" * 1025),
    f"{_G} CreateApiKey: description of 125001": lambda a: _api_key(a, description="d" * 125_001),
    f"{_G} any: LimitExceededException as a rate answer": lambda a: _faulty(
        a,
        "apigateway",
        code="LimitExceededException",
        message="The request exceeded the rate limit. Retry after the specified time period.",
        status=429,
    ),
    f"{_G} UpdateApiKey: path /id": lambda a: _patched_key(a, "/id", "x"),
    f"{_G} UpdateApiKey: description too long": lambda a: _patched_key(
        a, "/description", "d" * 125_001
    ),
    f"{_G} GetApiKey: missing": lambda a: refusal(_gateway(a).get_api_key, apiKey="none"),
    f"{_G} CreateUsagePlan: no such stage or API": lambda a: _plan(a, apiId="none", stage="prod"),
    f"{_G} CreateUsagePlan: empty stage": lambda a: _plan(a, apiId="none", stage=""),
    f"{_G} UpdateUsagePlan: unknown plan": lambda a: refusal(
        _gateway(a).update_usage_plan, usagePlanId="none", patchOperations=[]
    ),
    f"{_G} UpdateUsagePlan: add a stage that is not there": lambda a: _patched_plan(
        a, "add", "none:prod"
    ),
    f"{_G} UpdateUsagePlan: remove /apiStages without a value, or malformed": lambda a: (
        _patched_plan(a, "remove", None)
    ),
    f"{_G} UpdateUsagePlan: remove a stage that the plan does not have": lambda a: _patched_plan(
        a, "remove", "none:prod"
    ),
    f"{_G} DeleteUsagePlan: stages left": _plan_with_stages,
    f"{_G} ImportApiKeys: no Key column": _import,
}
