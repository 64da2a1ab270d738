"""How much of an object is kept in memory, and what is said of one that is larger."""

import random
import string
from typing import Any

import pytest

from keywright.api.status import GrantStatus
from keywright.controller.invalid_objects import MAX_SPEC
from keywright.controller.records import grant_record, source_record
from tests.unit.api.samples import grant_body, source_body
from tests.unit.controller.samples import GRANTS, scene

_MEGABYTE = 1_000_000


def _noise(size: int) -> str:
    """A text that cannot be packed."""
    return "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=size))  # noqa: S311


def _grant(**changes: Any) -> dict[str, Any]:
    body = grant_body()
    body["metadata"] |= changes.pop("metadata", {})
    return body | changes


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_grant(spec={"description": _noise(_MEGABYTE)}), id="spec"),
        pytest.param(_grant(metadata={"finalizers": [_noise(300)] * 4000}), id="finalizers"),
        pytest.param(
            _grant(
                metadata={
                    "annotations": {"keywright.dev/renew-requested-at": _noise(250_000)},
                    "managedFields": [_noise(_MEGABYTE)],
                    "labels": {"a": _noise(_MEGABYTE)},
                }
            ),
            id="metadata",
        ),
        pytest.param(
            _grant(status={"conditions": [{"type": "Ready", "message": _noise(_MEGABYTE)}]}),
            id="a message",
        ),
        pytest.param(_grant(status={"unknown": {"a": _noise(_MEGABYTE)}}), id="unknown"),
        pytest.param(_grant(status={"keyId": _noise(_MEGABYTE)}), id="an id"),
        pytest.param(
            _grant(status={"pending": {"baseline": [_noise(1000)] * 1000}}), id="a baseline"
        ),
    ],
)
def test_what_is_kept_of_a_grant_is_bounded(body: dict[str, Any]) -> None:
    """Grants of a megabyte were kept whole: a namespace could take all memory with them."""
    record = grant_record(body, body["metadata"], version=7)
    assert len(record.packed) < 2 * MAX_SPEC
    GrantStatus.parse(record.parsed()["status"])


def test_what_we_write_ourselves_is_kept_whole() -> None:
    """Bounds are far above it."""
    condition = {"type": "Ready", "status": "True", "message": "m" * 4096, "reason": "Succeeded"}
    status = {"conditions": [condition] * 9, "pending": {"baseline": ["id"] * 100}, "keyId": "k"}
    body = _grant(status=status, metadata={"finalizers": ["keywright.dev/revoke"]})
    parsed = grant_record(body, body["metadata"], version=7).parsed()
    assert parsed["status"] == status
    assert parsed["metadata"]["finalizers"] == ["keywright.dev/revoke"]
    assert parsed["spec"] == body["spec"]


async def test_a_grant_that_is_too_large_says_so() -> None:
    """With what to do; and once it is smaller, it gets its key."""
    made = scene()
    body = made.api.objects[f"{GRANTS}/chat-key"]
    large = body["spec"] | {"unknown": "x" * MAX_SPEC}
    made.store.put_grant(made.api.put(GRANTS, body | {"spec": large}))
    await made.settle()
    assert made.conditions() == ["Ready False InvalidSpec", "Stalled True InvalidSpec"]
    (message,) = {condition["message"] for condition in made.status()["conditions"]}
    assert "65536 are read at most: shorten its policies and templates" in message
    made.put_grant()
    await made.settle()
    assert made.conditions() == ["Ready True Succeeded"]


def test_so_does_a_source() -> None:
    """Nothing of it is kept."""
    body = source_body()
    body["spec"]["unknown"] = "x" * MAX_SPEC
    body["metadata"]["resourceVersion"] = "7"
    value = source_record(body).value
    assert isinstance(value, list)
    assert ["65536 are read at most" in str(problem) for problem in value] == [True]
