"""Bedrock Mantle: its host, its prefixes, its own actions, and its refusals."""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from openai import (
    AuthenticationError,
    BadRequestError,
    DefaultHttpxClient,
    NotFoundError,
    OpenAI,
    PermissionDeniedError,
)

from testbed.readers.answers import pod_environment
from tests.testbed.world import ACCOUNT, REGION, Tenant, allow

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = f"bedrock-mantle.{REGION}.api.aws"
PROJECT = f"arn:aws:bedrock-mantle:{REGION}:{ACCOUNT}:project/default"
INFERENCE = "arn:aws:iam::aws:policy/AmazonBedrockMantleInferenceAccess"
MODELS = {"/v1": "openai.gpt-oss-20b", "/openai/v1": "openai.gpt-5.4"}
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture
def mantle(tenant: Tenant) -> Tenant:
    """A role that may use Mantle."""
    tenant.cloud.put_role_policy(
        role=tenant.role_name, name="mantle", document=allow("bedrock-mantle:*")
    )
    return tenant


@contextmanager
def _openai(tenant: Tenant, key: str, *, prefix: str = "/v1") -> Iterator[OpenAI]:
    """The openai SDK at that prefix of the host."""
    data = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": f"https://{HOST}{prefix}"}
    with pod_environment({**tenant.cloud.client_environment(), **data}):
        client = OpenAI(max_retries=0, http_client=DefaultHttpxClient())
    with client:
        yield client


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_both_prefixes_answer(mantle: Tenant, prefix: str) -> None:
    """Chat completions, responses and the list of the models that the prefix has."""
    with _openai(mantle, mantle.key(), prefix=prefix) as openai:
        model = MODELS[prefix]
        answer = openai.chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content == "You said: hello"
        assert openai.responses.create(model=model, input="hello").output_text == "You said: hello"
        assert model in {found.id for found in openai.models.list()}


def test_a_model_has_one_prefix(mantle: Tenant) -> None:
    """Below the other one it is not supported; one that is nowhere is not found."""
    with _openai(mantle, mantle.key()) as openai:
        with pytest.raises(BadRequestError) as reported:
            openai.chat.completions.create(model="openai.gpt-5.4", messages=HELLO)
        assert "model openai.gpt-5.4 isn't supported on this route" in str(reported.value)
        with pytest.raises(NotFoundError):
            openai.chat.completions.create(model="none", messages=HELLO)


def test_a_long_term_key_is_accepted(mantle: Tenant) -> None:
    """With the managed policy that AWS has for it."""
    iam, name = mantle.admin(), f"mantle-{mantle.role_name}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=INFERENCE)
    made = iam.create_service_specific_credential(
        UserName=name, ServiceName="bedrock.amazonaws.com"
    )["ServiceSpecificCredential"]
    with _openai(mantle, made["ServiceCredentialSecret"]) as openai:
        openai.chat.completions.create(model=MODELS["/v1"], messages=HELLO)
    (call,) = mantle.cloud.calls(service="bedrock-mantle")
    assert call.parameters["CredentialId"] == made["ServiceSpecificCredentialId"]


@pytest.mark.parametrize(
    ("allowed", "missing", "resource"),
    [
        ("bedrock-mantle:CallWithBearerToken", "bedrock-mantle:CreateInference", PROJECT),
        ("bedrock-mantle:CreateInference", "bedrock-mantle:CallWithBearerToken", "*"),
        ("bedrock:*", "bedrock-mantle:CallWithBearerToken", "*"),
    ],
)
def test_mantle_has_actions_of_its_own(
    mantle: Tenant, allowed: str, missing: str, resource: str
) -> None:
    """What allows the runtime does not allow Mantle, and the words are AWS's."""
    session = mantle.session(Policy=json.dumps(allow(allowed)))
    arn = mantle.client("sts", credentials=session).get_caller_identity()["Arn"]
    with (
        _openai(mantle, mantle.key(session)) as openai,
        pytest.raises(PermissionDeniedError) as reported,
    ):
        openai.chat.completions.create(model=MODELS["/v1"], messages=HELLO)
    assert reported.value.body == {
        "code": "access_denied",
        "message": f"User: {arn} is not authorized to perform: {missing} on resource: {resource} "
        f"because no session policy allows the {missing} action",
        "type": "permission_denied_error",
    }


def test_a_key_that_is_not_good_is_told(mantle: Tenant) -> None:
    """A key of another region, and one that is past its time."""
    other = mantle.key(region="eu-west-1")
    with _openai(mantle, other) as openai, pytest.raises(AuthenticationError) as reported:
        openai.models.list()
    assert "Invalid bearer token" in str(reported.value)


@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
@pytest.mark.parametrize(
    ("host", "model"),
    [
        (HOST, "anthropic.claude-sonnet-4-5"),
        (
            f"bedrock-runtime.{REGION}.amazonaws.com",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
    ],
)
def test_anthropics_interface_answers(mantle: Tenant, host: str, model: str, header: str) -> None:
    """POST /anthropic/v1/messages on either host; its refusals have Anthropic's form."""
    key = mantle.key()
    good = {header: f"Bearer {key}" if header == "Authorization" else key}
    status, answer = _post(mantle, host, model, good)
    assert status == 200
    assert answer["content"] == [{"type": "text", "text": "You said: hello"}]
    status, answer = _post(mantle, host, model, {header: "Bearer no" if header[0] == "A" else "no"})
    assert (status, answer["error"]["type"]) == (403, "permission_error")


def _post(
    tenant: Tenant, host: str, model: str, headers: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    trust = ssl.create_default_context(cafile=str(tenant.cloud.ca_file))
    connection = http.client.HTTPSConnection(
        "127.0.0.1", tenant.cloud.proxy_port, context=trust, timeout=5
    )
    connection.set_tunnel(host, 443)
    body = json.dumps({"model": model, "max_tokens": 9, "messages": HELLO})
    connection.request("POST", "/anthropic/v1/messages", body=body, headers=headers)
    answer = connection.getresponse()
    reported = answer.status, json.load(answer)
    connection.close()
    return reported
