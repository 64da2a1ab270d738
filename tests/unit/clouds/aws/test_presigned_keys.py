"""Short-term keys: signed here, and their real end."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from aws_bedrock_token_generator import provide_token
from botocore.credentials import Credentials
from token_generator_for_aws_external_anthropic import get_token

from keywright.api.bedrock_keys import BedrockShortTermKey
from keywright.clouds.aws.bedrock.short_term import KEYS
from keywright.clouds.aws.presigned_keys import PresignedKeys
from keywright.clouds.interfaces import IssuedKey
from tests.unit.api.samples import grant, source
from tests.unit.clouds.aws.contexts import ScriptedSts, context
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.provider import session

H = timedelta(hours=1)


async def _mint(*, requested: str = "12h", life: timedelta = H, now: datetime = NOON) -> IssuedKey:
    return await KEYS.mint(
        BedrockShortTermKey(duration=requested),
        grant=grant(),
        source=source(),
        session=session(issued_at=NOON, life=life),
        region="eu-west-1",
        account_id="123456789012",
        context=context(ScriptedSts(), now=now),
    )


@pytest.mark.parametrize(
    ("requested", "session_life", "expected"),
    [
        ("12h", H, H),
        ("12h", 12 * H, 12 * H),
        ("1h", 12 * H, H),
        ("15m", H, H / 4),
        ("1h", H, H),
    ],
)
async def test_a_key_ends_with_the_smaller_of_its_own_life_and_its_session(
    requested: str, session_life: timedelta, expected: timedelta
) -> None:
    """Rule 1: what is written down is the real end; where the session shortens it, it is said."""
    issued_key = await _mint(requested=requested, life=session_life)
    assert issued_key.credential.issued_at == NOON
    assert issued_key.credential.expires_at == NOON + expected
    shortened = expected < timedelta(hours=float(requested[:-1])) and requested.endswith("h")
    assert ("sessionDuration" in issued_key.warning) is shortened
    assert ("bedrock" in issued_key.warning and "lasts 1h" in issued_key.warning) is shortened


async def test_a_key_of_an_older_session_ends_with_it() -> None:
    """Five minutes into the session, five minutes are gone."""
    issued_key = await _mint(now=NOON + timedelta(minutes=5, microseconds=7))
    assert issued_key.credential.issued_at == NOON + timedelta(minutes=5)
    assert issued_key.credential.expires_at == NOON + H


async def test_a_key_that_joins_a_session_gives_no_advice_that_cannot_be_followed() -> None:
    """The session lasts as long as the key should: it is only a little older."""
    issued_key = await _mint(
        requested="12h", life=12 * H + timedelta(seconds=1), now=NOON + timedelta(minutes=5)
    )
    assert issued_key.credential.expires_at == NOON + 12 * H + timedelta(seconds=1)
    assert issued_key.warning == ""


async def test_the_key_is_what_bedrock_takes() -> None:
    """A presigned request of AWS's own library: region in its scope, twelve hours at most."""
    issued_key = await _mint()
    text = issued_key.credential.values["apiKey"].reveal()
    assert text.startswith("bedrock-api-key-")
    assert text == text.strip()
    url = base64.b64decode(text.removeprefix("bedrock-api-key-")).decode()
    query = parse_qs(urlsplit(f"https://{url.removeprefix('https://')}").query)
    assert query["Action"] == ["CallWithBearerToken"]
    assert "/eu-west-1/bedrock/aws4_request" in query["X-Amz-Credential"][0]
    assert query["X-Amz-Credential"][0].startswith("ASIA1/")
    assert 0 < int(query["X-Amz-Expires"][0]) <= 43_200
    assert query["X-Amz-Security-Token"] == ["planted-session-token"]
    assert issued_key.credential.key_id == "ASIA1"
    signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - signed) < timedelta(minutes=1)


async def test_a_key_shows_itself_to_nobody() -> None:
    """Rule 13: neither in a repr of the credential nor of what was minted."""
    issued_key = await _mint()
    assert "bedrock-api-key" not in repr(issued_key) + str(issued_key.credential)


@pytest.mark.parametrize(
    ("requested", "age", "expected"),
    [("12h", 0, True), ("12h", 6, True), ("12h", 7, False), ("15m", 45, True), ("15m", 46, False)],
)
def test_only_a_session_that_makes_no_old_key_will_do(
    requested: str, age: int, *, expected: bool
) -> None:
    """In the first tenth of its life, or where the key ends before it."""
    made = session(issued_at=NOON)
    key = BedrockShortTermKey(duration=requested)
    assert KEYS.accepts_session(key, session=made, now=NOON + timedelta(minutes=age)) is expected


class _Fixed:
    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


def _by_bedrock(credentials: Credentials, lifetime: timedelta) -> str:
    fixed = _Fixed(credentials)
    return str(provide_token(region="eu-west-1", aws_credentials_provider=fixed, expiry=lifetime))


def _by_claude_platform(credentials: Credentials, lifetime: timedelta) -> str:
    return str(get_token(credentials=credentials, region="eu-west-1", expiry=lifetime))


CLAUDE_PLATFORM = PresignedKeys(
    host="aws-external-anthropic.amazonaws.com",
    service="aws-external-anthropic",
    prefix="aws-external-anthropic-api-key-",
)


@pytest.mark.parametrize(
    ("keys", "generator"), [(KEYS, _by_bedrock), (CLAUDE_PLATFORM, _by_claude_platform)]
)
@pytest.mark.parametrize("lifetime", [timedelta(minutes=1), 12 * H])
def test_a_key_is_that_of_the_generator_of_aws(
    keys: PresignedKeys, generator: Callable[[Credentials, timedelta], str], lifetime: timedelta
) -> None:
    """Byte for byte, for host, service and prefix of each service."""
    signer = session(issued_at=NOON)
    token = signer.session_token
    assert token is not None
    credentials = Credentials(
        signer.access_key_id, signer.secret_access_key.reveal(), token.reveal()
    )
    for _ in range(10):
        before = keys.sign(signer, region="eu-west-1", lifetime=lifetime).reveal()
        expected = generator(credentials, lifetime)
        after = keys.sign(signer, region="eu-west-1", lifetime=lifetime).reveal()
        if before == after:  # signed within the same second, so that the dates are equal
            break
    assert before == expected
