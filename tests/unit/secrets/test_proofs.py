"""Proofs that the operator issued a key, wrote an intent, or recorded an identity."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keywright.secrets.proofs import Prover
from tests.unit.replace import replace

PROVER = Prover(b"operator's own", "chat", "chat-key", uids=("now", "before"))
KEY_ID = "123456789012/bedrock-chat/ACCAA"
STARTED = datetime(2026, 11, 22, 12, tzinfo=UTC)


def _intent(prover: Prover) -> str:
    return prover.of_intent(STARTED, holder="bedrock-chat", baseline=("b", "a"))


def test_proofs_of_earlier_versions_stay_valid() -> None:
    """These values are recorded in Secrets and statuses: another computation would disown keys."""
    identity = PROVER.of_identity(grant_id="id", cluster_id="here", uid="now")
    assert PROVER.of_key(KEY_ID) == "e39b77424c6a47339156e0b9ab2c7701"
    assert _intent(PROVER) == "7650704d45ab375c0ab4486af84f10a8"
    assert identity.proof == "5b4313c9a1eaa8657567c2b3fcea1de4"


@pytest.mark.parametrize(
    ("prover", "key_id", "expected"),
    [
        (PROVER, KEY_ID, True),
        (replace(PROVER, uids=("before",)), KEY_ID, True),
        (replace(PROVER, uids=("another",)), KEY_ID, False),
        (replace(PROVER, name="another"), KEY_ID, False),
        (replace(PROVER, namespace="another"), KEY_ID, False),
        (replace(PROVER, key=b"another"), KEY_ID, False),
        (PROVER, KEY_ID + "B", False),
        (PROVER, KEY_ID.replace("1", "2"), False),
    ],
)
def test_a_proof_is_valid_for_one_key_of_one_grant(
    prover: Prover, key_id: str, *, expected: bool
) -> None:
    """The IDs that the grant had before count; no other grant, key, account or operator does."""
    assert PROVER.proves_key(KEY_ID, prover.of_key(key_id)) is expected


@pytest.mark.parametrize("proof", [None, "", "é" * 32, "0" * 32])
def test_a_missing_or_forged_proof_is_invalid(proof: str | None) -> None:
    """Any client with write access can put any text there."""
    assert not PROVER.proves_key(KEY_ID, proof)


def test_the_order_of_the_baseline_does_not_matter() -> None:
    """A status lists the keys in the order of the cloud."""
    proof = _intent(PROVER)
    assert PROVER.proves_intent(proof, STARTED, holder="bedrock-chat", baseline=("a", "b"))
    assert not PROVER.proves_intent(proof, STARTED, holder="bedrock-chat", baseline=("a",))
    assert not PROVER.proves_intent(proof, STARTED, holder="another", baseline=("a", "b"))
