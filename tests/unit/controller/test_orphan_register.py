"""Keys that were left in a cloud are listed within bounds, and revoked later by the same source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from keywright.api.errors import ApiError, Failure, FailureClass
from keywright.api.source import Provider
from keywright.clouds.aws.iam.errors import user_in_use
from keywright.controller.grants.source_access import AuthorizedVendors, SourceAccess
from keywright.controller.orphan_register import OrphanRegister
from keywright.planning.orphans import MAX_PER_NAMESPACE, Orphan, fits, parsed
from keywright.planning.state import CloudKey, GrantState
from tests.unit.api.samples import grant, source, source_body
from tests.unit.controller.samples import UID, Scene
from tests.unit.fakes.clock import NOON
from tests.unit.fakes.managed_keys import LOST, SmallIam
from tests.unit.planning.samples import state, status
from tests.unit.replace import replace

_KEY = "123456789012/bedrock-chat/ACCA1"
_SPEC = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}


@dataclass
class Entries:
    """The ConfigMap in memory."""

    data: dict[str, str] = field(default_factory=dict)
    writes: int = 0
    refusal: ApiError | None = None

    async def read(self) -> dict[str, str]:
        """All of it."""
        return dict(self.data)

    async def change(self, data: Mapping[str, str | None]) -> None:
        """A merge patch."""
        if self.refusal is not None:
            raise self.refusal
        self.writes += 1
        for name, text in data.items():
            if text is None:
                self.data.pop(name, None)
            else:
                self.data[name] = text


def _state(**changed: Any) -> GrantState:
    return state(grant=grant(bedrockShortTermKey=None, bedrockLongTermKey=_SPEC), **changed)


def _register(entries: Entries, scene: Scene) -> OrphanRegister:
    return OrphanRegister(entries, store=scene.store, tenancy=scene.tenancy, clock=scene.clock)


def _providers(scene: Scene) -> AuthorizedVendors:
    access = SourceAccess(store=scene.store, tenancy=scene.tenancy)
    return AuthorizedVendors({Provider.AWS: scene.cloud_provider}, access=access)


async def test_an_entry_names_what_revoking_needs_and_no_more() -> None:
    """Ids, account, source, grant and user; known once, however often it is added."""
    entries, scene = Entries(), Scene()
    register = _register(entries, scene)
    assert await register.add(_state(), {_KEY}, why="it failed") == {_KEY}
    assert await register.add(_state(), {_KEY}, why="it failed") == frozenset()
    (text,) = entries.data.values()
    found = msgspec.json.decode(text, type=Orphan)
    assert (found.key_id, found.account, found.kind) == (_KEY, "123456789012", "bedrockLongTermKey")
    assert found.source.uid == source().uid
    assert found.holder == "IAM user bedrock-chat"
    assert found.as_grant(cluster_id="") is not None
    assert register.count() == {"bedrockLongTermKey": 1}


async def test_a_key_of_a_grant_that_cannot_be_parsed_is_listed() -> None:
    """Nothing says by which source it could be revoked: it is for people, and is counted."""
    entries, scene = Entries(), Scene()
    register = _register(entries, scene)
    reported = status(kind="bedrockLongTermKey", key_id=_KEY)
    unknown = state(grant=None, source=None, status=reported)
    assert await register.add(unknown, {_KEY}, why="its spec is invalid") == {_KEY}
    assert await register.add(unknown, {_KEY}, why="its spec is invalid") == frozenset()
    assert register.count() == {"bedrockLongTermKey": 1}
    (found,) = parsed(entries.data).values()
    assert (found.key_id, found.grant.name) == (_KEY, "chat-key")
    scene.put_source()
    await register.revoke_all(_providers(scene))
    assert len(entries.data) == 1


async def test_one_namespace_cannot_fill_the_list() -> None:
    """What is beyond is counted, and survives in the ConfigMap."""
    entries, scene = Entries(), Scene()
    ids = {f"{_KEY}{number:03}" for number in range(MAX_PER_NAMESPACE + 3)}
    register = _register(entries, scene)
    await register.add(_state(), ids, why="it failed")
    assert len(entries.data) == MAX_PER_NAMESPACE + 1
    assert register.count() == {"bedrockLongTermKey": len(ids)}
    again = _register(entries, scene)
    await again.revoke_all({})
    assert again.count() == {"bedrockLongTermKey": len(ids)}
    other = next(iter(parsed(entries.data).values()))
    elsewhere = msgspec.structs.replace(other.grant, namespace="elsewhere")
    kept = parsed(entries.data)
    assert not fits(other, kept)
    assert fits(msgspec.structs.replace(other, grant=elsewhere), kept)


async def test_where_it_may_not_be_written_the_grant_goes_all_the_same() -> None:
    """Rights of before: the Event and the log still name the key."""
    entries = Entries(refusal=ApiError(status=403, reason="Forbidden", message="no"))
    assert await _register(entries, Scene()).add(_state(), {_KEY}, why="x") == {_KEY}


async def test_a_key_is_revoked_once_its_source_can() -> None:
    """By the same source alone: not by another of that name, nor by one that refuses."""
    entries, scene = Entries(), Scene()
    iam = scene.cloud_provider.kept = SmallIam(scene.clock)
    iam.held[_KEY] = CloudKey(_KEY, created_at=NOON)
    register = _register(entries, scene)
    gone = source()
    await register.add(_state(source=replace(gone, uid="former")), {_KEY}, why="it failed")
    scene.put_source()
    await register.revoke_all(_providers(scene))
    assert _KEY in iam.held
    entries.data.clear()
    live = next(iter(scene.store.sources.values())).value
    await register.add(replace(_state(), source=live), {_KEY}, why="it failed")
    await register.revoke_all(_providers(scene))
    assert iam.held == {}
    assert entries.data == {}
    assert register.count() == {}


async def test_a_revoked_key_leaves_the_list_although_its_user_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The user has keys of others: the log names it, and other keys of the source are tried."""
    entries, scene = Entries(), Scene()
    iam = scene.cloud_provider.kept = SmallIam(scene.clock)
    iam.holder_in_use = user_in_use(["bedrock-chat"])
    keys = {_KEY, f"{_KEY}2"}
    iam.held |= {key_id: CloudKey(key_id, created_at=NOON) for key_id in keys}
    scene.put_source()
    live = next(iter(scene.store.sources.values())).value
    register = _register(entries, scene)
    await register.add(replace(_state(), source=live), keys, why="it failed")
    await register.revoke_all(_providers(scene))
    assert (iam.held, entries.data) == ({}, {})
    lines = [each.getMessage() for each in caplog.records]
    assert len(lines) == 2
    assert all("the IAM user bedrock-chat was created for this grant" in each for each in lines)


