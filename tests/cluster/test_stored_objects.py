"""Objects that clusters have stored survive a change of the CRDs: no field is lost or refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from keywright.api.names import API_VERSION
from testbed.clusters.api import Api
from testbed.documents import documents
from testbed.world import CRDS, ROOT
from tests.cluster.eventually import eventually
from tests.cluster.worlds import MakeWorld

pytestmark = pytest.mark.xdist_group("stored-objects")

_STORED = tuple(
    document
    for file in sorted((ROOT / "tests" / "data" / "stored").glob("*.yaml"))
    for document in documents(file.read_text(encoding="utf-8"))
)
_NAMESPACE = "stored"
_PLURALS = {"ApiKeyGrant": "apikeygrants", "CredentialSource": "credentialsources"}


def _permissive(crd: dict[str, Any]) -> dict[str, Any]:
    """The CRD without its schema: it stores what an earlier version allowed, whatever that was."""
    found = copy.deepcopy(crd)
    for version in found["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = {
            "type": "object",
            "properties": {
                part: {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                for part in ("spec", "status")
            },
        }
        version.pop("additionalPrinterColumns", None)
    return found


def _path(document: dict[str, Any]) -> str:
    plural = _PLURALS[document["kind"]]
    name = document["metadata"]["name"]
    return f"/apis/{API_VERSION}/namespaces/{_NAMESPACE}/{plural}/{name}"


def _keeps(found: object, stored: object) -> bool:
    """Whether every stored value is still there; defaults of the CRDs may be added."""
    if isinstance(stored, dict):
        return isinstance(found, dict) and all(
            name in found and _keeps(found[name], value) for name, value in stored.items()
        )
    if isinstance(stored, list):
        return (
            isinstance(found, list)
            and len(found) == len(stored)
            and all(map(_keeps, found, stored))
        )
    return found == stored


def _lost(api: Api) -> list[str]:
    """The objects that are not read as they were stored, or cannot be written again."""
    lost = []
    for document in _STORED:
        path = _path(document)
        found = api.get(path)
        if not all(_keeps(found[part], document[part]) for part in ("spec", "status")):
            lost.append(f"{path}: read with other fields")
        # As the operator and a user write it: the status alone, and a label.
        for change, where in (
            ({"status": {"observedGeneration": 2}}, f"{path}/status"),
            ({"metadata": {"labels": {"example.com/edited": "yes"}}}, path),
        ):
            answer = api.merge(where, change)
            if not _keeps(answer["spec"], document["spec"]):
                lost.append(f"{path}: written with other fields")
    return lost


def test_stored_objects_are_read_and_written_by_the_present_crds(make_world: MakeWorld) -> None:
    """Every source and grant of the examples, with a status that has every field."""
    crds = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in CRDS]
    with make_world() as world:
        api = world.api
        for crd in crds:
            api.apply(_permissive(crd))
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}}
        api.apply(namespace)
        for document in _STORED:
            stored = {part: document[part] for part in document if part != "status"}
            api.create(stored)
            api.merge(f"{_path(document)}/status", {"status": document["status"]})
        for crd in crds:
            api.apply(crd)
        eventually(lambda: _serves_schema(api))
        assert _lost(api) == []
        # The comparison finds a field that a version would drop.
        for crd in crds:
            broken = copy.deepcopy(crd)
            for version in broken["spec"]["versions"]:
                del version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"][
                    "failedAttempts"
                ]
            api.apply(broken)
        eventually(lambda: len(_lost(api)) >= len(_STORED))


def _serves_schema(api: Api) -> bool:
    """Whether the API server validates by the present CRDs: a wrong field is refused."""
    body = copy.deepcopy(_STORED[0])
    body["metadata"] = {"name": "probe", "namespace": _NAMESPACE}
    body["spec"] = {"unknown": True}
    path = _path(body).rpartition("/")[0]
    try:
        api.request("POST", path, body=body, query={"dryRun": "All", "fieldValidation": "Strict"})
    except Exception:
        return True
    return False
