"""Credentials of Alibaba Cloud in a Secret: every layout of them, back, and as SDKs read them."""

import json
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_credentials.provider import (
    CLIProfileCredentialsProvider,
    ProfileCredentialsProvider,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from keywright.api.errors import RenderError
from keywright.api.formats import FORMATS_OF_PROVIDER
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KEY_TYPES, KeyKind
from keywright.api.sensitive import Sensitive
from keywright.api.source import Provider, SourceTraits
from keywright.secrets.credential import Credential
from keywright.secrets.recovery import recover
from keywright.secrets.rendering import data_keys, render, validate
from tests.unit.api.samples import grant
from tests.unit.secrets.samples import EXPIRES, HASH_KEY, ISSUED, record_of

KIND = KeyKind.SESSION_CREDENTIALS
FORMATS = sorted(KEY_TYPES[KIND].formats & FORMATS_OF_PROVIDER[Provider.ALIBABA_CLOUD])
ENDING = {"AlibabaRam", "AlibabaCredentialsUri"}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_IDS = st.sampled_from(["LTAI5t", "STS.", "TMPSK."]).flatmap(
    lambda head: st.text(_LETTERS, min_size=18, max_size=25).map(head.__add__)
)
_SECRETS = st.text(_LETTERS, min_size=30, max_size=44)
_TOKENS = st.one_of(
    st.just(""), st.text(_LETTERS + "+/", min_size=200, max_size=400).map("CAIS{}==".format)
)
_TEMPLATES = ("${accessKeyId}", "${alibabaConfigJson}", "${alibabaCredentialsFile}", "${dotEnv}")


def _credential(id_: str, secret: str, token: str) -> Credential:
    return Credential(
        values={
            "accessKeyId": Sensitive(id_),
            "secretAccessKey": Sensitive(secret),
            "sessionToken": Sensitive(token),
        },
        region="cn-hangzhou",
        account_id="1234567890123456",
        key_id=id_,
        issued_at=ISSUED,
        expires_at=EXPIRES,
        provider=Provider.ALIBABA_CLOUD,
    )


def _grant(**secret: Any) -> ApiKeyGrant:
    made = grant(bedrockShortTermKey=None, sessionCredentials={}, secret=secret)
    return made.with_formats_for(SourceTraits(Provider.ALIBABA_CLOUD))


SESSION = _credential("STS." + "A" * 25, "s" * 44, "CAIS" + "t" * 300)
STATIC = _credential("LTAI5t" + "A" * 18, "s" * 30, "")


@given(
    st.lists(st.sampled_from(FORMATS), unique=True),
    st.dictionaries(st.sampled_from(("one", "two")), st.sampled_from(_TEMPLATES)),
    _IDS,
    _SECRETS,
    _TOKENS,
)
def test_the_credentials_can_be_read_back_from_any_layout(
    formats: list[str], data: dict[str, str], id_: str, secret: str, token: str
) -> None:
    """Whichever formats stand together, with a token or without: a new layout costs no session."""
    assume(formats or data)
    made, layout = _credential(id_, secret, token), _grant(formats=formats, data=data)
    written = render(layout, credential=made)
    assert written.keys() == data_keys(layout)
    record = record_of(layout, made=made)
    foreign = {"foreign": "LTAI5t" + "Z" * 18, "theirs": "z" * 30}
    assert (
        recover(KIND, data=written | foreign, record=record, key=HASH_KEY, namespace="chat")
        == made.values
    )
    assert recover(KIND, data=foreign, record=record, key=HASH_KEY, namespace="chat") is None


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_written_without_a_mistake(form: str) -> None:
    """And carries the credentials by itself: no keywright.json beside it."""
    assert validate(_grant(formats=[form])) == []
    assert "keywright.json" not in render(_grant(formats=[form]), credential=SESSION)


def test_the_default_is_the_environment_of_sdks_and_of_terraform() -> None:
    """A grant that names no format; the keys are there whether there is a token or not."""
    for credential in (SESSION, STATIC):
        found = render(_grant(), credential=credential)
        values = {name: value.reveal() for name, value in credential.values.items()}
        assert found == {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": values["accessKeyId"],
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": values["secretAccessKey"],
            "ALIBABA_CLOUD_SECURITY_TOKEN": values["sessionToken"],
            "ALICLOUD_ACCESS_KEY": values["accessKeyId"],
            "ALICLOUD_SECRET_KEY": values["secretAccessKey"],
            "ALICLOUD_SECURITY_TOKEN": values["sessionToken"],
        }
        lines = render(_grant(formats=["DotEnv"]), credential=credential)[".env"].splitlines()
        assert dict(line.split("=", 1) for line in lines) == found


def test_what_the_csi_driver_mounts_is_always_whole() -> None:
    """Four keys, as the OSS CSI driver lists them; the end is the real one."""
    assert render(_grant(formats=["AlibabaRam"]), credential=SESSION) == {
        "AccessKeyId": "STS." + "A" * 25,
        "AccessKeySecret": "s" * 44,
        "SecurityToken": "CAIS" + "t" * 300,
        "Expiration": "2026-11-22T22:00:00Z",
    }


def test_a_credentials_uri_can_answer_with_the_file() -> None:
    """The five fields that the Credentials tool wants, and Code."""
    body = render(_grant(formats=["AlibabaCredentialsUri"]), credential=SESSION)["credentials.json"]
    assert json.loads(body) == {
        "Code": "Success",
        **render(_grant(formats=["AlibabaRam"]), credential=SESSION),
    }


@pytest.mark.parametrize("form", sorted(ENDING))
def test_a_format_that_tells_the_end_needs_one(form: str) -> None:
    """Static credentials have none: the format is named, and what to do."""
    endless = Credential(
        values=STATIC.values,
        region="cn-hangzhou",
        account_id=None,
        key_id=None,
        issued_at=ISSUED,
        expires_at=None,
        provider=Provider.ALIBABA_CLOUD,
    )
    with pytest.raises(RenderError) as caught:
        render(_grant(formats=[form]), credential=endless)
    reported = str(caught.value)
    assert reported.startswith(f"spec.secret.formats: {form} cannot be filled")
    assert "choose another format, or let the source assume a role" in reported
    for other in set(FORMATS) - ENDING:
        assert render(_grant(formats=[other]), credential=endless)


def test_crossplane_reads_one_json() -> None:
    """The fields of provider-upjet-alibabacloud."""
    found = render(_grant(formats=["AlibabaCrossplane"]), credential=SESSION)["credentials"]
    assert set(json.loads(found)) == {"access_key", "secret_key", "security_token", "region"}


def test_the_cli_configuration_has_the_defaults_of_the_cli() -> None:
    """One profile, with region, output format and language beside the key."""
    found = json.loads(
        render(_grant(formats=["AlibabaCliConfig"]), credential=STATIC)["config.json"]
    )
    assert found == {
        "current": "default",
        "profiles": [
            {
                "name": "default",
                "mode": "AK",
                "access_key_id": STATIC.key_id,
                "access_key_secret": "s" * 30,
                "region_id": "cn-hangzhou",
                "output_format": "json",
                "language": "en",
            }
        ],
    }


@pytest.mark.parametrize("credential", [SESSION, STATIC], ids=["session", "static"])
def test_the_credentials_tool_reads_the_cli_configuration(
    credential: Credential, tmp_path: Path
) -> None:
    """Its own provider finds key, secret and token in config.json."""
    written = render(_grant(formats=["AlibabaCliConfig"]), credential=credential)
    file = tmp_path / "config.json"
    file.write_text(written["config.json"])
    found = CLIProfileCredentialsProvider(profile_file=str(file)).get_credentials()
    assert found.get_access_key_id() == credential.values["accessKeyId"].reveal()
    assert found.get_access_key_secret() == credential.values["secretAccessKey"].reveal()
    assert (found.get_security_token() or "") == credential.values["sessionToken"].reveal()


def test_the_credentials_tool_reads_the_ini_file_of_a_static_key(tmp_path: Path) -> None:
    """Of a session it cannot: its INI file knows no security token (provider/profile.py)."""
    file = tmp_path / "credentials.ini"
    for credential in (STATIC, SESSION):
        written = render(_grant(formats=["AlibabaCredentialsFile"]), credential=credential)
        file.write_text(written["credentials.ini"])
        provider = ProfileCredentialsProvider(profile_file=str(file), profile_name="default")
        if credential is STATIC:
            found = provider.get_credentials()
            assert found.get_access_key_secret() == "s" * 30
        else:
            with pytest.raises(Exception, match="unsupported credential type sts"):
                provider.get_credentials()
