"""What other grants of the same IAM user have proved: found by the user, verified once."""

from __future__ import annotations

import time
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.parsing import parse_grant
from keywright.controller.grants.key_proofs import KeyProofs
from keywright.controller.grants.state import build_state
from keywright.controller.key_records import Finding
from keywright.controller.store import Store
from keywright.planning.state import CloudKey
from keywright.secrets.proofs import Prover
from tests.unit.controller.samples import Scene

_HMAC_KEY = b"k" * 32


def _body(
    number: int, *, version: int = 1, user: str = "u", key_id: str | None = None, retiring: int = 0
) -> dict[str, Any]:
    """A grant of a key of an existing user; its id is proved."""
    name, uid = f"g{number}", f"uid-{number}"
    key_id = key_id or f"1/{user}/K{number}"
    return {
        "metadata": {
            "name": name,
            "namespace": "chat",
            "uid": uid,
            "generation": 1,
            "resourceVersion": str(version),
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "sourceRef": {"name": "s"},
            "bedrockLongTermKey": {"user": {"name": user, "create": False}, "rotateEvery": "7d"},
        },
        "status": {
            "kind": "bedrockLongTermKey",
            "keyId": key_id,
            "keyProof": Prover(_HMAC_KEY, "chat", name, (uid,)).of_key(key_id),
            "retiring": [
                {"keyId": f"1/u/{n}", "keyProof": "b" * 32, "retireAt": "2026-01-01T00:00:00Z"}
                for n in range(retiring)
            ],
        },
    }


def _grant(number: int = 0) -> ApiKeyGrant:
    found = parse_grant(_body(number))
    assert not isinstance(found, list)
    return found


def _proofs(*bodies: dict[str, Any]) -> tuple[Store, KeyProofs]:
    store = Store()
    for body in bodies:
        store.put_grant(body)
    return store, KeyProofs(store=store, fingerprint_key=lambda: _HMAC_KEY)


def test_only_grants_of_the_same_user_count() -> None:
    """Neither the grant itself nor those of another user; edits and deletions are followed."""
    store, proofs = _proofs(_body(0), _body(1), _body(2, user="other"))
    assert proofs.of_others(_grant()).ids == {"1/u/K1"}
    store.put_grant(_body(2, version=2, user="u"))
    assert proofs.of_others(_grant()).ids == {"1/u/K1", "1/u/K2"}
    store.put_grant(_body(1, version=3, user="other"))
    store.drop_grant("uid-2")
    assert proofs.of_others(_grant()).ids == frozenset()


def test_a_new_status_or_a_rotated_key_is_seen() -> None:
    """Whether the watch brings it or our own write; what nothing proves does not count."""
    store, proofs = _proofs(_body(0), _body(1))
    assert proofs.of_others(_grant()).ids == {"1/u/K1"}
    store.put_grant(_body(1, version=2, key_id="1/u/NEW"))
    assert proofs.of_others(_grant()).ids == {"1/u/NEW"}
    status = _body(1, key_id="1/u/NEWER")["status"]
    store.put_status("uid-1", version="3", status=status)
    assert proofs.of_others(_grant()).ids == {"1/u/NEWER"}
    store.put_status("uid-1", version="4", status=status | {"keyProof": "c" * 32})
    assert proofs.of_others(_grant()).ids == frozenset()


def test_many_grants_of_a_user_cost_little_however_long_their_statuses_are() -> None:
    """Each has a look of its own: what is verified is remembered, and forged entries are few."""
    _, proofs = _proofs(*(_body(number, retiring=100) for number in range(500)))
    began = time.process_time()
    for _ in range(200):
        assert len(proofs.of_others(_grant()).ids) == 499
    assert time.process_time() - began < 10


def test_grants_of_other_users_cost_nothing() -> None:
    """They are not gone through."""
    _, proofs = _proofs(_body(0), *(_body(number, user=f"u{number}") for number in range(1, 2000)))
    began = time.process_time()
    for _ in range(2000):
        assert proofs.of_others(_grant()).ids == frozenset()
    assert time.process_time() - began < 2.5


async def test_a_deleted_grant_whose_kind_was_edited_knows_the_keys_of_others() -> None:
    """What is left of its spec does not say that the user is an existing one, which is shared."""
    made = Scene()
    made.put_source()
    body = _body(0)
    body["spec"] = {"sourceRef": {"name": "bedrock"}, "apiGatewayKey": {"usagePlan": {"id": "a"}}}
    body["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    other = _body(1)
    prover = Prover(made.context.fingerprint_key(), "chat", "g1", ("uid-1",))
    other["status"]["keyProof"] = prover.of_key("1/u/K1")
    for each in (body, other):
        made.store.put_grant(each)
    listed = (CloudKey("1/u/K1", created_at=made.clock()),)
    found = await build_state(
        made.context,
        made.store.grants["uid-0"],
        skip_backoff=False,
        finding=Finding(listed=listed),
    )
    assert found.others_ids == {"1/u/K1"}
