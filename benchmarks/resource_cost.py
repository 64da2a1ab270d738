"""What the schema of ApiKeyGrant costs the API server: status patches beside those of a small CRD.

The small CRD is ours without rules, descriptions and fields: spec and status keep what they are
given. The other variants show which part of the schema the difference comes from. Compared are
processor times, since rates depend on what else the machine does.
"""

from __future__ import annotations

import asyncio
import copy
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

from benchmarks.clients import AdminClient, Name, grant, in_parallel
from benchmarks.measures import Row, model_of
from benchmarks.worlds import control_plane, measured_world, names
from testbed.world import CRDS, World

_OBJECTS: Final = 500
_ROUNDS: Final = 5
_OPEN: Final = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_SERVED_SECONDS: Final = 60


async def status_patches() -> list[Row]:
    """The processor time of a status patch, by variant of the CRD; rounds alternate."""
    with measured_world() as world:
        async with AdminClient(world.cluster) as client:
            model = await model_of(world, client)
            groups = {name: f"variant{i}.example" for i, name in enumerate(_VARIANTS)}
            made = names("patched", _OBJECTS)
            for name, group in groups.items():
                await _create(client, _crd(group, change=_VARIANTS[name]), group, made)
            cost: dict[str, list[float]] = {name: [] for name in groups}
            # The first round is not counted: it fills the API server's caches.
            for number in range(_ROUNDS + 1):
                for name, group in groups.items():
                    spent = await _patch(world, client, group, made, model.status, number=number)
                    cost[name].append(spent)
    each = {name: statistics.median(spent[1:]) * 1000 for name, spent in cost.items()}
    ratio = each[_OURS] / each[_SMALL]
    return [
        *(Row(f"status patch, {name}", f"kube-apiserver {ms:.2f} ms") for name, ms in each.items()),
        Row("status patch, of a small CRD", f"{ratio:.2f}"),
    ]


def _crd(group: str, *, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The CRD of grants in another API group, with the changes of a variant."""
    (path,) = (path for path in CRDS if "apikeygrants" in path.name)
    crd: dict[str, Any] = copy.deepcopy(yaml.safe_load(path.read_text()))
    kept = {key: crd["spec"]["names"][key] for key in ("kind", "listKind", "plural", "singular")}
    crd["metadata"] = {"name": f"apikeygrants.{group}"}
    crd["spec"] |= {"group": group, "names": kept}
    change(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    return crd


def _without(schema: dict[str, Any], *keys: str) -> None:
    for node in _nodes(schema):
        for key in keys:
            # A field of the name `description` has a schema, the text of a field does not.
            if not isinstance(node.get(key), dict):
                node.pop(key, None)


def _nodes(value: object) -> Iterator[dict[str, Any]]:
    match value:
        case dict():
            yield value
            for each in value.values():
                yield from _nodes(each)
        case list():
            for each in value:
                yield from _nodes(each)
        case _:
            pass


def _small(schema: dict[str, Any]) -> None:
    _without(schema, "x-kubernetes-validations", "description")
    schema["properties"] |= {"spec": _OPEN, "status": _OPEN}


_OURS: Final = "our CRD"
_SMALL: Final = "a small CRD"
_VARIANTS: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    _OURS: lambda _: None,
    "without CEL rules": lambda schema: _without(schema, "x-kubernetes-validations"),
    "without descriptions": lambda schema: _without(schema, "description"),
    "with an open status": lambda schema: schema["properties"].update(status=_OPEN),
    _SMALL: _small,
}


async def _create(
    client: AdminClient, crd: Mapping[str, Any], group: str, made: list[Name]
) -> None:
    """Create the CRD and its objects, once it is served."""
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await client.send("POST", definitions, crd)

    async def create(name: Name) -> None:
        body = grant(*name) | {"apiVersion": f"{group}/v1alpha1"}
        await client.send("POST", f"{_path(group, name[0])}", body)

    async with asyncio.timeout(_SERVED_SECONDS):
        while b'"apikeygrants"' not in await client.send("GET", f"/apis/{group}/v1alpha1"):  # noqa: ASYNC110  the API server is another process
            await asyncio.sleep(0.2)
    await in_parallel(made, create)


async def _patch(
    world: World,
    client: AdminClient,
    group: str,
    made: list[Name],
    status: Mapping[str, Any],
    *,
    number: int,
) -> float:
    """Patch each status once; returns the API server's processor time of one patch, in seconds."""
    body = {"status": {**status, "revision": number + 2}}

    async def patch(name: Name) -> None:
        path = f"{_path(group, name[0])}/{name[1]}/status?fieldManager=bare"
        await client.send("PATCH", path, body, form="merge-patch+json")

    cluster = control_plane(world)
    before = cluster.processor_seconds()["kube-apiserver"]
    await in_parallel(made, patch)
    return (cluster.processor_seconds()["kube-apiserver"] - before) / len(made)


def _path(group: str, namespace: str) -> str:
    return f"/apis/{group}/v1alpha1/namespaces/{namespace}/apikeygrants"
