"""STS credentials: the session itself is the key."""

from datetime import timedelta

import pytest

from keywright.api.keys import SessionCredentials
from keywright.clouds.aws.sts.session_credentials import accepts_session, mint, session_options
from keywright.clouds.interfaces import IssuedKey, SessionOptions
from tests.unit.api.samples import grant, source
from tests.unit.clouds.aws.contexts import ScriptedSts, context
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.provider import session

H = timedelta(hours=1)
POLICY = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


async def _mint(*, requested: str | None, life: timedelta) -> IssuedKey:
    return await mint(
        SessionCredentials(duration=requested),
        grant=grant(),
        source=source(),
        session=session(issued_at=NOON, life=life),
        region="us-west-2",
        account_id="123456789012",
        context=context(ScriptedSts(), now=NOON + timedelta(minutes=1)),
    )


@pytest.mark.parametrize(
    ("requested", "life", "short"),
    [
        (None, H, False),
        ("1h", H, False),
        ("1h", H - timedelta(seconds=30), False),
        ("4h", H, True),
        ("15m", H, False),
    ],
)
async def test_the_end_is_the_sessions(
    requested: str | None, life: timedelta, *, short: bool
) -> None:
    """Issue and end are those of the session; where it is shorter than asked, it is said."""
    issued_key = await _mint(requested=requested, life=life)
    found = issued_key.credential
    assert (found.issued_at, found.expires_at) == (NOON, NOON + life)
    assert (found.key_id, found.account_id) == ("ASIA1", "123456789012")
    assert found.values.keys() == {"accessKeyId", "secretAccessKey", "sessionToken"}
    assert ("before the" in issued_key.warning) is short


@pytest.mark.parametrize(
    ("minutes", "expected"), [(0, True), (6, True), (7, False), (60, False), (90, False)]
)
def test_only_a_young_session_is_handed_on(minutes: int, *, expected: bool) -> None:
    """Credentials are not born old."""
    now = NOON + timedelta(minutes=minutes)
    key = SessionCredentials()
    assert accepts_session(key, session=session(issued_at=NOON), now=now) is expected


def test_grants_that_ask_the_same_ask_by_the_same_name() -> None:
    """In whatever order they list their policies; one that asks for nothing has no name."""
    assert session_options(SessionCredentials(), region="us-east-1").name() == ""
    one, two = (
        session_options(
            SessionCredentials(duration=d, policy=POLICY, policy_arns=arns), region="us-east-1"
        )
        for d, arns in (("1h", ("a", "b")), ("60m", ("b", "a")))
    )
    assert one.name() == two.name() != ""
    others = {
        SessionOptions(seconds=3600).name(),
        SessionOptions(policy=POLICY).name(),
        SessionOptions(policy_arns=("a",)).name(),
        one.name(),
    }
    assert len(others) == 4
