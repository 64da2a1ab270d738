"""A deleted grant whose spec was edited before: its keys are revoked by what was created."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, ManagedKeys
from keywright.planning.orphans import parsed
from tests.unit.controller.samples import GRANTS, Scene
from tests.unit.fakes.managed_keys import LOST, SmallIam
from tests.unit.fakes.provider import ScriptedProvider

_LONG_TERM = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}
_ORPHANS = "/api/v1/namespaces/keywright-system/configmaps/keywright-orphans"
_EDITS: dict[str, dict[str, Any]] = {
    "another managed kind": {
        "bedrockShortTermKey": None,
        "apiGatewayKey": {"usagePlan": {"id": "abc123"}},
    },
    "a kind that is not managed": {},
    "no kind": {"bedrockShortTermKey": None},
    "an invalid field": {
        "bedrockShortTermKey": None,
        "bedrockLongTermKey": {"user": "not an object"},
    },
}


async def scene() -> tuple[Scene, SmallIam]:
    """A grant that is Ready on a long-term key."""
    made = Scene()
    made.put_source()
    made.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_LONG_TERM)
    iam = made.cloud_provider.kept = SmallIam(made.clock, tagged=True)
    await live(made)
    assert made.conditions() == ["Ready True Succeeded"]
    return made, iam


async def live(made: Scene) -> None:
    """Look at the grant until the next look is not at once, or it is gone."""
    for _ in range(30):
        due = await made.settle()
        if due is None or due > made.clock.now:
            return
    raise AssertionError("it never settles")


def delete(made: Scene, **spec: Any) -> None:
    """The grant is edited, and deleted."""
    made.put_grant(**spec)
    body = made.api.objects[f"{GRANTS}/chat-key"]
    body["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    body["metadata"]["generation"] += 1
    made.store.put_grant(made.api.put(GRANTS, body))


def finalizers(made: Scene) -> list[str]:
    """Those of the grant."""
    found: list[str] = made.api.objects[f"{GRANTS}/chat-key"]["metadata"].get("finalizers", [])
    return found


@pytest.mark.parametrize("edit", _EDITS)
async def test_the_key_that_was_created_is_revoked(edit: str) -> None:
    """Whatever the spec says by then."""
    made, iam = await scene()
    delete(made, **_EDITS[edit])
    await live(made)
    assert iam.held == {}
    assert finalizers(made) == []
    assert _ORPHANS not in made.api.objects


@pytest.mark.parametrize("edit", _EDITS)
async def test_an_edited_kind_that_was_reported_changes_nothing(edit: str) -> None:
    """The status keeps the kind of the key while the grant is refused."""
    made, iam = await scene()
    made.put_grant(**_EDITS[edit])
    await live(made)
    assert made.conditions()[0] in {"Ready False KindChanged", "Ready False InvalidSpec"}
    assert made.status()["kind"] == "bedrockLongTermKey"
    for _ in range(3):
        await live(made)
    assert made.conditions()[0] in {"Ready False KindChanged", "Ready False InvalidSpec"}
    delete(made, **_EDITS[edit])
    await live(made)
    assert (iam.held, iam.made, finalizers(made)) == ({}, 1, [])


@pytest.mark.parametrize("edit", _EDITS)
async def test_a_revocation_that_fails_is_tried_as_long_as_any_other(edit: str) -> None:
    """Then the list names the kind of the key, and its user."""
    made, iam = await scene()
    key_id = made.status()["keyId"]
    iam.refusal = LOST
    delete(made, **_EDITS[edit])
    await assert_held(made)
    (entry,) = parsed(made.api.objects[_ORPHANS]["data"]).values()
    assert (entry.key_id, entry.kind) == (key_id, "bedrockLongTermKey")
    assert entry.holder == "IAM user bedrock-chat"
    assert entry.as_grant(cluster_id="") is not None


async def test_without_any_source_the_author_has_time_to_correct_the_spec() -> None:
    """Nothing says how the key is revoked: it is listed at the end, by its kind."""
    made, _ = await scene()
    key_id = made.status()["keyId"]
    delete(made, sourceRef="not an object")
    await assert_held(made)
    (entry,) = parsed(made.api.objects[_ORPHANS]["data"]).values()
    assert (entry.key_id, entry.kind) == (key_id, "bedrockLongTermKey")


async def test_a_spec_that_is_corrected_in_time_revokes_the_key() -> None:
    """A grant that is being deleted can still be edited."""
    made, iam = await scene()
    delete(made, sourceRef="not an object")
    await live(made)
    assert made.conditions()[0] == "Ready False Deleting"
    delete(made, bedrockShortTermKey=None, bedrockLongTermKey=_LONG_TERM)
    await live(made)
    assert (iam.held, finalizers(made)) == ({}, [])


async def test_a_source_of_another_account_does_not_revoke_the_key() -> None:
    """One of the key's account does, if the namespace may use it."""
    made, iam = await scene()
    elsewhere = made.api.objects[
        "/apis/keywright.dev/v1alpha1/namespaces/chat/credentialsources/bedrock"
    ]
    body = {**elsewhere, "metadata": {**elsewhere["metadata"], "name": "elsewhere", "uid": "e"}}
    made.store.put_source(
        made.api.put("/apis/keywright.dev/v1alpha1/namespaces/chat/credentialsources", body)
    )
    for name, account in (("bedrock", "123456789012"), ("elsewhere", "999999999999")):
        record = made.store.sources["chat", name]
        record.status = msgspec.structs.replace(record.status, account_id=account)
    delete(
        made,
        sourceRef={"name": "elsewhere"},
        bedrockShortTermKey=None,
        bedrockLongTermKey=_LONG_TERM,
    )
    made.cloud_provider.requested.clear()
    await live(made)
    assert (iam.held, finalizers(made)) == ({}, [])
    assert {uid for _, uid in made.cloud_provider.requested} == {"s"}


