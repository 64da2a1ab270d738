"""A source is verified by the sessions that its grants open, and opens one only where none did."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from typing_extensions import override

from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.interfaces import CallerIdentity, Session, SessionOptions
from keywright.clouds.role_chain import RoleChain
from tests.unit.api.samples import source
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.provider import session

SOURCE = source()


class Links:
    """Opens numbered sessions of an hour."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.opened: list[SessionOptions] = []
        self.failure: Failure | None = None

    async def assume_base(self, source: CredentialSource, *, ask: SessionOptions) -> Session:
        """The next one."""
        del source
        self.opened.append(ask)
        if self.failure is not None:
            raise self.failure
        return session(issued_at=self._clock.now, name=str(len(self.opened)))

    async def assume_chained_role(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionOptions
    ) -> Session:
        """There are no roles."""
        raise NotImplementedError

    async def caller(self, source: CredentialSource, session: Session) -> CallerIdentity:
        """An identity."""
        del source
        return CallerIdentity(identity=session.identity, account_id="123456789012")


@pytest.mark.parametrize(
    "ask", [SessionOptions(), SessionOptions(seconds=900)], ids=["shared", "own"]
)
async def test_the_session_of_a_grant_proves_the_source(ask: SessionOptions) -> None:
    """Whatever the grant asked of it; the source has no need of another."""
    clock = FakeClock()
    links = Links(clock)
    role_chains = RoleChain(links, clock=clock)
    await role_chains.session(SOURCE, hop=0, ask=ask)
    clock.now += timedelta(minutes=40)
    found, _ = await role_chains.verified(SOURCE, hop=0)
    assert found.access_key_id == "ASIA1"
    assert links.opened == [ask]
    clock.now += timedelta(minutes=17)
    found, _ = await role_chains.verified(SOURCE, hop=0)
    assert found.access_key_id == "ASIA2"


async def test_a_session_that_could_not_be_renewed_proves_nothing() -> None:
    """The source says so while the old session is valid, by the failure that is remembered."""
    clock = FakeClock()
    links = Links(clock)
    role_chains = RoleChain(links, clock=clock)
    await role_chains.verified(SOURCE, hop=0)
    assert not role_chains.is_doubtful(SOURCE, hop=0)
    clock.now += timedelta(minutes=40)
    links.failure = Failure("no.", kind=FailureClass.DENIED, reason="AccessDenied")
    with pytest.raises(Failure):
        await role_chains.session(SOURCE, hop=0, accepts_session=lambda *_: False)
    assert role_chains.has_valid(SOURCE, hop=0)
    assert role_chains.is_doubtful(SOURCE, hop=0)
    with pytest.raises(Failure):
        await role_chains.verified(SOURCE, hop=0)
    assert len(links.opened) == 2


@pytest.mark.parametrize(
    ("aws", "field"),
    [
        ({}, "CredentialSource spec.aws.region"),
        ({"stsEndpoint": "https://sts.example.com"}, "CredentialSource spec.aws.stsEndpoint"),
    ],
)
async def test_an_answer_that_cannot_be_used_names_the_field_of_its_host(
    aws: dict[str, str], field: str
) -> None:
    """The endpoint of the source, or else its region."""
    clock = FakeClock()
    links = Links(clock)
    links.failure = Failure("no.", kind=FailureClass.TRANSIENT, reason="InvalidAnswer")
    with pytest.raises(Failure) as caught:
        await RoleChain(links, clock=clock).session(source(**aws), hop=0)
    assert caught.value.field == field


class ScopingLinks(Links):
    """Limits every session but the revoked one."""

    revoked = "ASIA1"

    @override
    async def assume_chained_role(
        self, number: int, *, by: Session, source: CredentialSource, ask: SessionOptions
    ) -> Session:
        del number, source
        assert ask.scoped
        if by.access_key_id == self.revoked:
            raise Failure("no.", kind=FailureClass.TRANSIENT, reason="InvalidSubjectCredentials")
        return session(issued_at=by.issued_at, name=f"{by.access_key_id}-scoped")


async def test_a_revoked_session_in_memory_is_replaced_before_it_is_limited() -> None:
    """By one new session, which the next grants share."""
    clock = FakeClock()
    links = ScopingLinks(clock)
    role_chains = RoleChain(links, clock=clock)
    await role_chains.session(SOURCE, hop=0)
    clock.now += timedelta(minutes=1)
    scoped = SessionOptions(policy={"Statement": []}, scoped=True)
    found = await role_chains.session(SOURCE, hop=1, ask=scoped)
    assert found.access_key_id == "ASIAASIA2-scoped"
    assert len(links.opened) == 2
    again = await role_chains.session(SOURCE, hop=1, ask=scoped)
    assert again is found


async def test_a_limited_session_is_made_of_one_that_is_as_fresh() -> None:
    """It expires with that session: an old one would have to be replaced at once."""
    clock = FakeClock()
    links = ScopingLinks(clock)
    links.revoked = ""
    role_chains = RoleChain(links, clock=clock)
    await role_chains.session(SOURCE, hop=0)
    clock.now += timedelta(minutes=40)

    def is_young(found: Session, now: datetime) -> bool:
        return now - found.issued_at < timedelta(minutes=30)

    scoped = SessionOptions(policy={"Statement": []}, scoped=True)
    await role_chains.session(SOURCE, hop=1, ask=scoped, accepts_session=is_young)
    assert len(links.opened) == 2
