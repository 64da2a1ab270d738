"""Access keys out of Secrets, and the operator's own identity."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, CredentialRetrievalError

from keywright.api.aws_source import Ambient, AwsAccessKey
from keywright.api.errors import Failure, FailureClass
from keywright.api.schema import SecretReference
from keywright.clouds.aws.identities import access_key, ambient
from keywright.clouds.aws.identities.ambient import AwsDefaultChain
from keywright.clouds.interfaces import DEFAULT_OPTIONS, Session
from tests.unit.api.samples import source
from tests.unit.clouds.aws.contexts import USER, ScriptedSts, bare, context
from tests.unit.fakes.clock import NOON

KEYED = AwsAccessKey(secret_ref=SecretReference(name="key"))
DATA = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "planted\n"}


async def _opened(sts: ScriptedSts, data: dict[str, str]) -> Session:
    return await access_key.open_session(
        KEYED, source=source(), ask=DEFAULT_OPTIONS, context=context(sts, key=data)
    )


@pytest.mark.parametrize("token", [None, "", "planted-token"])
async def test_a_key_is_proved_by_asking_whose_it_is(token: str | None) -> None:
    """One call; no end, and no newline that an editor left behind the secret."""
    sts = ScriptedSts()
    found = await _opened(sts, DATA if token is None else DATA | {"AWS_SESSION_TOKEN": token})
    assert sts.requested == [("get_caller_identity", {}, "AKIAIOSFODNN7EXAMPLE")]
    assert (found.identity, found.expires_at, found.chained) == (USER, None, False)
    assert found.secret_access_key.reveal() == "planted"
    assert (found.session_token and found.session_token.reveal()) == (token or None)


@pytest.mark.parametrize("missing", DATA)
async def test_an_incomplete_secret_is_told(missing: str) -> None:
    """By the entry that it lacks, before AWS is asked."""
    sts = ScriptedSts()
    with pytest.raises(Failure, match=missing) as caught:
        await _opened(sts, {name: text for name, text in DATA.items() if name != missing})
    assert caught.value.kind is FailureClass.CONFIGURATION
    assert sts.requested == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("InvalidClientTokenId", FailureClass.DENIED),
        ("SignatureDoesNotMatch", FailureClass.DENIED),
        ("ExpiredToken", FailureClass.DENIED),
        ("Throttling", FailureClass.THROTTLED),
        ("ServiceUnavailable", FailureClass.TRANSIENT),
    ],
)
async def test_a_key_that_aws_does_not_take_names_its_secret(code: str, kind: FailureClass) -> None:
    """A passing fault names none: nothing is wrong with it."""
    sts = ScriptedSts()
    sts.failure = ClientError({"Error": {"Code": code, "Message": "no"}}, "GetCallerIdentity")
    with pytest.raises(Failure) as caught:
        await _opened(sts, DATA)
    assert caught.value.kind is kind
    assert ("Secret key" in caught.value.message_with_remedy()) is (kind is FailureClass.DENIED)


async def test_the_operators_identity_is_lent_to_no_one() -> None:
    """Unless the flag says so."""
    with pytest.raises(Failure, match="no one") as caught:
        await ambient.open_session(
            Ambient(), source=source(), ask=DEFAULT_OPTIONS, context=context(ScriptedSts())
        )
    assert caught.value.kind is FailureClass.CONFIGURATION
    assert "--allow-ambient" in caught.value.remedy


@dataclass
class Around:
    """What surrounds the operator."""

    found: Session | None = None
    failure: Exception | None = None

    async def session(self, *, now: datetime) -> Session | None:
        """It, or the failure."""
        assert now == NOON
        if self.failure is not None:
            raise self.failure
        return self.found


async def test_it_is_proved_where_it_is_allowed() -> None:
    """As any other key."""
    sts = ScriptedSts()
    around = context(sts, ambient=Around(bare("AKIAOPERATOR")))
    found = await ambient.open_session(
        Ambient(), source=source(), ask=DEFAULT_OPTIONS, context=around
    )
    assert sts.requested == [("get_caller_identity", {}, "AKIAOPERATOR")]
    assert found.identity == USER


@pytest.mark.parametrize(
    ("around", "reason"),
    [
        (Around(), "AmbientNotFound"),
        (
            Around(failure=CredentialRetrievalError(provider="a", error_msg="b")),
            "AmbientUnavailable",
        ),
    ],
)
async def test_surroundings_without_an_identity_are_told(around: Around, reason: str) -> None:
    """And tried again."""
    with pytest.raises(Failure) as caught:
        await ambient.open_session(
            Ambient(),
            source=source(),
            ask=DEFAULT_OPTIONS,
            context=context(ScriptedSts(), ambient=around),
        )
    assert (caught.value.reason, caught.value.kind) == (reason, FailureClass.TRANSIENT)


class Refreshed:
    """Credentials as botocore refreshes them."""

    def __init__(self) -> None:
        self.number = 1
        self._expiry_time = NOON + timedelta(hours=6)

    def get_frozen_credentials(self) -> Any:
        """A name, a secret, a token."""

        class Frozen:
            access_key = f"ASIA{self.number}"
            secret_key = "planted"
            token = "planted"

        return Frozen


async def test_the_chain_is_loaded_once_and_refreshed() -> None:
    """What botocore says is new is a new session; what is not keeps the time it was first seen."""
    made = Refreshed()
    loads = iter([None, made])
    chain = AwsDefaultChain(load=lambda: next(loads))
    assert await chain.session(now=NOON) is None
    first = await chain.session(now=NOON)
    later = NOON + timedelta(hours=1)
    assert await chain.session(now=later) is first
    made.number = 2
    second = await chain.session(now=later)
    assert second is not None
    assert (second.access_key_id, second.issued_at) == ("ASIA2", later)
    assert second.expires_at == NOON + timedelta(hours=6)
    chain.close()
