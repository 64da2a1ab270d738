"""Templates: what a variable, a filter and a dollar sign mean."""

import base64
import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keywright.api.bedrock_keys import BedrockShortTermKey
from keywright.api.errors import RenderError
from keywright.api.formats import Variable
from keywright.api.keys import SessionCredentials
from keywright.secrets.templates import TemplateError, parse_template
from keywright.secrets.variables import Values
from tests.unit.api.samples import grant, schema
from tests.unit.secrets.samples import TOKEN, credential


def _rendered(text: str, *, token: str = TOKEN) -> str:
    return parse_template(text).render(Values(grant(), credential(token=token)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${apiKey}", TOKEN),
        ("key=${apiKey}\n", f"key={TOKEN}\n"),
        ("${name}.${namespace}", "chat-key.chat"),
        ("${region}", "us-west-2"),
        ("${accountId}", "123456789012"),
        ("${expiresAt}", "2026-11-22T22:00:00Z"),
        ("${expiresAtUnix}", "1795384800"),
        ("$${apiKey}", "${apiKey}"),
        ("$$${apiKey}", "$${apiKey}"),
        ("$5 and $", "$5 and $"),
        ("$$", "$$"),
        ("a$b${name}", "a$bchat-key"),
        ("${name|json}", '"chat-key"'),
        ("${name|base64}", "Y2hhdC1rZXk="),
        ("${name|json|base64}", "ImNoYXQta2V5Ig=="),
        ("${bedrockRuntimeUrl}", "https://bedrock-runtime.us-west-2.amazonaws.com"),
        ("${openAiBaseUrl}", "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1"),
        ("${mantleUrl}", "https://bedrock-mantle.us-west-2.api.aws/v1"),
        ("${mantleOpenAiUrl}", "https://bedrock-mantle.us-west-2.api.aws/openai/v1"),
        ("${runtimeAnthropicUrl}", "https://bedrock-runtime.us-west-2.amazonaws.com/anthropic"),
        ("${mantleAnthropicUrl}", "https://bedrock-mantle.us-west-2.api.aws/anthropic"),
    ],
)
def test_a_template_says_what_it_stands_for(text: str, expected: str) -> None:
    """Variables, filters in a chain, and dollars that are only dollars."""
    assert _rendered(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${apikey}", "names no variable: use one of apiKey"),
        ("${}", "names no variable"),
        ("${ apiKey }", "names no variable"),
        ("${apiKey|upper}", "unknown filter: use json, base64, trim"),
        ("${apiKey|}", "unknown filter"),
        ("${apiKey", "has no }: close it"),
        ("${apiKey|json|json|json|json|json}", "has 5 filters: 4 in a row are enough"),
    ],
)
def test_a_template_that_cannot_be_read_says_how_to_write_it(text: str, message: str) -> None:
    """The message names the remedy."""
    with pytest.raises(TemplateError, match=re.escape(message)):
        parse_template(text)


_VALUES = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E))


@given(_VALUES)
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    """What a key holds goes through as it is, whatever characters it has."""
    assert _rendered("${apiKey}", token=value) == value
    assert json.loads(_rendered("${apiKey|json}", token=value)) == value


@given(_VALUES)
def test_filters_can_be_undone(value: str) -> None:
    """base64 is of UTF-8, and trim takes blanks alone."""
    assert base64.b64decode(_rendered("${apiKey|base64}", token=value)).decode() == value
    assert _rendered("${apiKey|trim}", token=value) == value.strip()


_PIECES = st.sampled_from(
    ["$", "{", "}", "|", "apiKey", "region", "json", "trim", "upper", "x", "\n", "${", "$${", " "]
)


@pytest.mark.parametrize("filters", [3, 4, 5, 6])
def test_the_api_server_counts_filters_as_well(filters: int) -> None:
    """A hundred filters of base64 would fill any memory with one key."""
    test_the_api_server_and_the_operator_read_templates_alike.hypothesis.inner_test(  # type: ignore[attr-defined]  # of hypothesis
        text="${apiKey" + "|base64" * filters + "}"
    )


def test_a_text_that_no_secret_holds_is_refused_before_it_is_whole() -> None:
    """Five hundred tokens of a megabyte would be half a gigabyte."""
    with pytest.raises(RenderError, match="longer than 921600 characters"):
        _rendered("${apiKey}" * 500, token="t" * 1_000_000)


def test_a_template_of_dollars_is_read_in_a_moment() -> None:
    """Linear in its length."""
    began = time.process_time()
    assert _rendered("$" * 300_001 + "x") == "$" * 300_001 + "x"
    assert time.process_time() - began < 5


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_the_api_server_and_the_operator_read_templates_alike(text: str) -> None:
    """CEL refuses a template if and only if the operator could not read it."""
    data = schema("apikeygrants")["properties"]["spec"]["properties"]["secret"]["properties"][
        "data"
    ]
    rule = data["additionalProperties"]["x-kubernetes-validations"][0]["rule"]
    pattern = rule.removeprefix("self.matches(r'").removesuffix("')")
    try:
        parse_template(text)
    except TemplateError:
        readable = False
    else:
        readable = True
    # In RE2, $ is the very end of the text.
    found = re.search(pattern.removesuffix("$") + r"\Z", text)
    assert (found is not None) is readable


def test_a_variable_of_another_kind_is_known_and_not_available() -> None:
    """Known names of other kinds are distinguished from unknown names."""
    template = parse_template("${accessKeyId} ${awsCredentialsFile} ${apiKey}")
    assert template.variables - BedrockShortTermKey.variables == {
        Variable.ACCESS_KEY_ID,
        Variable.AWS_CREDENTIALS_FILE,
    }
    assert template.variables - SessionCredentials.variables == {Variable.API_KEY}


def test_a_value_that_is_missing_is_an_error_and_never_empty() -> None:
    """A key without an end leaves no empty expiry behind in a file."""
    values = Values(grant(), credential(expires_at=None))
    with pytest.raises(RenderError, match=r"spec.secret.data: this .* has no \$\{expiresAt\}"):
        parse_template("${expiresAt}").render(values)
