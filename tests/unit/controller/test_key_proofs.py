"""A key in the cloud is touched only on proof of whose it is (docs/threat-model.md)."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from typing import Any

import pytest

from keywright.planning.state import CloudKey
from tests.unit.api.samples import grant_body
from tests.unit.controller.samples import GRANTS, SECRET, SECRETS, Scene
from tests.unit.fakes.managed_keys import SmallIam

_GRANT = f"{GRANTS}/chat-key"
_THEIRS = "123456789012/bedrock-chat/ACCATHEIRS"
_PROOFS = ("keywright.dev/key-proof", "keywright.dev/replaces-key-proof")


def _spec(**changed: Any) -> dict[str, Any]:
    user = {"name": "bedrock-chat", "create": False}
    return {"user": user, "rotateEvery": "7d", "overlap": "1m"} | changed


def _scene(**changed: Any) -> tuple[Scene, SmallIam]:
    """A grant of a key of an existing user, and the IAM of its account."""
    made = Scene()
    made.put_source()
    made.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_spec(**changed))
    iam = SmallIam(made.clock)
    made.cloud_provider.kept = iam
    return made, iam


_ORPHANS = "/api/v1/namespaces/keywright-system/configmaps/keywright-orphans"


def _put_theirs(iam: SmallIam, *, at: datetime) -> None:
    """A key of another owner on the same user."""
    iam.held[_THEIRS] = CloudKey(_THEIRS, created_at=at)


async def _live(made: Scene, *, until: timedelta = timedelta(0)) -> None:
    """Look at the grant until nothing is due before that time."""
    end = made.clock.now + until
    for _ in range(60):
        due = await made.settle()
        if _GRANT not in made.api.objects or due is None or due > end:
            return
        made.clock.now = max(made.clock.now, due)
    raise AssertionError("it never settles")


def _edit(made: Scene, **metadata: Any) -> None:
    body = copy.deepcopy(made.api.objects[_GRANT])
    body["metadata"] |= metadata
    made.store.put_grant(made.api.put(GRANTS, body))


def _delete(made: Scene) -> None:
    generation = made.api.objects[_GRANT]["metadata"]["generation"] + 1
    _edit(made, deletionTimestamp="2026-11-22T12:00:00Z", generation=generation)


def _forge_status(made: Scene, **status: Any) -> None:
    body = copy.deepcopy(made.api.objects[_GRANT])
    body["status"] = body.get("status", {}) | status
    made.store.put_grant(made.api.put(GRANTS, body))


def _annotate(made: Scene, **annotations: str | None) -> None:
    """The Secret's annotations are edited; None removes one."""
    held = made.api.objects[SECRET]["metadata"]["annotations"]
    merged = held | {f"keywright.dev/{name}": value for name, value in annotations.items()}
    made.api.objects[SECRET]["metadata"]["annotations"] = {
        name: value for name, value in merged.items() if value is not None
    }
    made.see_secret()


def _of_before(made: Scene) -> None:
    """What a version of the operator left behind that made no proofs."""
    _annotate(made, **{"key-proof": None, "replaces-key-proof": None})
    body = copy.deepcopy(made.api.objects[_GRANT])
    body["status"].pop("keyProof", None)
    for key in body["status"].get("retiring", ()):
        key.pop("keyProof", None)
    made.store.put_grant(made.api.put(GRANTS, body))


def _notes(made: Scene) -> str:
    requested = made.api.requested
    return " ".join(a.body["note"] for a in requested if a.path.endswith("events") and a.body)


async def test_an_id_that_a_tenant_wrote_removes_nothing() -> None:
    """The attack of a preset finalizer and a Secret that names the victim's key."""
    made = Scene()
    made.put_source()
    body = grant_body(bedrockShortTermKey=None, bedrockLongTermKey=_spec())
    body["metadata"] |= {
        "finalizers": ["keywright.dev/revoke"],
        "deletionTimestamp": "2026-11-22T12:00:00Z",
    }
    iam = SmallIam(made.clock)
    made.cloud_provider.kept = iam
    _put_theirs(iam, at=made.clock.now)
    annotations = {
        "keywright.dev/owner": f"chat/chat-key {body['metadata']['uid']}",
        "keywright.dev/key-id": _THEIRS,
        "keywright.dev/replaces-key-id": _THEIRS,
    }
    secret = {"namespace": "chat", "name": "chat-key", "uid": "t", "annotations": annotations}
    made.api.put(SECRETS, {"metadata": secret})
    made.see_secret()
    made.store.put_grant(made.api.put(GRANTS, body))
    await _live(made, until=timedelta(minutes=10))
    assert list(iam.held) == [_THEIRS]
    assert not made.api.objects[_GRANT]["metadata"]["finalizers"]
    assert f"not removed: {_THEIRS}" in _notes(made)


