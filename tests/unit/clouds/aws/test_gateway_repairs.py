"""Usage plans that change by hand: keys that work are neither deleted nor reported as lost."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from keywright.api.sensitive import Sensitive
from keywright.clouds.interfaces import Intent, IssuedKey
from keywright.clouds.listings import SharedListings
from keywright.clouds.owner_tags import IMPORT_TAG, INTENT_TAG
from keywright.planning.state import KeyFault
from tests.unit.clouds.aws.small_gateway import FILE, SmallGateway, gateway_keys
from tests.unit.fakes.clock import FakeClock

_ONE, _TWO = "a" * 24, "b" * 24
_ID = "123456789012/us-west-2/"
_SHORT = f"name,key,usageplanids\none,{_ONE},\n"
_CSV = f"{_SHORT}two,{_TWO},p2\n"


def imported() -> SmallGateway:
    """Two keys of a file that was imported; the second is in a plan of its row as well."""
    gateway = SmallGateway()
    gateway.add_plan("p1", name="one")
    gateway.add_plan("p2", name="two")
    own = {IMPORT_TAG: "import-x", INTENT_TAG: "import-x"}
    gateway.add_key("k1", _ONE, name="one", plans=("p1",), **own)
    gateway.add_key("k2", _TWO, name="two", plans=("p1", "p2"), **own)
    return gateway


async def look_up(gateway: SmallGateway, *, parts: int) -> KeyFault | None:
    """What a lookup finds, by listings that are new."""
    keys = gateway_keys(gateway, file=_CSV, usagePlan={"id": "p1"}, csvFrom=FILE)
    return await keys.find_fault(f"{_ID}import-x", frozenset({f"{_ID}import-x"}), parts)


async def make(
    gateway: SmallGateway, *, in_use: str | None, keep: str | None, file: str = _CSV
) -> IssuedKey:
    """Carry out an intent named y."""
    keys = gateway_keys(gateway, file=file, usagePlan={"id": "p1"}, csvFrom=FILE)
    return await keys.create(
        Intent(
            name="y",
            value=Sensitive("planted"),
            fresh=False,
            in_use=in_use and _ID + in_use,
            keep=keep and _ID + keep,
        )
    )


def published(made: IssuedKey) -> Collection[str]:
    """The names of the keys in the Secret."""
    return set(made.credential.values)


async def test_a_repair_leaves_the_key_of_a_skipped_row_alone() -> None:
    """It was published, and still works in the plan of the grant."""
    gateway = imported()
    assert await look_up(gateway, parts=2) is None
    gateway.delete_plan("p2")
    assert await look_up(gateway, parts=2) is KeyFault.OUTSIDE_PLAN
    made = await make(gateway, in_use="import-x", keep="import-x")
    assert published(made) == {"one"}
    assert "there is no usage plan p2" in made.warning
    assert set(gateway.keys) == {"k1", "k2"}
    assert gateway.members["p1"] == {"k1", "k2"}


async def test_a_row_that_a_repair_skipped_is_not_reported_again() -> None:
    """Otherwise each lookup would report a loss that only another file can repair."""
    gateway = imported()
    gateway.delete_plan("p2")
    assert await look_up(gateway, parts=1) is None
    # The other key is still looked at, and so is the skipped one once its plan exists.
    gateway.members["p1"].discard("k1")
    assert await look_up(gateway, parts=1) is KeyFault.OUTSIDE_PLAN
    gateway.members["p1"].add("k1")
    gateway.add_plan("p2", name="two")
    assert await look_up(gateway, parts=1) is KeyFault.OUTSIDE_PLAN
    made = await make(gateway, in_use="import-x", keep="import-x")
    assert published(made) == {"one", "two"}
    assert "k2" in gateway.members["p2"]


async def test_a_skipped_row_hides_no_fault_of_the_grants_own_plan() -> None:
    """Only the plans of a row make it one that was skipped; a disabled key of it is none either."""
    gateway = imported()
    gateway.delete_plan("p2")
    gateway.keys["k2"]["enabled"] = False
    assert await look_up(gateway, parts=1) is None
    gateway.delete_plan("p1")
    assert await look_up(gateway, parts=1) is not None


async def test_a_file_with_another_plan_takes_up_the_key_of_a_skipped_row() -> None:
    """The new import publishes it again, without another value."""
    gateway = imported()
    gateway.delete_plan("p2")
    file = _CSV.replace("p2", "")
    made = await make(gateway, in_use="import-x", keep=None, file=file)
    assert published(made) == {"one", "two"}
    assert {key["tags"][IMPORT_TAG] for key in gateway.keys.values()} == {"import-y"}


@pytest.mark.parametrize(("file", "left"), [(_CSV, {"k1", "k2"}), (_SHORT, {"k1"})])
async def test_an_import_from_before_a_restore_keeps_the_keys_of_its_file(
    file: str, left: set[str]
) -> None:
    """It is not in use, but readers may have its keys; one of no row is deleted."""
    gateway = imported()
    gateway.delete_plan("p2")
    await make(gateway, in_use=None, keep="import-x", file=file)
    assert set(gateway.keys) == left


async def test_an_import_that_was_never_finished_drops_the_keys_of_no_row() -> None:
    """They were never published: the file was edited before the import was finished."""
    gateway = imported()
    for key in gateway.keys.values():
        key["tags"] |= {IMPORT_TAG: "import-y", INTENT_TAG: "import-y"}
    await make(gateway, in_use="import-x", keep=None, file=_SHORT)
    assert set(gateway.keys) == {"k1"}


async def find(gateway: SmallGateway, listings: SharedListings, name: str) -> KeyFault | None:
    """The fault of the key whose plan has this name."""
    keys = gateway_keys(gateway, listings=listings, usagePlan={"name": name})
    known = frozenset(f"{_ID}{key}" for key in gateway.keys)
    return await keys.find_fault(f"{_ID}k-{name}", known, 1)


async def test_a_plan_that_a_shared_listing_does_not_show_yet_is_looked_up() -> None:
    """The listing is older than the plan; the key works. One that is in no plan is reported."""
    gateway, clock = SmallGateway(), FakeClock()
    listings = SharedListings(clock=clock)
    gateway.add_plan("p1", name="one")
    gateway.add_key("k-one", _ONE, plans=("p1",))
    gateway.add_key("k-nine", _TWO, plans=())
    assert await find(gateway, listings, "one") is None
    assert await find(gateway, listings, "nine") is KeyFault.OUTSIDE_PLAN
    gateway.add_plan("p9", name="nine")
    assert await find(gateway, listings, "nine") is KeyFault.OUTSIDE_PLAN
    gateway.members["p9"].add("k-nine")
    assert await find(gateway, listings, "nine") is None
