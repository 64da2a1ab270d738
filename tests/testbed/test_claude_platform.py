"""Claude Platform on AWS: Anthropic's SDK is answered, and refused whenever anything is off."""

from __future__ import annotations

import base64
import datetime
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from anthropic import (
    AnthropicAWS,
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
)
from botocore.credentials import Credentials
from token_generator_for_aws_external_anthropic import get_token

from testbed.readers.answers import pod_environment
from testbed.readers.tunnels import RefusedError, Tunnel
from tests.testbed.world import ACCOUNT, REGION, Temporary, Tenant, allow

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKSPACE = "wrkspc_01Test"
MODEL = "claude-sonnet-5-5"
ARN = f"arn:aws:aws-external-anthropic:{REGION}:{ACCOUNT}:workspace/{WORKSPACE}"
MANAGED = "arn:aws:iam::aws:policy/AnthropicInferenceAccess"
PREFIX = "aws-external-anthropic-api-key-"
HELLO: Any = [{"role": "user", "content": "hello"}]
_TWELVE_HOURS = datetime.timedelta(hours=12)


def _permit(tenant: Tenant, *actions: str, resource: str = ARN) -> None:
    """The permissions of the role, with what every call needs; without actions, all of them."""
    chosen = actions or ("CreateInference", "CountTokens", "ListModels", "GetModel")
    statements = [
        *allow("aws-external-anthropic:CallWithBearerToken")["Statement"],
        *allow(*(f"aws-external-anthropic:{each}" for each in chosen), resource=resource)[
            "Statement"
        ],
        *allow("sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken")["Statement"],
    ]
    tenant.cloud.put_role_policy(
        role=tenant.role_name,
        name="claude",
        document={"Version": "2012-10-17", "Statement": statements},
    )


@pytest.fixture
def claude(tenant: Tenant) -> Iterator[Tenant]:
    """A role that may use the workspace."""
    _permit(tenant)
    yield tenant
    tenant.cloud.set_outbound_federation(enabled=True)


def key_of(
    tenant: Tenant,
    *,
    signer: Temporary | None = None,
    region: str = REGION,
    lasts: datetime.timedelta = _TWELVE_HOURS,
) -> str:
    """A key, made by AWS's own generator."""
    used = signer or tenant.session()
    credentials = Credentials(used.access_key_id, used.secret_key, used.token)
    return str(get_token(credentials=credentials, region=region, expiry=lasts))


@contextmanager
def sdk(tenant: Tenant, key: str, *, workspace: str = WORKSPACE) -> Iterator[AnthropicAWS]:
    """Anthropic's SDK in a pod with this key."""
    data = {
        "ANTHROPIC_AWS_API_KEY": key,
        "ANTHROPIC_AWS_WORKSPACE_ID": workspace,
        "AWS_REGION": REGION,
    }
    with pod_environment({**tenant.cloud.client_environment(), **data}):
        client = AnthropicAWS(max_retries=0)
    with client:
        yield client


def _ask(tenant: Tenant, key: str, *, workspace: str = WORKSPACE) -> str:
    with sdk(tenant, key, workspace=workspace) as client:
        answer = client.messages.create(model=MODEL, max_tokens=8, messages=HELLO)
    return "".join(block.text for block in answer.content if block.type == "text")


def test_a_key_of_the_real_generator_is_accepted(claude: Tenant) -> None:
    """For a message, its stream, the count of its tokens, and the models."""
    with sdk(claude, key_of(claude)) as client:
        answer = client.messages.create(model=MODEL, max_tokens=8, messages=HELLO)
        with client.messages.stream(model=MODEL, max_tokens=8, messages=HELLO) as stream:
            streamed = stream.get_final_text()
        count = client.messages.count_tokens(model=MODEL, messages=HELLO)
        models = {model.id for model in client.models.list()}
        one = client.models.retrieve(MODEL)
    assert answer.stop_reason == "end_turn"
    assert streamed.strip() == "You said: hello"
    assert count.input_tokens > 0
    assert MODEL in models
    assert one.id == MODEL


def test_a_bearer_header_and_a_signature_are_accepted(claude: Tenant) -> None:
    """The SDK sends x-api-key; the guide names the header Authorization for other clients."""
    tunnel = Tunnel(
        f"aws-external-anthropic.{REGION}.api.aws",
        cloud_environment=claude.cloud.client_environment(),
    )
    headers = {
        "Authorization": f"Bearer {key_of(claude)}",
        "anthropic-workspace-id": WORKSPACE,
        "Content-Type": "application/json",
    }
    listed = tunnel.ask("GET", "/v1/models", headers=headers, body=None)
    tunnel.close()
    assert listed["data"][0]["id"] == MODEL
    session = claude.session()
    with pod_environment(claude.cloud.client_environment()):
        signed = AnthropicAWS(
            aws_access_key=session.access_key_id,
            aws_secret_key=session.secret_key,
            aws_session_token=session.token,
            aws_region=REGION,
            workspace_id=WORKSPACE,
            max_retries=0,
        )
    with signed:
        answer = signed.messages.create(model=MODEL, max_tokens=8, messages=HELLO)
    assert answer.role == "assistant"