@pytest.mark.parametrize("proof", [None, "", "0" * 32, "ä" * 32, "copied"])
async def test_a_forged_status_removes_nothing(proof: str | None) -> None:
    """Neither as the key in use nor as one that retires, nor by an intent of the victim's time."""
    made, iam = _scene()
    await _live(made)
    ours = made.status()["keyId"]
    _put_theirs(iam, at=made.clock.now)
    if proof == "copied":
        proof = made.status()["keyProof"]
    forged = {"keyId": _THEIRS, "retireAt": "2026-11-22T00:00:00Z"}
    forged |= {} if proof is None else {"keyProof": proof}
    pending = {"startedAt": made.status()["issuedAt"], "baseline": [ours], "proof": proof or ""}
    _forge_status(made, retiring=[forged], pending=pending)
    await _live(made, until=timedelta(minutes=5))
    assert set(iam.held) == {ours, _THEIRS}
    assert all(key.active for key in iam.held.values())
    assert made.status()["retiring"] == []
    assert "pending" not in made.status()
    _delete(made)
    await _live(made, until=timedelta(minutes=10))
    assert list(iam.held) == [_THEIRS]


async def test_an_intent_for_one_user_clears_up_no_other() -> None:
    """A grant that is moved to the victim's user does not take its new key for a lost one."""
    made, iam = _scene(user={"name": "bedrock-mine", "create": False})
    iam.lose = 1
    for _ in range(6):
        await made.settle()
        if iam.made:
            break
    assert "pending" in made.status()
    iam.held.clear()
    _put_theirs(iam, at=made.clock.now)
    made.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_spec())
    await _live(made, until=timedelta(minutes=5))
    assert _THEIRS in iam.held
    assert not any(_THEIRS in ids for ids in iam.requested)


async def test_exclusive_spares_what_another_grant_has_proved() -> None:
    """`exclusive` removes unknown keys; that of another grant of the same user is not unknown."""
    made, iam = _scene(exclusive=True)
    other = grant_body(bedrockShortTermKey=None, bedrockLongTermKey=_spec())
    other["metadata"] |= {"name": "other", "uid": "another"}
    made.store.put_grant(made.api.put(GRANTS, other))
    for _ in range(10):
        await made.reconcile("another")
    theirs = made.api.objects[f"{GRANTS}/other"]["status"]["keyId"]
    stranger = "123456789012/bedrock-chat/ACCASTRANGER"
    iam.held[stranger] = CloudKey(stranger, created_at=made.clock.now)
    await _live(made)
    assert set(iam.held) == {theirs, made.status()["keyId"]}


async def test_keys_of_before_the_proofs_are_kept_and_then_removed() -> None:
    """An upgrade writes nothing; the next renewal proves the old key by its value, and retires it.

    The value was written by the operator (the fingerprint says so), and IAM shows its alias.
    """
    made, iam = _scene()
    await _live(made)
    old = made.status()["keyId"]
    _of_before(made)
    made.api.requested.clear()
    await _live(made)
    assert made.api.writes() == []
    _edit(made, annotations={"keywright.dev/renew-requested-at": "2026-11-22T13:00:00Z"})
    await _live(made)
    retiring = made.status()["retiring"]
    assert [key["keyId"] for key in retiring] == [old]
    assert retiring[0]["keyProof"]
    await _live(made, until=timedelta(minutes=5))
    assert list(iam.held) == [made.status()["keyId"]]
    assert iam.made == 2


async def test_keys_of_a_tagged_user_need_no_proof() -> None:
    """The tag that the operator put on the user says whose its keys are."""
    made, iam = _scene(user={"name": "bedrock-chat"})
    iam.tagged = True
    await _live(made)
    _of_before(made)
    _delete(made)
    await _live(made, until=timedelta(minutes=10))
    assert iam.held == {}