async def test_a_secret_that_outlives_its_grant_keeps_no_key_alive() -> None:
    """Only the grant itself, restored, takes its key off the list."""
    entries, scene = Entries(), Scene()
    iam = scene.cloud_provider.kept = SmallIam(scene.clock)
    scene.put_source()
    scene.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_SPEC)
    for _ in range(8):
        await scene.settle()
    (key_id,) = iam.held
    live = next(iter(scene.store.sources.values())).value
    register = _register(entries, scene)
    await register.add(replace(_state(), source=live), {key_id}, why="it failed")
    scene.store.drop_grant(UID)
    await register.revoke_all(_providers(scene))
    assert iam.held == {}
    assert entries.data == {}


async def test_a_key_that_cannot_be_revoked_holds_up_no_other_of_its_source() -> None:
    """A key of another account, and a grant that cannot be parsed, leave the others to be tried."""
    entries, scene = Entries(), Scene()
    iam = scene.cloud_provider.kept = SmallIam(scene.clock)
    scene.put_source()
    live = next(iter(scene.store.sources.values())).value
    register = _register(entries, scene)
    elsewhere = "210987654321/bedrock-chat/ACCA1"
    iam.out_of_reach = frozenset({elsewhere})
    facts = replace(_state(), source=live)
    await register.add(facts, {elsewhere}, why="it failed")
    await register.add(replace(facts, grant=grant()), {"unparsable"}, why="its kind was changed")
    iam.held[_KEY] = CloudKey(_KEY, created_at=NOON)
    await register.add(facts, {_KEY}, why="it failed")
    await register.revoke_all(_providers(scene))
    assert iam.held == {}
    assert {each.key_id for each in parsed(entries.data).values()} == {elsewhere, "unparsable"}


async def test_the_other_keys_of_a_source_that_fails_wait_for_the_next_round() -> None:
    """A source that does not answer is asked once a round; a denial may be that of one key."""
    entries, scene = Entries(), Scene()
    iam = scene.cloud_provider.kept = SmallIam(scene.clock)
    scene.put_source()
    live = next(iter(scene.store.sources.values())).value
    register = _register(entries, scene)
    facts = replace(_state(), source=live)
    await register.add(facts, {_KEY, f"{_KEY}0"}, why="it failed")
    iam.refusal = LOST
    await register.revoke_all(_providers(scene))
    assert len(iam.requested) == 1
    iam.refusal = Failure("not allowed.", kind=FailureClass.DENIED, reason="AccessDenied")
    await register.revoke_all(_providers(scene))
    assert len(iam.requested) == 3


async def test_a_key_is_listed_with_a_source_that_allows_the_namespace() -> None:
    """Others of the account name it in their statuses as well, and could never revoke the key."""
    entries, scene = Entries(), Scene()
    scene.put_source()
    own = scene.store.sources["chat", "bedrock"]
    own.status = msgspec.structs.replace(own.status, account_id="999999999999")
    for namespace, allowed in (("aaa", "others"), ("platform", "chat")):
        body = source_body()
        body["metadata"] |= {"namespace": namespace, "uid": namespace, "resourceVersion": "5"}
        body["spec"]["allowedNamespaces"] = {"names": [allowed]}
        scene.store.put_source(body)
        other = scene.store.sources[namespace, "bedrock"]
        other.status = msgspec.structs.replace(other.status, account_id="123456789012")
    register = _register(entries, scene)
    await register.add(replace(_state(), source=own.value), {_KEY}, why="it failed")
    (entry,) = parsed(entries.data).values()
    assert (entry.source.namespace, entry.source.uid) == ("platform", "platform")
