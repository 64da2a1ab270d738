"""The content of a Secret, and how the key is read back from it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.errors import RenderError
from keywright.api.formats import Format
from keywright.api.keys import KEY_TYPES, KeyKind
from keywright.api.sensitive import Sensitive
from keywright.secrets.formats import FORMATS
from keywright.secrets.recovery import Record, recover
from keywright.secrets.rendering import check_region, data_keys, render, validate
from tests.unit.api.samples import grant
from tests.unit.replace import replace
from tests.unit.secrets.samples import HASH_KEY, TOKEN, credential, facts_of, record_of

REGION = "us-west-2"
RUNTIME = f"https://bedrock-runtime.{REGION}.amazonaws.com/openai/v1"
KIND = KeyKind.BEDROCK_SHORT_TERM_KEY


def _recovered(
    secret: dict[str, Any], *, data: dict[str, str] | None = None, token: str = TOKEN
) -> dict[str, Sensitive] | None:
    """What is read back from the Secret that was written for `secret`, or from other data."""
    written = grant(secret=secret)
    made = credential(token=token)
    found = render(written, credential=made) if data is None else data
    record = record_of(written, made=made)
    return recover(KIND, data=found, record=record, key=HASH_KEY, namespace="chat")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Format.BEDROCK_ENV, {"AWS_BEARER_TOKEN_BEDROCK": TOKEN, "AWS_REGION": REGION}),
        (Format.OPENAI_ENV, {"OPENAI_API_KEY": TOKEN, "OPENAI_BASE_URL": RUNTIME}),
        (
            Format.ANTHROPIC_ENV,
            {
                "AWS_BEARER_TOKEN_BEDROCK": TOKEN,
                "AWS_REGION": REGION,
                "CLAUDE_CODE_USE_BEDROCK": "1",
            },
        ),
        (
            Format.LITELLM_ENV,
            {
                "AWS_BEARER_TOKEN_BEDROCK": TOKEN,
                "BEDROCK_MANTLE_API_KEY": TOKEN,
                "BEDROCK_MANTLE_REGION": REGION,
                "AWS_REGION": REGION,
            },
        ),
        (
            Format.LIBRECHAT_ENV,
            {"BEDROCK_AWS_BEARER_TOKEN": TOKEN, "BEDROCK_AWS_DEFAULT_REGION": REGION},
        ),
        (Format.API_KEY, {"apiKey": TOKEN}),
        (Format.AUTHORIZATION, {"Authorization": TOKEN}),
        (Format.HEADER_CREDENTIAL, {"credential": f"Bearer {TOKEN}"}),
        (
            Format.DOT_ENV,
            {
                ".env": f"AWS_BEARER_TOKEN_BEDROCK={TOKEN}\nAWS_REGION={REGION}\n"
                f"OPENAI_API_KEY={TOKEN}\nOPENAI_BASE_URL={RUNTIME}\n"
            },
        ),
    ],
)
def test_a_format_is_what_its_readers_take(form: Format, expected: dict[str, str]) -> None:
    """Exactly these keys, and no newline behind a token; the key can be read back from each."""
    secret = {"formats": [form.value]}
    assert render(grant(secret=secret), credential=credential()) == expected
    assert data_keys(grant(secret=secret)) == expected.keys()
    assert _recovered(secret) == {"apiKey": Sensitive(TOKEN)}


def test_every_format_of_the_kinds_that_are_made_is_made() -> None:
    """No format that the CRD offers is missing."""
    every = frozenset[Format]().union(*(key.formats for key in KEY_TYPES.values()))
    assert FORMATS.keys() == every


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("Runtime", RUNTIME),
        ("Mantle", f"https://bedrock-mantle.{REGION}.api.aws/v1"),
        ("MantleOpenAI", f"https://bedrock-mantle.{REGION}.api.aws/openai/v1"),
    ],
)
def test_the_endpoint_decides_the_base_url(endpoint: str, url: str) -> None:
    """OpenAI clients get the URL of the endpoint that the key names."""
    made = grant(bedrockShortTermKey={"endpoint": endpoint})
    assert render(made, credential=credential())["OPENAI_BASE_URL"] == url


def test_formats_stand_together() -> None:
    """A key that several formats have is written once."""
    both = grant(secret={"formats": ["BedrockEnv", "AnthropicEnv", "LiteLLMEnv"]})
    assert validate(both) == []
    assert len(render(both, credential=credential())) == 5


@pytest.mark.parametrize(
    ("secret", "extra"),
    [
        ({"formats": [], "data": {"a": "${apiKey}"}}, False),
        ({"formats": [], "data": {"a": "Bearer ${apiKey}"}}, False),
        ({"formats": [], "data": {"a": "${apiKey|base64}"}}, True),
        ({"formats": [], "data": {"a": "key: ${apiKey}"}}, True),
        ({"formats": [], "data": {"a": "${region}"}}, True),
    ],
)
def test_the_key_can_always_be_read_back(secret: dict[str, Any], *, extra: bool) -> None:
    """Where no key of the layout carries it as it is, keywright.json does."""
    made = grant(secret=secret)
    data = render(made, credential=credential())
    assert ("keywright.json" in data) is extra
    assert data.keys() == data_keys(made)
    if extra:
        assert json.loads(data["keywright.json"]) == {"apiKey": TOKEN}
    assert _recovered(secret) == {"apiKey": Sensitive(TOKEN)}


@given(st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_any_value_is_read_back_as_it_was(token: str) -> None:
    """Whatever signs a key has; one with blanks or line breaks is refused."""
    assert _recovered({"formats": ["HeaderCredential"]}, token=token) == {
        "apiKey": Sensitive(token)
    }
    assert _recovered({"formats": [], "data": {"a": "${apiKey|json}"}}, token=token) == {
        "apiKey": Sensitive(token)
    }


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"apiKey": "another"},
        {"OPENAI_API_KEY": "sk-real-openai-key", "AWS_REGION": REGION},
        {"keywright.json": "{"},
        {"keywright.json": "[]"},
        {"keywright.json": '{"apiKey": 7}'},
        {"keywright.json": '{"apiKey": "another"}'},
        {"AWS_BEARER_TOKEN_BEDROCK": f"{TOKEN}x"},
    ],
)
def test_a_foreign_value_is_never_taken_for_the_key(data: dict[str, str]) -> None:
    """Only what the fingerprint was made of is read back; without it, a new key is the way."""
    assert _recovered({"formats": ["BedrockEnv"]}, data=data) is None


def test_the_key_is_read_back_from_a_layout_that_is_gone() -> None:
    """A changed template needs no new key: the layout that wrote the Secret is not asked."""
    old = {"formats": [], "data": {"anything": "${apiKey}"}}
    assert _recovered(old, data={"foreign": "x", "anything": TOKEN}) == {"apiKey": Sensitive(TOKEN)}


@pytest.mark.parametrize("mark", ["", "nonsense", "a.b.c", "é.é.é"])
def test_a_forged_fingerprint_gives_no_key(mark: str) -> None:
    """Nothing is read back, and nothing raises."""
    facts = facts_of(grant(), made=credential())
    for is_in_status in (False, True):
        record = Record(mark, facts=(facts,), is_in_status=is_in_status)
        found = recover(KIND, data={"apiKey": TOKEN}, record=record, key=HASH_KEY, namespace="chat")
        assert found is None


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (
            {"data": {"AWS_REGION": "x"}},
            "spec.secret.data[AWS_REGION]: format BedrockEnv writes this key: drop one of the two",
        ),
        (
            {"data": {"keywright.json": "x"}},
            "spec.secret.data[keywright.json]: keywright.json is ours: choose another key",
        ),
        (
            {"data": {"a": "${accessKeyId}"}},
            "spec.secret.data[a]: ${accessKeyId} is not available for bedrockShortTermKey",
        ),
        ({"data": {"a": "${x}"}}, "spec.secret.data[a]: ${x} names no variable"),
        (
            {"data": {"AWS_SECRET_ACCESS_KEY": "x"}},
            "spec.secret.data: a bearer key and an access key in one Secret",
        ),
        ({"data": {"a": "x" * 1_000_000}}, "spec.secret.data: has 1000000 characters"),
    ],
)
def test_a_layout_that_cannot_be_written_says_why(secret: dict[str, Any], said: str) -> None:
    """One problem each, that names field and remedy."""
    (problem,) = validate(grant(secret=secret))
    assert str(problem).startswith(said)


@pytest.mark.parametrize(
    ("formats", "data", "said"),
    [
        (["AwsCredentialProcess"], "AWS_BEARER_TOKEN_BEDROCK", "an access key and a bearer key"),
        (["AwsCredentialProcess"], "BEDROCK_AWS_BEARER_TOKEN", "an access key and a bearer key"),
        (["AwsEnv"], "AWS_BEARER_TOKEN_BEDROCK", "a bearer key and an access key"),
        (["AwsEnv"], "AWS_REGION_NAME", None),
    ],
)
def test_a_bearer_key_beside_session_credentials_is_refused(
    formats: list[str], data: str, said: str | None
) -> None:
    """Also if the access key is in a file: the SDK that reads the file prefers the bearer key."""
    secret = {"formats": formats, "data": {data: "x"}}
    problems = validate(grant(bedrockShortTermKey=None, sessionCredentials={}, secret=secret))
    assert bool(problems) is (said is not None)
    for problem in problems:
        assert str(problem).startswith(f"spec.secret.data: {said} in one Secret")
        assert "use two grants, or set spec.secret.allowMixed" in problem.message


@pytest.mark.parametrize("variable", ["expiresAt", "expiresAtUnix"])
@pytest.mark.parametrize("expires", [True, False])
def test_a_key_without_end_has_no_expiry_to_write(variable: str, *, expires: bool) -> None:
    """The message names the field that gives the key an expiry."""
    key: dict[str, Any] = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}
    if expires:
        key["expiresAfterDays"] = 30
    secret = {"data": {"end": f"${{{variable}}}"}}
    problems = validate(grant(bedrockShortTermKey=None, bedrockLongTermKey=key, secret=secret))
    assert [problem.field for problem in problems] == ([] if expires else ["spec.secret.data[end]"])
    assert all("set expiresAfterDays, or drop ${expiresAt}" in each.message for each in problems)


def test_a_mixed_secret_is_written_where_it_is_allowed() -> None:
    """A user who knows that SDKs prefer the bearer token may have both."""
    assert validate(grant(secret={"data": {"AWS_ACCESS_KEY_ID": "x"}, "allowMixed": True})) == []


def test_data_that_no_secret_holds_is_refused() -> None:
    """Together the templates become too long, though each of them would do."""
    data = {f"k{number}": "${apiKey}" * 100 for number in range(20)}
    with pytest.raises(RenderError, match="the templates become 8"):
        render(grant(secret={"data": data}), credential=credential(token="t" * 4_000))


_URLS = {
    name: f"${{{name}}}" for name in ("openAiBaseUrl", "bedrockRuntimeUrl", "runtimeAnthropicUrl")
}


@pytest.mark.parametrize(
    ("region", "suffix"),
    [
        ("us-west-2", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("us-isob-east-1", "sc2s.sgov.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"),
        ("us-isof-south-1", "csp.hci.ic.gov"),
    ],
)
def test_urls_have_the_suffix_of_the_partition(region: str, suffix: str) -> None:
    """Case 02: every URL of Bedrock's runtime, also in a format and in the .env file."""
    written = grant(secret={"formats": ["OpenAIEnv", "DotEnv"], "data": _URLS})
    assert check_region(written, region=region) == []
    data = render(written, credential=replace(credential(), region=region))
    host = f"https://bedrock-runtime.{region}.{suffix}"
    assert data["OPENAI_BASE_URL"] == data["openAiBaseUrl"] == f"{host}/openai/v1"
    assert data["bedrockRuntimeUrl"] == host
    assert data["runtimeAnthropicUrl"] == f"{host}/anthropic"
    assert f"OPENAI_BASE_URL={host}/openai/v1" in data[".env"]


@pytest.mark.parametrize("region", ["eusc-de-east-1", "cn-north-1", "us-iso-east-1"])
def test_urls_of_a_host_that_a_partition_lacks_are_refused(region: str) -> None:
    """By field: mantle's variables, and formats whose URL is one of mantle."""
    data = {"a": "${mantleUrl}", "b": "${mantleOpenAiUrl}", "c": "${mantleAnthropicUrl}"}
    field_errors = check_region(grant(secret={"data": data}), region=region)
    assert [problem.field for problem in field_errors] == [
        f"spec.secret.data[{key}]" for key in data
    ]
    written = grant(
        bedrockShortTermKey={"endpoint": "Mantle"},
        secret={"formats": ["BedrockEnv", "OpenAIEnv", "DotEnv"], "data": {}},
    )
    refused = check_region(written, region=region)
    assert [problem.message.partition(" ")[0] for problem in refused] == ["OpenAIEnv", "DotEnv"]
    assert check_region(written, region="us-east-1") == []
