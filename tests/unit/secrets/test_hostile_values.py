"""A value that a hostile cloud gave out adds no line to any file of another namespace."""

from __future__ import annotations

import configparser
import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.configloader import raw_config_parse
from hypothesis import given, settings
from hypothesis import strategies as st

from keywright.api.errors import RenderError
from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.source import Provider
from keywright.secrets.credential import Credential
from keywright.secrets.rendering import render
from tests.unit.api.samples import grant
from tests.unit.replace import replace
from tests.unit.secrets.samples import EXPIRES, ISSUED

INJECTED = "planted\ncredential_process = sh -c planted"
_HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text("\n\r\t \"'#;=[]%$`\\{}\x00\x85\u2028ab", max_size=40),
    st.sampled_from([INJECTED, "a\r[profile x]", 'a"\nheader = "b', "a%(b)s", "a # b", "a;b"]),
)
_GOOD = {"accessKeyId": "ASIAEXAMPLE", "secretAccessKey": "c2VjcmV0", "sessionToken": "dG9rZW4="}


def _grant(kind: str, *formats: str, data: Mapping[str, str] | None = None) -> ApiKeyGrant:
    spec: dict[str, Any] = {"bedrockShortTermKey": None, kind: {}}
    if kind == "apiGatewayKey":
        spec[kind] = {"usagePlan": {"id": "plan"}}
    return grant(**spec, secret={"formats": list(formats), "data": dict(data or {})})


def _credential(values: Mapping[str, str], *, provider: Provider = Provider.AWS) -> Credential:
    return Credential(
        values={name: Sensitive(text) for name, text in values.items()},
        region="us-west-2",
        account_id="123456789012",
        key_id="key",
        issued_at=ISSUED,
        expires_at=EXPIRES,
        provider=provider,
    )


def _written(
    made: ApiKeyGrant, values: Mapping[str, str], provider: Provider = Provider.AWS
) -> dict[str, str] | None:
    """The Secret's data; None where the value is refused, without being quoted."""
    reported = ""
    try:
        return render(made, credential=_credential(values, provider=provider))
    except RenderError as error:
        reported = str(error)
    assert "planted" not in reported
    return None


@pytest.mark.parametrize("name", _GOOD)
@given(value=_HOSTILE)
@settings(max_examples=60)
def test_the_credentials_file_of_aws_has_its_three_lines(
    tmp_path_factory: pytest.TempPathFactory, name: str, value: str
) -> None:
    """By botocore's own parser: profile, names and values are what was written, or nothing is."""
    values = {**_GOOD, name: value}
    data = _written(_grant("sessionCredentials", "AwsCredentialsFile"), values)
    if data is None:
        return
    file = tmp_path_factory.mktemp("aws") / "credentials"
    file.write_bytes(data["credentials"].encode())
    assert raw_config_parse(str(file)) == {
        "default": {
            "aws_access_key_id": values["accessKeyId"],
            "aws_secret_access_key": values["secretAccessKey"],
            "aws_session_token": values["sessionToken"],
        }
    }


@pytest.mark.parametrize("name", _GOOD)
@given(value=_HOSTILE)
@settings(max_examples=60)
def test_the_ini_file_of_alibaba_cloud_has_its_lines(name: str, value: str) -> None:
    """By `configparser` as the vendor's library uses it: with interpolation."""
    values = {**_GOOD, name: value}
    made = _grant("sessionCredentials", "AlibabaCredentialsFile")
    data = _written(made, values, Provider.ALIBABA_CLOUD)
    if data is None:
        return
    parser = configparser.ConfigParser()
    parser.read_string(data["credentials.ini"])
    assert parser.sections() == ["default"]
    token = {"security_token": values["sessionToken"]} if values["sessionToken"] else {}
    assert dict(parser["default"]) == {
        "enable": "true",
        "type": "sts" if token else "access_key",
        "access_key_id": values["accessKeyId"],
        "access_key_secret": values["secretAccessKey"],
        **token,
    }


@pytest.mark.parametrize("provider", [Provider.AWS, Provider.ALIBABA_CLOUD])
@pytest.mark.parametrize("name", _GOOD)
@given(value=_HOSTILE)
@settings(max_examples=60)
def test_dotenv_has_one_line_for_each_value(provider: Provider, name: str, value: str) -> None:
    """By a shell's own words: each line is one assignment of the plain value."""
    values = {**_GOOD, name: value}
    data = _written(_grant("sessionCredentials", "DotEnv"), values, provider)
    if data is None:
        return
    lines = data[".env"].split("\n")
    assert lines.pop() == ""
    for line in lines:
        (word,) = shlex.split(line, comments=True)
        assert word == line
    found = dict(line.split("=", 1) for line in lines)
    prefix = "AWS" if provider is Provider.AWS else "ALIBABA_CLOUD"
    assert found[f"{prefix}_ACCESS_KEY_ID"] == values["accessKeyId"]
    assert len(found) == (4 if provider is Provider.AWS else 6)


