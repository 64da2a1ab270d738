"""Annotations with legacy names that an apply leaves, because others own them too."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.controller.grants.write import without_legacy_annotations
from tests.unit.controller.samples import SECRET, Scene, scene

_LEGACY = "keywright.dev/granted-by"


async def _applied() -> tuple[Scene, dict[str, Any]]:
    """A published Secret whose apply has left a legacy annotation."""
    made = scene()
    await made.settle()
    applied = made.api.objects[SECRET]["metadata"]
    applied["annotations"][_LEGACY] = "chat/chat-key 1"
    made.api.requested.clear()
    return made, applied


async def test_what_an_apply_left_is_removed_by_one_patch() -> None:
    """The patch names the version and uid of the Secret that was just written."""
    made, applied = await _applied()
    await without_legacy_annotations(made.context, applied)
    (requested,) = made.api.requested
    assert (requested.method, requested.path.partition("?")[0]) == ("PATCH", SECRET)
    assert requested.body == {
        "metadata": {
            "uid": applied["uid"],
            "resourceVersion": applied["resourceVersion"],
            "annotations": {_LEGACY: None},
        }
    }


@pytest.mark.parametrize(
    "error",
    [ApiError(status=409, reason="Conflict", message="Conflict"), ApiUnreachableError("PATCH")],
)
async def test_a_failure_to_remove_it_does_not_fail_the_write(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """The key is published, and the current annotation counts; the next write tries again."""
    made, applied = await _applied()
    made.api.answers.append((f"PATCH {SECRET}", error))
    assert await without_legacy_annotations(made.context, applied) == applied
    assert "failed, retrying at its next write" in caplog.text
