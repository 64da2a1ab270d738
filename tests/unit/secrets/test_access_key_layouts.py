"""STS credentials in a Secret: every layout of them, and back."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keywright.api.formats import FORMATS_OF_PROVIDER
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KEY_TYPES, KeyKind
from keywright.api.sensitive import Sensitive
from keywright.api.source import Provider
from keywright.secrets.credential import Credential
from keywright.secrets.formats import min_refresh_margin, short_lifetime_warning
from keywright.secrets.recovery import recover
from keywright.secrets.rendering import data_keys, render, validate
from tests.unit.api.samples import grant
from tests.unit.secrets.samples import EXPIRES, HASH_KEY, ISSUED, record_of

KIND = KeyKind.SESSION_CREDENTIALS
FORMATS = sorted(KEY_TYPES[KIND].formats & FORMATS_OF_PROVIDER[Provider.AWS])
_WORDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_IDS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=16, max_size=16).map("ASIA{}".format)
_SECRETS = st.text(_WORDS, min_size=40, max_size=40)
_TOKENS = st.text(_WORDS, min_size=200, max_size=400).map("IQoJ{}==".format)
_TEMPLATES = (
    "${accessKeyId}",
    "${secretAccessKey}",
    "${sessionToken}",
    "id=${accessKeyId}\nsecret=${secretAccessKey}\ntoken=${sessionToken}\n",
    "${awsCredentialProcess}",
    "${awsCredentialsFile}",
    "${sessionToken|base64}",
    "nothing of it",
)
_KEYS = ("one", "two", "three")


def _credential(id_: str, secret: str, token: str) -> Credential:
    return Credential(
        values={
            "accessKeyId": Sensitive(id_),
            "secretAccessKey": Sensitive(secret),
            "sessionToken": Sensitive(token),
        },
        region="us-west-2",
        account_id="123456789012",
        key_id=id_,
        issued_at=ISSUED,
        expires_at=EXPIRES,
    )


def _grant(**secret: Any) -> ApiKeyGrant:
    return grant(bedrockShortTermKey=None, sessionCredentials={}, secret=secret)


SAMPLE = _credential("ASIA" + "A" * 16, "s" * 40, "t" * 300)


@given(
    st.lists(st.sampled_from(FORMATS), unique=True),
    st.dictionaries(st.sampled_from(_KEYS), st.sampled_from(_TEMPLATES)),
    _IDS,
    _SECRETS,
    _TOKENS,
)
def test_the_credentials_can_be_read_back_from_any_layout(
    formats: list[str], data: dict[str, str], id_: str, secret: str, token: str
) -> None:
    """Whichever formats and templates stand together; so a changed layout costs no session."""
    assume(formats or data)
    made, layout = _credential(id_, secret, token), _grant(formats=formats, data=data)
    written = render(layout, credential=made)
    assert written.keys() == data_keys(layout)
    record = record_of(layout, made=made)
    foreign = {"foreign": "ASIA" + "Z" * 16, "theirs": "z" * 40}
    assert (
        recover(KIND, data=written | foreign, record=record, key=HASH_KEY, namespace="chat")
        == made.values
    )
    assert recover(KIND, data=foreign, record=record, key=HASH_KEY, namespace="chat") is None


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_written_without_a_mistake(form: str) -> None:
    """And carries the credentials by itself: no keywright.json beside it."""
    assert validate(_grant(formats=[form])) == []
    assert "keywright.json" not in render(_grant(formats=[form]), credential=SAMPLE)


def test_the_files_of_sdks_are_what_sdks_read() -> None:
    """The process prints the file beside the config, wherever it is mounted."""
    formats = ["AwsCredentialProcess", "AwsCredentialsFile"]
    written = render(_grant(formats=formats, mountPath="/kw/"), credential=SAMPLE)
    assert written["config"] == (
        "[default]\ncredential_process = cat /kw/credential-process.json\nregion = us-west-2\n"
    )
    # The names are those of the AWS SDKs' reference, "Process credential provider".
    assert json.loads(written["credential-process.json"]) == {
        "Version": 1,
        "AccessKeyId": "ASIA" + "A" * 16,
        "SecretAccessKey": "s" * 40,
        "SessionToken": "t" * 300,
        "Expiration": "2026-11-22T22:00:00Z",
    }
    assert written["credentials"].startswith("[default]\naws_access_key_id = ASIA")


@pytest.mark.parametrize(
    ("secret", "again"),
    [
        ({"formats": ["AwsCredentialProcess"]}, True),
        ({"formats": ["AwsEnv", "AwsCredentialProcess"]}, True),
        ({"formats": [], "data": {"a": "${awsCredentialProcess|json}"}}, True),
        ({"formats": ["AwsEnv", "AwsCredentialsFile"]}, False),
        ({}, False),
    ],
)
def test_readers_that_read_again_are_known_by_the_layout(
    secret: dict[str, Any], *, again: bool
) -> None:
    """They need twenty minutes; if a lifetime leaves less, a warning names the remedy."""
    made = _grant(**secret)
    assert min_refresh_margin(made) == (timedelta(minutes=20) if again else None)
    lifetime = timedelta(minutes=15)
    reported = short_lifetime_warning(made, lifetime=lifetime, margin=timedelta(minutes=10))
    assert ("15m leaves them 10m" in reported) is again
    assert short_lifetime_warning(made, lifetime=lifetime, margin=timedelta(minutes=20)) == ""