def _with(key: str, old: str, new: str) -> str:
    address = base64.b64decode(key.removeprefix(PREFIX)).decode()
    assert old in address
    return PREFIX + base64.b64encode(address.replace(old, new).encode()).decode()


def test_a_key_that_is_not_whole_is_refused(claude: Tenant) -> None:
    """Another prefix, service, host, lifetime or Region, a key of Bedrock, and one cut short."""
    key = key_of(claude)
    wrong = [
        claude.key(),  # of Bedrock
        key.replace(PREFIX, "bedrock-api-key-"),
        _with(key, "aws-external-anthropic.amazonaws.com", "bedrock.amazonaws.com"),
        _with(key, "%2Faws-external-anthropic%2F", "%2Fbedrock%2F"),
        _with(key, "X-Amz-Expires=43200", "X-Amz-Expires=43199"),
        key[:-8],
        "sk-ant-api03-of-another-service",
        key_of(claude, region="eu-west-1"),
    ]
    for each in wrong:
        with pytest.raises(AuthenticationError) as refused:
            _ask(claude, each)
        assert each not in str(refused.value)


def test_a_key_ends_with_its_lifetime_and_with_its_session(claude: Tenant) -> None:
    """Whichever comes first."""
    short = key_of(claude, lasts=datetime.timedelta(minutes=5))
    long = key_of(claude)  # of a session of an hour
    claude.cloud.set_clock(offset_seconds=301)
    with pytest.raises(AuthenticationError, match="expired"):
        _ask(claude, short)
    assert _ask(claude, long)
    claude.cloud.set_clock(offset_seconds=3601)
    with pytest.raises(AuthenticationError, match="expired"):
        _ask(claude, long)


@pytest.mark.parametrize(
    "lacking",
    [
        "aws-external-anthropic:CallWithBearerToken",
        "aws-external-anthropic:CreateInference",
        "sts:GetWebIdentityToken",
        "sts:TagGetWebIdentityToken",
    ],
)
def test_each_permission_is_needed(claude: Tenant, lacking: str) -> None:
    """By a deny in the session policy; the error names the action."""
    statements = [
        *allow("*")["Statement"],
        {"Effect": "Deny", "Action": lacking, "Resource": "*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    key = key_of(claude, signer=claude.session(Policy=policy))
    with pytest.raises(PermissionDeniedError, match=lacking):
        _ask(claude, key)


def test_the_managed_policy_of_aws_allows_inference(claude: Tenant) -> None:
    """AnthropicInferenceAccess as a session policy; not the deletion of what it does not name."""
    key = key_of(claude, signer=claude.session(PolicyArns=[{"arn": MANAGED}]))
    assert _ask(claude, key) == "You said: hello"


def test_a_role_is_limited_to_its_workspace(claude: Tenant) -> None:
    """By the resource of the policy; an ID of another form, or none, is a mistake of the caller."""
    key = key_of(claude)
    with pytest.raises(PermissionDeniedError, match="workspace/wrkspc_Other"):
        _ask(claude, key, workspace="wrkspc_Other")
    with pytest.raises(NotFoundError):
        _ask(claude, key, workspace="01Test")
    tunnel = Tunnel(
        f"aws-external-anthropic.{REGION}.api.aws",
        cloud_environment=claude.cloud.client_environment(),
    )
    with pytest.raises(RefusedError, match="anthropic-workspace-id"):
        tunnel.ask("GET", "/v1/models", headers={"x-api-key": key}, body=None)
    tunnel.close()


def test_a_workspace_belongs_to_one_region(claude: Tenant) -> None:
    """In another Region it does not exist."""
    _permit(claude, resource="*")
    claude.cloud.bind_workspace("wrkspc_Ireland", region="eu-west-1")
    with pytest.raises(NotFoundError, match="wrkspc_Ireland"):
        _ask(claude, key_of(claude), workspace="wrkspc_Ireland")


def test_an_account_needs_outbound_federation(claude: Tenant) -> None:
    """Disabled in every new account of AWS."""
    claude.cloud.set_outbound_federation(enabled=False)
    with pytest.raises(PermissionDeniedError, match="Outbound web identity federation is disabled"):
        _ask(claude, key_of(claude))


def test_unknown_models_and_bodies_are_mistakes_of_the_caller(claude: Tenant) -> None:
    """In Anthropic's format."""
    with sdk(claude, key_of(claude)) as client:
        with pytest.raises(NotFoundError, match="model: no-such-model"):
            client.messages.create(model="no-such-model", max_tokens=8, messages=HELLO)
        with pytest.raises(APIStatusError) as missing:
            client.get("/v1/no-such-route", cast_to=object)
        with pytest.raises(BadRequestError):
            client.post("/v1/messages", content=b"{", cast_to=object)
    assert missing.value.status_code == 404
