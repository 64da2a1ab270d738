"""A Lease as the lock of leader election."""

import pytest

from keywright.api.errors import ApiError
from keywright.cluster.leases import Leases, LeaseState
from tests.unit.fakes.kubernetes import KubernetesInMemory

PATH = "/apis/coordination.k8s.io/v1/namespaces/keywright-system/leases/keywright"


@pytest.fixture
def api() -> KubernetesInMemory:
    """A cluster without the Lease."""
    return KubernetesInMemory()


@pytest.fixture
def leases(api: KubernetesInMemory) -> Leases:
    """The Lease of that cluster."""
    return Leases(api, "keywright-system", "keywright")


async def test_a_lease_is_made_renewed_and_released(
    api: KubernetesInMemory, leases: Leases
) -> None:
    """Its version changes with each write; its transitions only with its holder."""
    assert await leases.read() is None
    made = await leases.write(None, holder="me", seconds=15)
    assert made is not None
    assert (made.holder, made.transitions) == ("me", 1)
    renewed = await leases.write(made, holder="me", seconds=15)
    assert renewed is not None
    assert renewed.version != made.version
    assert renewed.transitions == 1
    released = await leases.write(renewed, holder="", seconds=1)
    assert released == LeaseState("", api.objects[PATH]["metadata"]["resourceVersion"], 1)
    assert await leases.read() == released
    taken = await leases.write(released, holder="next", seconds=15)
    assert taken is not None
    assert taken.transitions == 2


async def test_others_read_it_as_any_lease(api: KubernetesInMemory, leases: Leases) -> None:
    """Microseconds in UTC, the duration in seconds, when it was taken; kubectl shows its holder."""
    await leases.write(None, holder="me", seconds=15)
    spec = api.objects[PATH]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("me", 15)
    assert spec["renewTime"] == spec["acquireTime"]
    assert len(spec["renewTime"]) == len("2026-11-22T12:00:00.000000Z")


async def test_of_two_writers_one_is_faster(api: KubernetesInMemory, leases: Leases) -> None:
    """The other gets a conflict, if it was created, changed or deleted in the meantime."""
    made = await leases.write(None, holder="first", seconds=15)
    assert await leases.write(None, holder="second", seconds=15) is None
    await leases.write(made, holder="first", seconds=15)
    assert await leases.write(made, holder="second", seconds=15) is None
    del api.objects[PATH]
    assert await leases.write(made, holder="second", seconds=15) is None


async def test_an_empty_lease_is_nobodys(api: KubernetesInMemory, leases: Leases) -> None:
    """One that was made by hand may have no spec at all."""
    api.put(PATH.rpartition("/")[0], {"metadata": {"name": "keywright"}})
    found = await leases.read()
    assert found is not None
    assert (found.holder, found.transitions) == ("", 0)


async def test_other_refusals_are_raised(api: KubernetesInMemory, leases: Leases) -> None:
    """They say nothing about who holds it."""
    forbidden = ApiError(status=403, reason="Forbidden", message="no")
    api.answers += [("GET", forbidden), ("POST", forbidden)]
    with pytest.raises(ApiError):
        await leases.read()
    with pytest.raises(ApiError):
        await leases.write(None, holder="me", seconds=15)
