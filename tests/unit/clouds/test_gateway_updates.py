"""In which order a key in API Gateway is changed and tagged: no interruption looks like a hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from keywright.clouds.aws.api_gateway.api_key import is_disabled_by_hand, update
from keywright.clouds.owner_tags import DISABLED_TAG, TAG

_ARN = "arn:aws:apigateway:us-west-2::/apikeys/k"


class _InterruptedError(Exception):
    """The operator is killed here."""


@dataclass
class Account:
    """One key; dies before the call after the next `lives` calls."""

    enabled: bool
    tags: dict[str, str]
    lives: int = 9
    calls: list[str] = field(default_factory=list)

    def _call(self, name: str) -> None:
        if not self.lives:
            raise _InterruptedError
        self.lives -= 1
        self.calls.append(name)

    def update_api_key(self, **request: Any) -> None:
        """Switches it."""
        self._call("update_api_key")
        (operation,) = request["patchOperations"]
        assert operation["path"] == "/enabled"
        self.enabled = operation["value"] == "true"

    def tag_resource(self, **request: Any) -> None:
        """Adds tags."""
        self._call("tag_resource")
        self.tags |= request["tags"]

    def untag_resource(self, **request: Any) -> None:
        """Removes tags."""
        self._call("untag_resource")
        for name in request["tagKeys"]:
            del self.tags[name]

    def key(self) -> dict[str, Any]:
        """As GetApiKey reports it."""
        return {"id": "k", "enabled": self.enabled, "tags": dict(self.tags)}

    def bring(self, *, enabled: bool) -> None:
        """Bring it to what a grant says."""
        tags = {TAG: "chat/key"} | ({} if enabled else {DISABLED_TAG: "true"})
        update(self, self.key(), wanted={"enabled": enabled}, tags=tags, arn=_ARN)


@pytest.mark.parametrize("lives", [0, 1, 2])
@pytest.mark.parametrize("enabled", [True, False])
def test_an_interrupted_switch_does_not_look_like_one_by_hand(*, enabled: bool, lives: int) -> None:
    """At no moment is the key disabled without the tag; the next try ends it."""
    tags = {TAG: "chat/key"} | ({DISABLED_TAG: "true"} if enabled else {})
    account = Account(enabled=not enabled, tags=tags, lives=lives)
    if lives < 2:
        with pytest.raises(_InterruptedError):
            account.bring(enabled=enabled)
    else:
        account.bring(enabled=enabled)
    assert not is_disabled_by_hand(account.key())
    account.lives = 9
    account.bring(enabled=enabled)
    assert (account.enabled, DISABLED_TAG in account.tags) == (enabled, not enabled)
    account.calls.clear()
    account.bring(enabled=enabled)
    assert account.calls == []