@pytest.mark.parametrize(
    ("form", "file", "provider"),
    [
        ("AwsCredentialProcess", "credential-process.json", Provider.AWS),
        ("AlibabaCliConfig", "config.json", Provider.ALIBABA_CLOUD),
        ("AlibabaCredentialsUri", "credentials.json", Provider.ALIBABA_CLOUD),
        ("AlibabaCrossplane", "credentials", Provider.ALIBABA_CLOUD),
    ],
)
@given(value=_HOSTILE)
@settings(max_examples=60)
def test_json_files_have_the_value_in_its_place(
    form: str, file: str, provider: Provider, value: str
) -> None:
    """JSON escapes what it must."""
    good = _written(_grant("sessionCredentials", form), _GOOD, provider)
    data = _written(_grant("sessionCredentials", form), {**_GOOD, "accessKeyId": value}, provider)
    assert good is not None
    if data is None:
        return
    whole = json.dumps(json.loads(good[file]))
    wanted = whole.replace("ASIAEXAMPLE", json.dumps(value)[1:-1])
    assert json.dumps(json.loads(data[file])) == wanted


@given(value=_HOSTILE)
def test_curls_configuration_has_one_header(value: str) -> None:
    """In quotes that the value cannot end."""
    data = _written(_grant("apiGatewayKey", "ApiGatewayEnv"), {"apiKey": value})
    if data is None:
        return
    head, tail = 'header = "x-api-key: ', '"\n'
    file = data["curl.conf"]
    assert (file[: len(head)], file[-len(tail) :]) == (head, tail)
    assert file[len(head) : -len(tail)] == value
    assert not set(value) & set('"\\\r\n')


@given(value=_HOSTILE)
def test_a_header_carries_one_line(value: str) -> None:
    """What a gateway sends has no line break and no sign that is no ASCII."""
    data = _written(_grant("bedrockShortTermKey", "HeaderCredential"), {"apiKey": value})
    if data is None:
        return
    assert data["credential"] == f"Bearer {value}"
    assert data["credential"].isascii()
    assert data["credential"].isprintable()


@pytest.mark.parametrize("form", ["AwsEnv", "AwsCredentialsFile", "AwsCredentialProcess", "DotEnv"])
def test_a_line_break_is_refused_everywhere(form: str, tmp_path: Path) -> None:
    """Also where the format could hold it: no credential has one, and a template may not."""
    del tmp_path
    assert _written(_grant("sessionCredentials", form), {**_GOOD, "accessKeyId": INJECTED}) is None
    template = _grant("sessionCredentials", data={"file": "[default]\nkey=${accessKeyId}\n"})
    assert _written(template, {**_GOOD, "accessKeyId": INJECTED}) is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"values": {"accessKeyId": Sensitive("planted value")}},
            r"^spec\.secret: the accessKeyId has .* no credential has: see what the source",
        ),
        (
            {"account_id": "planted value"},
            r"^spec\.secret\.data\[file\]: .* no accountId has: see what the source",
        ),
    ],
    ids=["a secret value", "another value"],
)
def test_a_refused_value_names_the_field_and_the_remedy(
    changed: dict[str, Any], expected: str
) -> None:
    """The message names the variable and where the value comes from, and not the value."""
    made = _grant("sessionCredentials", data={"file": "${accessKeyId} ${accountId}"})
    with pytest.raises(RenderError, match=expected) as caught:
        render(made, credential=replace(_credential(_GOOD), **changed))
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("name", ["region", "accountId", "keyId"])
@given(value=_HOSTILE | st.sampled_from(["1;$(planted)", "`planted`", "1 planted", "1&planted"]))
@settings(max_examples=60)
def test_a_template_of_a_script_runs_nothing_that_a_cloud_answers(name: str, value: str) -> None:
    """What is no secret is a plain word as well, which needs no quotes in any shell."""
    made = _grant(
        "apiGatewayKey" if name == "keyId" else "sessionCredentials",
        data={"env.sh": f"export WORD=${{{name}}}\n"},
    )
    values = {"apiKey": "plain"} if name == "keyId" else _GOOD
    fields = {"region": "region", "accountId": "account_id", "keyId": "key_id"}
    changed: dict[str, Any] = {fields[name]: value}
    data = None
    with suppress(RenderError):
        data = render(made, credential=replace(_credential(values), **changed))
    if data is None:
        return
    assert shlex.split(data["env.sh"], comments=True) == ["export", f"WORD={value}"]
    assert not set(value) & set("$`;&|<>()'\"\\ \n")
