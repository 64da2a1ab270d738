"""API Gateway's fixed quotas, one change at a time, and a data plane that lags behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.testbed.api_gateway import Partner, value
from tests.testbed.world import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.world import Tenant

TOO_MANY = (429, "TooManyRequestsException", "Too Many Requests")
CONCURRENT = "Unable to complete operation due to concurrent modification. Please try again later."


@pytest.fixture
def partner(tenant: Tenant) -> Partner:
    """A deployed API and its administrator, in a Region with unused quotas."""
    return Partner(tenant)


def test_five_keys_a_second(partner: Partner) -> None:
    """More within a second are refused, whatever the account may do altogether."""
    partner.tenant.cloud.gateway_time_scale(1)
    answers = [refusal_or_none(partner.key) for _ in range(15)]
    assert answers[:5] == [None] * 5
    assert TOO_MANY in answers
    assert partner.client.get_api_keys()["items"]


def test_one_change_of_a_plan_in_twenty_seconds(partner: Partner) -> None:
    """The emulator's clock counts, and the scale divides the time."""
    cloud, plan = partner.tenant.cloud, partner.plan()

    def change() -> None:
        partner.client.update_usage_plan(
            usagePlanId=plan,
            patchOperations=[{"op": "replace", "path": "/name", "value": "silver"}],
        )

    cloud.gateway_time_scale(1)
    change()
    assert refusal(change) == TOO_MANY
    cloud.set_clock(offset_seconds=21)
    change()
    cloud.gateway_time_scale(10)
    change()
    cloud.set_clock(offset_seconds=23.5)
    change()


def test_forty_calls_in_a_burst(partner: Partner) -> None:
    """Reads count as well; then ten a second."""
    partner.tenant.cloud.gateway_time_scale(1)
    with ThreadPoolExecutor(8) as pool:
        made = [pool.submit(refusal_or_none, partner.client.get_api_keys) for _ in range(80)]
        answers = [each.result() for each in made]
    assert answers.count(TOO_MANY) >= 20
    assert answers.count(None) >= 40


@pytest.mark.parametrize(
    ("older_form", "status", "code"),
    [(False, 409, "ConflictException"), (True, 400, "BadRequestException")],
)
def test_one_change_at_a_time(
    partner: Partner, *, older_form: bool, status: int, code: str
) -> None:
    """Keys that join a plan at once: all but one are refused, and nothing of them is done."""
    plan = partner.plan()
    keys = [partner.key()["id"] for _ in range(4)]
    # A change takes one second here.
    partner.tenant.cloud.gateway_time_scale(0.1, older_form=older_form)

    def join(key_id: str) -> tuple[int, str, str] | None:
        return refusal_or_none(
            lambda: partner.client.create_usage_plan_key(
                usagePlanId=plan, keyId=key_id, keyType="API_KEY"
            )
        )

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(join, keys))
    assert sorted(map(str, answers)) == sorted(map(str, [None, *[(status, code, CONCURRENT)] * 3]))
    assert len(partner.client.get_usage_plan_keys(usagePlanId=plan)["items"]) == 1


def test_a_revoked_key_opens_the_data_plane_for_a_while(partner: Partner) -> None:
    """Disabled, taken out of its plan, or deleted: all of it takes up to two minutes."""
    cloud, plan = partner.tenant.cloud, partner.plan()
    cloud.gateway_lags_behind(120)
    keys = [partner.key(plan, value=value()) for _ in range(3)]
    partner.client.update_api_key(
        apiKey=keys[0]["id"],
        patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}],
    )
    partner.client.delete_usage_plan_key(usagePlanId=plan, keyId=keys[1]["id"])
    partner.client.delete_api_key(apiKey=keys[2]["id"])
    assert [partner.call(key["value"])[0] for key in keys] == [200, 200, 200]
    cloud.set_clock(offset_seconds=121)
    assert [partner.call(key["value"])[0] for key in keys] == [403, 403, 403]


def refusal_or_none(call: Callable[[], object]) -> tuple[int, str, str] | None:
    """The refusal of a call, None where it succeeds."""
    succeeded: list[object] = []

    def noted() -> None:
        succeeded.append(call())

    try:
        return refusal(noted)
    except AssertionError:
        assert succeeded
        return None
