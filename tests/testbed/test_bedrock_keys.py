"""Bedrock API keys: accepted by real clients, and refused in AWS's words when anything is off."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import json
from typing import TYPE_CHECKING

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from openai import DefaultHttpxClient, OpenAI

from testbed.readers import boto3_converse, http_converse, openai_chat
from testbed.readers.answers import pod_environment
from tests.testbed.world import MODEL, Tenant, allow, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.readers.answers import Answer

FORMAT = "Invalid API Key format: Must start with pre-defined prefix"
INVALID = "Authentication failed: Please make sure your API Key is valid."
EXPIRED = "Bearer Token has expired"
READERS = [boto3_converse.call, openai_chat.call, http_converse.call]
PREFIX = "bedrock-api-key-"


def _ask(tenant: Tenant, key: str, *, reader: Callable[..., Answer] = http_converse.call) -> Answer:
    return reader(tenant.data(key), cloud_environment=tenant.cloud.client_environment())


def _error(tenant: Tenant, key: str) -> str:
    answer = _ask(tenant, key)
    assert not answer.ok
    return answer.error or ""


@pytest.mark.parametrize("reader", READERS)
def test_a_key_of_the_real_generator_is_accepted(
    tenant: Tenant, reader: Callable[..., Answer]
) -> None:
    """boto3, openai and plain HTTP get an answer of the model with the same key."""
    answer = _ask(tenant, tenant.key(), reader=reader)
    assert answer.error is None
    assert answer.text.startswith("You said: ")


@pytest.mark.parametrize("reader", READERS)
def test_every_client_tells_of_an_expired_key(
    tenant: Tenant, reader: Callable[..., Answer]
) -> None:
    """The client's error contains the message, and the message does not contain the key."""
    key = tenant.key(lasts=datetime.timedelta(minutes=5))
    tenant.cloud.set_clock(offset_seconds=301)
    answer = _ask(tenant, key, reader=reader)
    assert EXPIRED in (answer.error or "")
    assert key not in (answer.error or "")


def test_boto3_raises_the_services_exception(tenant: Tenant) -> None:
    """The status, the code and the words are those of AWS."""
    variables = {**tenant.cloud.client_environment(), **tenant.data(tenant.key(region="eu-west-1"))}
    with pod_environment(variables):
        runtime = tenant.client("bedrock-runtime")
        message = [{"role": "user", "content": [{"text": "hello"}]}]
        reported = refusal(runtime.converse, modelId=MODEL, messages=message)
    assert reported == (403, "AccessDeniedException", INVALID)


def _changed(key: str, change: Callable[[str], str]) -> str:
    address = base64.b64decode(key.removeprefix(PREFIX)).decode()
    return PREFIX + base64.b64encode(change(address).encode()).decode()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("X-Amz-Expires=43200", "X-Amz-Expires=43199"),
        lambda text: text.replace("X-Amz-Expires=43200", "X-Amz-Expires=43201"),
        lambda text: text.replace("&Version=1", ""),
        lambda text: text.replace("&Version=1", "&Version=2"),
        lambda text: text.replace("&Version=1", "&Extra=1&Version=1"),
        lambda text: text.replace("Action=CallWithBearerToken", "Action=Other"),
        lambda text: text.replace("Action=", "Action=CallWithBearerToken&Action="),
        lambda text: text.replace("bedrock.amazonaws.com/", "bedrock.example.com/"),
        lambda text: text.replace("us-east-1", "us-west-2"),
        lambda text: text.replace("%2F", "/"),
        lambda text: text.replace("X-Amz-Signature=", "X-Amz-Signature=0"),
    ],
)
def test_a_key_with_a_changed_byte_is_refused(tenant: Tenant, change: Callable[[str], str]) -> None:
    """Every parameter is under the signature or must be exactly as AWS's generator writes it."""
    key = tenant.key()
    changed = _changed(key, change)
    assert changed != key
    assert INVALID in _error(tenant, changed)


@pytest.mark.parametrize("key", [PREFIX, PREFIX + "%%%", "ABSKx", "bedrock-api-key"])
def test_what_is_no_key_is_refused(tenant: Tenant, key: str) -> None:
    """Prefix and base64 are taken strictly."""
    words = INVALID if key.startswith((PREFIX, "ABSK")) else FORMAT
    assert words in _error(tenant, key)


