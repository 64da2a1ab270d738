"""What the journal asks of the cluster before a key costs one of its two places."""

import pytest

from keywright.api.errors import LostLeaseError
from tests.unit.controller.samples import GRANTS, UID, Scene
from tests.unit.fakes.managed_keys import SmallIam

_KEY = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}


def scene() -> tuple[Scene, SmallIam]:
    """A grant of a long-term key, and the IAM of its account."""
    made = Scene()
    made.put_source()
    made.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_KEY)
    iam = SmallIam(made.clock)
    made.cloud_provider.kept = iam
    return made, iam


async def live(made: Scene) -> None:
    """Look at the grant until the next look is not at once."""
    for _ in range(20):
        due = await made.settle()
        if due is None or due > made.clock.now:
            return
    raise AssertionError("it never settles")


async def test_a_key_needs_its_finalizer_first() -> None:
    """The grant cannot go without its key from before the key is there."""
    made, iam = scene()
    await live(made)
    assert made.api.objects[f"{GRANTS}/chat-key"]["metadata"]["finalizers"] == [
        "keywright.dev/revoke"
    ]
    assert made.conditions() == ["Ready True Succeeded"]
    assert made.api.events() == []
    assert (iam.made, iam.prepared) == (1, 1)
    assert made.status()["renewAt"] < "2026-11-29T12:00:00Z"


async def test_a_secret_of_somebody_else_costs_no_key() -> None:
    """It is looked for before the create, as no second try is free."""
    made, iam = scene()
    made.put_secret()
    await live(made)
    assert made.conditions()[0] == "Ready False SecretConflict"
    assert iam.made == 0


async def test_a_secret_that_is_going_costs_no_key() -> None:
    """While a finalizer holds the old Secret back, the grant waits by its back-off."""
    made, iam = scene()
    made.put_secret(deletionTimestamp="2026-11-22T12:00:00Z", labels={"a": "b"})
    await live(made)
    assert made.conditions()[0] in {
        "Ready False SecretTerminating",
        "Ready False SecretConflict",
    }
    assert iam.made == 0


async def test_without_the_lease_nothing_is_asked_of_the_cloud() -> None:
    """A replica that was replaced makes no key."""
    made, iam = scene()
    made.gate.shut = True
    with pytest.raises(LostLeaseError):
        await made.reconcile(UID)
    assert iam.made == 0