async def test_a_value_proves_no_other_key() -> None:
    """A Secret of before whose annotation was changed to the victim's id."""
    made, iam = _scene()
    await _live(made)
    ours = made.status()["keyId"]
    _put_theirs(iam, at=made.clock.now - timedelta(days=1))
    _of_before(made)
    _forge_status(made, keyId=_THEIRS)
    _annotate(made, **{"key-id": _THEIRS})
    _delete(made)
    await _live(made, until=timedelta(minutes=10))
    assert set(iam.held) == {ours, _THEIRS}
    assert f"not removed: {_THEIRS}" in _notes(made)


async def test_a_restored_secret_proves_its_key() -> None:
    """A restore gives the grant another uid; its Secret names the one that the proof was for."""
    made, iam = _scene()
    await _live(made)
    ours = made.status()["keyId"]
    body = copy.deepcopy(made.api.objects[_GRANT])
    made.event_handlers.drop_grant(body["metadata"]["uid"])
    body["metadata"] |= {"uid": "restored", "finalizers": []}
    del body["status"]
    made.store.put_grant(made.api.put(GRANTS, body))
    for _ in range(5):
        await made.reconcile("restored")
    assert made.status()["keyId"] == ours
    assert iam.made == 1
    _delete(made)
    for _ in range(5):
        await made.reconcile("restored")
    assert iam.held == {}


async def test_a_copied_secret_proves_nothing_elsewhere() -> None:
    """Every annotation of another grant's Secret, the proof among them, under another name."""
    made, iam = _scene()
    await _live(made)
    theirs = made.api.objects[SECRET]
    copied = copy.deepcopy(theirs)
    uid = "copy-uid"
    copied["metadata"] |= {"name": "copy", "uid": "s2"}
    copied["metadata"]["annotations"]["keywright.dev/owner"] = f"chat/copy {uid}"
    body = grant_body(bedrockShortTermKey=None, bedrockLongTermKey=_spec())
    body["metadata"] |= {
        "name": "copy",
        "uid": uid,
        "finalizers": ["keywright.dev/revoke"],
        "deletionTimestamp": "2026-11-22T12:00:00Z",
    }
    copied["metadata"].pop("managedFields", None)
    stored = made.api.put(SECRETS, copied)
    made.event_handlers.secret(stored["metadata"])
    made.store.put_grant(made.api.put(GRANTS, body))
    # The copied value would prove it by possession: it is not even there.
    made.api.objects[f"{SECRETS}/copy"].pop("data", None)
    for _ in range(5):
        await made.reconcile(uid)
    assert list(iam.held) == [made.status()["keyId"]]
    assert not made.api.objects[f"{GRANTS}/copy"]["metadata"]["finalizers"]


async def test_the_key_of_a_grant_that_cannot_be_parsed_is_listed_as_left() -> None:
    """The identity of the status proves its id; the spec may be too large to be kept."""
    made, iam = _scene()
    await _live(made)
    (ours,) = iam.held
    body = copy.deepcopy(made.api.objects[_GRANT])
    body["spec"] = {}
    made.store.put_grant(made.api.put(GRANTS, body))
    _delete(made)
    await _live(made, until=timedelta(minutes=20))
    assert not made.api.objects[_GRANT]["metadata"]["finalizers"]
    assert f"left in the cloud: {ours}" in _notes(made)
    (entry,) = made.api.objects[_ORPHANS]["data"].values()
    assert ours in entry


async def test_proofs_stand_beside_their_ids() -> None:
    """In the Secret's annotations and in the status, for keys in use and for retiring ones."""
    made, _ = _scene()
    await _live(made)
    first = made.status()["keyProof"]
    assert made.api.objects[SECRET]["metadata"]["annotations"][_PROOFS[0]] == first
    _edit(made, annotations={"keywright.dev/renew-requested-at": "2026-11-22T13:00:00Z"})
    await _live(made)
    annotations = made.api.objects[SECRET]["metadata"]["annotations"]
    assert annotations[_PROOFS[1]] == first
    assert made.status()["retiring"][0]["keyProof"] == first
    assert annotations[_PROOFS[0]] == made.status()["keyProof"] != first