def test_a_key_works_in_its_own_region_only(tenant: Tenant) -> None:
    """The region of the scope is that of the endpoint, in both directions."""
    west = Tenant(tenant.cloud, tenant.issuer, region="us-west-2")
    assert _ask(west, west.key()).ok
    assert INVALID in _error(west, tenant.key())


def test_a_key_signed_with_a_wrong_secret_is_refused(tenant: Tenant) -> None:
    """The signature is checked against the session's secret."""
    wrong = dataclasses.replace(tenant.session(), secret_key="w" * 40)
    assert INVALID in _error(tenant, tenant.key(wrong))


def test_a_key_with_another_sessions_token_is_refused(tenant: Tenant) -> None:
    """The session token must be the one that was given out with the access key."""
    mixed = dataclasses.replace(tenant.session(), token=tenant.session().token)
    assert INVALID in _error(tenant, tenant.key(mixed))


def test_a_key_ends_after_twelve_hours_at_most(tenant: Tenant) -> None:
    """A second more than twelve hours cannot be asked for, however well it is signed."""
    session = tenant.session()

    def key(seconds: int) -> str:
        request = AWSRequest(
            method="POST",
            url="https://bedrock.amazonaws.com/",
            headers={"host": "bedrock.amazonaws.com"},
            params={"Action": "CallWithBearerToken"},
        )
        signer = Credentials(session.access_key_id, session.secret_key, session.token)
        SigV4QueryAuth(signer, "bedrock", tenant.region, expires=seconds).add_auth(request)
        address = str(request.url).removeprefix("https://") + "&Version=1"
        return PREFIX + base64.b64encode(address.encode()).decode()

    assert _ask(tenant, key(43200)).ok
    assert INVALID in _error(tenant, key(43201))


def test_a_key_dies_with_the_session_that_signed_it(tenant: Tenant) -> None:
    """Twelve hours were asked for, the session lasted one: the shorter one counts."""
    key = tenant.key(lasts=datetime.timedelta(hours=12))
    tenant.cloud.set_clock(offset_seconds=3500)
    assert _ask(tenant, key).ok
    tenant.cloud.set_clock(offset_seconds=3601)
    assert EXPIRED in _error(tenant, key)


def test_a_key_of_a_revoked_session_is_over(tenant: Tenant) -> None:
    """Ending the session is the way to revoke a short-term key."""
    session = tenant.session()
    key = tenant.key(session)
    tenant.cloud.revoke_session(session.access_key_id)
    assert EXPIRED in _error(tenant, key)


def test_a_key_is_not_good_before_its_time(tenant: Tenant) -> None:
    """Five minutes of a clock's error are forgiven, more are not."""
    key = tenant.key()
    tenant.cloud.set_clock(offset_seconds=-250)
    assert _ask(tenant, key).ok
    tenant.cloud.set_clock(offset_seconds=-400)
    assert INVALID in _error(tenant, key)


@pytest.mark.parametrize(
    ("allowed", "missing"),
    [
        ("bedrock:CallWithBearerToken", "bedrock:InvokeModel"),
        ("bedrock:InvokeModel", "bedrock:CallWithBearerToken"),
    ],
)
def test_a_session_policy_must_allow_both_actions(
    tenant: Tenant, allowed: str, missing: str
) -> None:
    """Using a key takes CallWithBearerToken and the action itself; the missing one is named."""
    session = tenant.session(Policy=json.dumps(allow(allowed)))
    reported = _error(tenant, tenant.key(session))
    assert reported.startswith("RefusedError: 403 ")
    assert f"is not authorized to perform: {missing} on resource: " in reported
    assert f"because no session policy allows the {missing} action" in reported


def test_a_policy_may_allow_one_model_only(tenant: Tenant) -> None:
    """The resource of a call is the model's ARN in the region."""
    other = "arn:aws:bedrock:us-east-1::foundation-model/openai.*"
    policy = allow("bedrock:CallWithBearerToken")
    policy["Statement"] += allow("bedrock:InvokeModel", resource=other)["Statement"]
    reported = _error(tenant, tenant.key(tenant.session(Policy=json.dumps(policy))))
    assert f"resource: arn:aws:bedrock:us-east-1::foundation-model/{MODEL}" in reported


