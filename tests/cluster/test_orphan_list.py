"""The list of keys that could not be revoked, as the guide says to work with it."""

from __future__ import annotations

import msgspec

from keywright.planning.orphans import Orphan, Ref
from testbed.operators import NAMESPACE
from testbed.world import World
from tests.cluster.guides import commands, run

_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/keywright-orphans"
_IDS = ("123456789012/gone-user/ACCADROPPED", "123456789012/us-west-2/kept")


def _orphan(key_id: str) -> Orphan:
    gone = Ref("gone", "gone", "no such uid")
    return Orphan(
        key_id=key_id,
        kind="apiGatewayKey",
        account="123456789012",
        source=gone,
        grant=gone,
        holder="",
        key={},
        since="2026-11-27T00:00:00Z",
        why="the source is gone",
    )


def test_an_entry_is_dropped_by_the_command_of_the_guide(world: World) -> None:
    """That of the key alone, by the name that the operator gives it."""
    dropped, kept = map(_orphan, _IDS)
    data = {each.entry: msgspec.json.encode(each).decode() for each in (dropped, kept)}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": data}
    name = {"name": "keywright-orphans", "namespace": NAMESPACE}
    world.api.apply(body | {"metadata": name})
    (command,) = [each for each in commands("docs/operations.md") if "sha256sum" in each]
    run(command, world, KEY_ID=dropped.key_id)
    left = world.api.get(_PATH)["data"]
    assert dropped.entry not in left
    assert kept.entry in left
    world.api.merge(_PATH, {"data": {kept.entry: None}})