def share(made: Scene, *namespaces: str) -> None:
    """Sources of other namespaces that the grant may use, and whose statuses name its account."""
    path = "/apis/keywright.dev/v1alpha1/namespaces/{}/credentialsources"
    own = made.api.objects[f"{path.format('chat')}/bedrock"]
    for namespace in namespaces:
        metadata = {**own["metadata"], "namespace": namespace, "name": "shared", "uid": namespace}
        spec = {**own["spec"], "allowedNamespaces": {"names": ["chat"]}}
        body = {**own, "metadata": metadata, "spec": spec}
        made.store.put_source(made.api.put(path.format(namespace), body))
        record = made.store.sources[namespace, "shared"]
        record.status = msgspec.structs.replace(record.status, account_id="123456789012")


class _Reaching(ScriptedProvider):
    """Sources of `aaa` have a session of another account."""

    wrong: ManagedKeys

    @override
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        right = await super().keys(grant, source=source, evidence=evidence)
        return self.wrong if source.namespace == "aaa" else right


async def _with_a_wrong_source(*others: str) -> tuple[Scene, SmallIam]:
    """The source of the grant is gone; others name its account, `aaa` without reaching it."""
    made, iam = await scene()
    cloud_provider = _Reaching(clock=made.clock)
    cloud_provider.kept = iam
    cloud_provider.wrong = SmallIam(made.clock, out_of_reach=frozenset(iam.held))
    made.use_vendor(cloud_provider)
    share(made, "aaa", *others)
    delete(
        made, sourceRef={"name": "gone"}, bedrockShortTermKey=None, bedrockLongTermKey=_LONG_TERM
    )
    return made, iam


async def test_another_source_is_tried_after_one_that_does_not_reach_the_key() -> None:
    """The first by name claims the account in its status, or has a role without permissions."""
    made, iam = await _with_a_wrong_source("platform")
    await live(made)
    assert made.conditions()[0] == "Ready False Deleting"
    assert "aaa/shared" in made.status()["conditions"][0]["message"]
    assert (len(iam.held), len(finalizers(made))) == (1, 1)
    for _ in range(9):
        due = await made.settle()
        made.clock.now = max(due or made.clock.now, made.clock.now)
    assert (iam.held, finalizers(made)) == ({}, [])
    assert _ORPHANS not in made.api.objects


async def test_a_wrong_source_alone_is_tried_until_the_time_is_over() -> None:
    """The author can correct the spec meanwhile; then the key is listed."""
    made, iam = await _with_a_wrong_source()
    await assert_held(made)
    assert len(iam.held) == 1
    (entry,) = parsed(made.api.objects[_ORPHANS]["data"]).values()
    assert entry.key_id in iam.held


async def assert_held(made: Scene) -> None:
    """The grant stays for the time that a revocation has, and says so; then it is released."""
    until = made.clock.now + timedelta(minutes=15)
    while made.clock.now < until:
        due = await made.settle()
        assert finalizers(made)
        assert made.conditions()[0] == "Ready False Deleting"
        assert due is not None
        made.clock.now = max(due, made.clock.now)
    for _ in range(9):
        await made.settle()
    assert finalizers(made) == []
    assert ("Warning", "RevocationFailing") in made.api.events()
    assert ("Warning", "CredentialsOrphaned") in made.api.events()