def test_short_term_keys_can_be_denied_by_their_type(tenant: Tenant) -> None:
    """The condition key bedrock:bearerTokenType is SHORT_TERM for these keys."""
    policy = allow("bedrock:*", StringEquals={"bedrock:bearerTokenType": "LONG_TERM"})
    reported = _error(tenant, tenant.key(tenant.session(Policy=json.dumps(policy))))
    assert "bedrock:CallWithBearerToken" in reported


@pytest.fixture
def openai(tenant: Tenant) -> Iterator[OpenAI]:
    """The openai SDK with a good key."""
    data = tenant.data(tenant.key())
    with pod_environment({**tenant.cloud.client_environment(), **data}):
        client = OpenAI(max_retries=0, http_client=DefaultHttpxClient())
    yield client
    client.close()


def test_openai_streams(openai: OpenAI) -> None:
    """`stream: true` gives the same answer in chunks."""
    with openai.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
    ) as stream:
        words = [chunk.choices[0].delta.content or "" for chunk in stream]
    assert "".join(words).strip() == "You said: hello"


def test_openai_lists_the_models(openai: OpenAI) -> None:
    """The models that can be called are listed under /openai/v1/models."""
    assert MODEL in {model.id for model in openai.models.list()}


def test_the_control_plane_takes_keys_and_signatures(tenant: Tenant) -> None:
    """ListFoundationModels needs no bearer permission for a signed call."""
    session = tenant.session(Policy=json.dumps(allow("bedrock:ListFoundationModels")))
    signed = tenant.client("bedrock", credentials=session).list_foundation_models()
    assert MODEL in {model["modelId"] for model in signed["modelSummaries"]}
    with pod_environment(tenant.data(tenant.key())):
        keyed = tenant.client("bedrock").list_foundation_models()
    assert keyed["modelSummaries"] == signed["modelSummaries"]


def test_a_signed_call_is_told_in_the_words_of_a_json_service(tenant: Tenant) -> None:
    """An ended session is ExpiredTokenException here, where STS says ExpiredToken."""
    session = tenant.session()
    runtime = tenant.client("bedrock-runtime", credentials=session)
    message = [{"role": "user", "content": [{"text": "hello"}]}]
    assert runtime.converse(modelId=MODEL, messages=message)["stopReason"] == "end_turn"
    tenant.cloud.revoke_session(session.access_key_id)
    assert refusal(runtime.converse, modelId=MODEL, messages=message) == (
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )


def test_an_unknown_model_is_a_mistake_of_the_caller(tenant: Tenant) -> None:
    """ValidationException, with the words of the runtime."""
    runtime = tenant.client("bedrock-runtime", credentials=tenant.session())
    message = [{"role": "user", "content": [{"text": "hello"}]}]
    assert refusal(runtime.converse, modelId="no.such-model", messages=message) == (
        400,
        "ValidationException",
        "The provided model identifier is invalid.",
    )


def test_the_sdk_counts_tokens_in_both_forms(tenant: Tenant) -> None:
    """A permission of its own is needed; exactly one form may be set."""
    count = allow("bedrock:CountTokens")
    tenant.cloud.put_role_policy(role=tenant.role_name, name="count", document=count)
    runtime = tenant.client("bedrock-runtime", credentials=tenant.session())
    converse = {"messages": [{"role": "user", "content": [{"text": "one two three"}]}]}
    body = json.dumps(converse).encode()
    for form in ({"converse": converse}, {"invokeModel": {"body": body}}):
        assert runtime.count_tokens(modelId=MODEL, input=form)["inputTokens"] == 3
    denied = tenant.session(Policy=json.dumps(allow("bedrock:InvokeModel")))
    limited = tenant.client("bedrock-runtime", credentials=denied)
    status, code, _ = refusal(limited.count_tokens, modelId=MODEL, input={"converse": converse})
    assert (status, code) == (403, "AccessDeniedException")
