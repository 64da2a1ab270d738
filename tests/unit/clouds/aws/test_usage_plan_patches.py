"""What is changed of a usage plan when its grant is edited: the differences and no more."""

from typing import Any

import msgspec
import pytest

from keywright.api.api_gateway_key import NewUsagePlan
from keywright.clouds.aws.api_gateway.usage_plan_patches import detach_operations, patch_operations

STAGE = {"apiId": "a1", "stage": "prod"}
METHODS = {"/pets/GET": {"rateLimit": 1.5, "burstLimit": 2}}
ASKED: dict[str, Any] = {
    "name": "gold",
    "apiStages": [STAGE | {"methodThrottles": METHODS}],
    "throttle": {"rateLimit": 10, "burstLimit": 20},
    "quota": {"limit": 1000, "period": "MONTH"},
}
FOUND: dict[str, Any] = {
    "id": "p1",
    "name": "gold",
    "apiStages": [STAGE | {"throttle": METHODS}],
    "throttle": {"rateLimit": 10.0, "burstLimit": 20},
    "quota": {"limit": 1000, "period": "MONTH", "offset": 0},
}
_METHOD = "/apiStages/a1:prod/throttle/~1pets/GET"


def _patch(**requested: Any) -> list[str]:
    wanted = msgspec.convert(ASKED | requested, NewUsagePlan)
    return [
        " ".join(filter(None, (each["op"], each["path"], each.get("value", ""))))
        for each in patch_operations(FOUND, wanted=wanted)
    ]


def test_a_plan_that_is_as_wanted_is_left_alone() -> None:
    """Nothing is sent for a plan that has not changed."""
    assert _patch() == []


@pytest.mark.parametrize("unset", ["rateLimit", "burstLimit"])
def test_a_reported_limit_of_0_is_no_difference(unset: str) -> None:
    """API Gateway may report a limit that was never set as 0: no patch on every pass."""
    throttle = {"rateLimit": 10, "burstLimit": 20}
    wanted = msgspec.convert(
        ASKED | {"throttle": {name: n for name, n in throttle.items() if name != unset}},
        NewUsagePlan,
    )
    assert patch_operations(FOUND | {"throttle": throttle | {unset: 0}}, wanted=wanted) == []


@pytest.mark.parametrize(
    ("requested", "operations"),
    [
        (
            {"throttle": {"rateLimit": 11, "burstLimit": 20}},
            ["replace /throttle/rateLimit 11"],
        ),
        (
            {"throttle": {"rateLimit": 10.5}},
            ["remove /throttle", "replace /throttle/rateLimit 10.5"],
        ),
        ({"throttle": None}, ["remove /throttle"]),
        ({"quota": None}, ["remove /quota"]),
        (
            {"quota": {"limit": 5, "period": "WEEK", "offset": 3}},
            ["replace /quota/limit 5", "replace /quota/period WEEK", "replace /quota/offset 3"],
        ),
        ({"apiStages": []}, ["remove /apiStages a1:prod"]),
        (
            {"apiStages": [ASKED["apiStages"][0], {"apiId": "b2", "stage": "beta"}]},
            ["add /apiStages b2:beta"],
        ),
        ({"apiStages": [STAGE]}, [f"remove {_METHOD}"]),
        (
            {
                "apiStages": [
                    STAGE | {"methodThrottles": {**METHODS, "//GET": {"rateLimit": 3}}},
                ]
            },
            ["replace /apiStages/a1:prod/throttle/~1/GET/rateLimit 3"],
        ),
        (
            {"apiStages": [STAGE | {"methodThrottles": {"/pets/GET": {"rateLimit": 1.5}}}]},
            [f"remove {_METHOD}", f"replace {_METHOD}/rateLimit 1.5"],
        ),
    ],
)
def test_the_differences_alone_are_sent(requested: dict[str, Any], operations: list[str]) -> None:
    """Each edit is the patch operations of API Gateway's reference, and no others."""
    assert _patch(**requested) == operations


def test_a_plan_is_detached_before_it_goes() -> None:
    """API Gateway keeps a plan that has stages."""
    assert detach_operations(FOUND) == [{"op": "remove", "path": "/apiStages", "value": "a1:prod"}]
