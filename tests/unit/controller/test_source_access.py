"""Whose source is used: checked at each use, from the namespace that asks and the live source."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from keywright.api.errors import ConflictError, Failure
from keywright.controller.grants.source_access import AuthorizedVendor, SourceAccess
from keywright.secrets.credential import Credential
from tests.unit.api.samples import grant, parsed_source, source_body
from tests.unit.controller.samples import GRANTS, UID, Scene
from tests.unit.fakes.managed_keys import SmallIam

_KEY = {"user": {"name": "bedrock-chat", "create": False}, "rotateEvery": "7d"}
_SHARED = {"name": "bedrock", "namespace": "platform"}


def _source(*allowed: str, uid: str = "s", generation: int = 1, version: int = 5) -> dict[str, Any]:
    body = source_body()
    body["metadata"] = {
        "namespace": "platform",
        "name": "bedrock",
        "uid": uid,
        "generation": generation,
        "resourceVersion": str(version),
    }
    body["spec"]["allowedNamespaces"] = {"names": [*allowed]} if allowed else None
    return body


def _scene() -> tuple[Scene, SmallIam]:
    made = Scene()
    made.put_grant(bedrockShortTermKey=None, bedrockLongTermKey=_KEY, sourceRef=_SHARED)
    iam = SmallIam(made.clock)
    made.cloud_provider.kept = iam
    return made, iam


def _delete(made: Scene) -> None:
    body = made.api.objects[f"{GRANTS}/chat-key"]
    metadata = {
        **body["metadata"],
        "generation": body["metadata"]["generation"] + 1,
        "deletionTimestamp": "2026-11-22T12:00:00Z",
    }
    made.store.put_grant(made.api.put(GRANTS, {**body, "metadata": metadata}))


async def _until_gone(made: Scene) -> None:
    """Follow the due times until the finalizer is off; bounded."""
    for _ in range(40):
        due = await made.settle()
        if not made.api.objects[f"{GRANTS}/chat-key"]["metadata"].get("finalizers"):
            return
        if due is not None:
            made.clock.now = max(made.clock.now, due)
    raise AssertionError("the grant does not go")


async def _ready(made: Scene) -> None:
    for _ in range(10):
        await made.settle()
    assert made.conditions() == ["Ready True Succeeded"]


async def test_a_source_that_refuses_the_namespace_revokes_nothing() -> None:
    """The permission was withdrawn: the key stays, and the grant goes with a report."""
    made, iam = _scene()
    made.event_handlers.source(_source("chat"))
    await _ready(made)
    made.event_handlers.source(_source("others", generation=2, version=6))
    _delete(made)
    made.cloud_provider.requested.clear()
    await _until_gone(made)
    assert len(iam.held) == 1
    assert made.cloud_provider.requested == []
    assert ("Warning", "CredentialsOrphaned") in made.api.events()


async def test_a_source_that_is_gone_revokes_for_whom_it_allowed() -> None:
    """By its last live version, and only for a grant that is being deleted."""
    made, iam = _scene()
    made.event_handlers.source(_source("chat"))
    await _ready(made)
    made.event_handlers.source(_source("chat"), deleted=True)
    await made.settle()
    assert made.conditions()[0] == "Ready True Succeeded"
    _delete(made)
    await _until_gone(made)
    assert iam.held == {}


@pytest.mark.parametrize("again", [False, True])
async def test_what_a_source_that_is_gone_allowed_before_counts_no_more(*, again: bool) -> None:
    """Its last version refused; or another of its name is live, which refuses."""
    made, iam = _scene()
    made.event_handlers.source(_source("chat"))
    await _ready(made)
    if again:
        made.event_handlers.source(_source("chat"), deleted=True)
        made.event_handlers.source(_source("others", uid="another", version=9))
    else:
        made.event_handlers.source(_source("others", generation=2, version=6))
        made.event_handlers.source(_source("others", generation=2, version=6), deleted=True)
    _delete(made)
    made.cloud_provider.requested.clear()
    await _until_gone(made)
    assert len(iam.held) == 1
    assert made.cloud_provider.requested == []


async def test_the_memory_of_a_source_goes_with_its_grants() -> None:
    """A source is remembered while a grant names it, and no longer."""
    made, _ = _scene()
    made.event_handlers.source(_source("chat"))
    made.event_handlers.source(_source("chat"), deleted=True)
    assert made.store.deleted_source(("platform", "bedrock")) is not None
    made.event_handlers.drop_grant(UID)
    assert made.store.deleted_source(("platform", "bedrock")) is None


_ASKING = grant(bedrockShortTermKey=None, bedrockLongTermKey=_KEY, sourceRef=_SHARED)


@pytest.mark.parametrize("path", ["mint", "keys", "probe"])
@pytest.mark.parametrize(
    ("live", "error"),
    [
        (_source("others"), Failure),
        (None, Failure),
        (_source("chat", generation=2), ConflictError),
        (_source("chat", uid="another"), ConflictError),
    ],
)
async def test_every_path_checks_before_it_asks_the_cloud(
    path: str, live: dict[str, Any] | None, error: type[Exception]
) -> None:
    """Whatever was decided before: the live source has the last word, at each use."""
    made, iam = _scene()
    if live is not None:
        made.event_handlers.source(live)
    decided = parsed_source(_source("chat"))
    access = SourceAccess(store=made.store, tenancy=made.tenancy)
    cloud_provider = AuthorizedVendor(made.cloud_provider, access=access)
    credential = Credential({}, "us-west-2", None, None, made.clock.now, None)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "mint": lambda: cloud_provider.mint(_ASKING, source=decided),
        "keys": lambda: cloud_provider.keys(_ASKING, source=decided),
        "probe": lambda: cloud_provider.probe(_ASKING, credential, source=decided),
    }
    with pytest.raises(error):
        await calls[path]()
    assert (
        made.cloud_provider.requested,
        made.cloud_provider.issued_key,
        made.cloud_provider.tried,
    ) == ([], 0, [])
    assert iam.made == 0
