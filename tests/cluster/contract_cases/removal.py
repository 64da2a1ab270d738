"""Deletion: preconditions, finalizers, owners and what they own, namespaces."""

from __future__ import annotations

from tests.cluster.contract_cases.steps import MERGE, Answer, Case, Document, Step
from tests.cluster.contract_cases.widgets import CONFIG_MAPS, config_map


def _owned(name: str, *owners: int) -> object:
    def body(answers: list[Answer]) -> Document:
        references = [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": answers[index].document["metadata"]["name"],
                "uid": answers[index].document["metadata"]["uid"],
            }
            for index in owners
        ]
        return {**config_map(name), "metadata": {"name": name, "ownerReferences": references}}

    return body


def _create(name: str, *finalizers: str) -> Step:
    metadata: Document = {"name": name}
    if finalizers:
        metadata["finalizers"] = list(finalizers)
    body = {**config_map(name), "metadata": metadata}
    return Step(method="POST", path=CONFIG_MAPS, body=body, status=201)


def _gone(name: str) -> Step:
    path = f"{CONFIG_MAPS}/{name}"
    return Step(method="GET", path=path, status=404, reason="NotFound", eventually=True)


_PRECONDITIONS = Case(
    "preconditions",
    (
        _create("c"),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}/c",
            body={"preconditions": {"uid": "other"}},
            status=409,
            reason="Conflict",
        ),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}/c",
            body={"preconditions": {"resourceVersion": "1"}},
            status=409,
        ),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}/c",
            body=lambda answers: {"preconditions": {"uid": answers[0].document["metadata"]["uid"]}},
            fields={"status": "Success", "details.kind": "configmaps"},
        ),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}/c",
            status=404,
            message='configmaps "c" not found',
        ),
    ),
)

_FINALIZERS = Case(
    "finalizers",
    (
        _create("c", "a.b/c"),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}/c",
            fields={"metadata.finalizers": ["a.b/c"], "metadata.deletionGracePeriodSeconds": 0},
        ),
        Step(method="DELETE", path=f"{CONFIG_MAPS}/c", fields={"kind": "ConfigMap"}),
        Step(
            method="PATCH",
            path=f"{CONFIG_MAPS}/c",
            body={"metadata": {"finalizers": ["a.b/c", "d.e/f"]}},
            content_type=MERGE,
            status=422,
            message='ConfigMap "c" is invalid: metadata.finalizers: Forbidden: no new finalizers '
            "can be added if the object is being deleted, found new finalizers "
            '[]string{"d.e/f"}',
        ),
        Step(
            method="PATCH",
            path=f"{CONFIG_MAPS}/c",
            body={"metadata": {"finalizers": None}},
            content_type=MERGE,
            fields={"metadata.finalizers": None},
        ),
        Step(method="GET", path=f"{CONFIG_MAPS}/c", status=404),
    ),
)

_OWNERS = Case(
    "owners",
    (
        _create("first"),
        _create("second"),
        Step(method="POST", path=CONFIG_MAPS, body=_owned("of-first", 0), status=201),
        Step(method="POST", path=CONFIG_MAPS, body=_owned("of-both", 0, 1), status=201),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}/first",
            body={"propagationPolicy": "Background"},
        ),
        _gone("of-first"),
        Step(
            method="GET",
            path=f"{CONFIG_MAPS}/of-both",
            fields={
                "metadata.ownerReferences.0.name": "second",
                "metadata.ownerReferences.1": None,
            },
            eventually=True,
        ),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}/second",
            body={"propagationPolicy": "Orphan"},
            compare=False,  # the real one answers with the object, which its collector removes
        ),
        _gone("second"),
        Step(
            method="GET",
            path=f"{CONFIG_MAPS}/of-both",
            fields={"metadata.ownerReferences": None},
            eventually=True,
        ),
        Step(method="POST", path=CONFIG_MAPS, body=_owned("late", 0), status=201),
        _gone("late"),
    ),
)

_SPACE = "contract-doomed"
_NAMESPACES = Case(
    "namespaces",
    (
        Step(
            method="POST",
            path="/api/v1/namespaces",
            body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _SPACE}},
            status=201,
            fields={
                "status.phase": "Active",
                "metadata.labels.kubernetes\\.io/metadata\\.name": _SPACE,
            },
        ),
        Step(
            method="GET",
            path=f"/api/v1/namespaces/{_SPACE}/serviceaccounts/default",
            eventually=True,
        ),
        Step(
            method="POST",
            path=CONFIG_MAPS.replace("{ns}", _SPACE),
            body={**config_map("c"), "metadata": {"name": "c", "finalizers": ["a.b/c"]}},
            status=201,
        ),
        Step(
            method="DELETE",
            path=f"/api/v1/namespaces/{_SPACE}",
            fields={"status.phase": "Terminating"},
        ),
        Step(
            method="POST",
            path=CONFIG_MAPS.replace("{ns}", _SPACE),
            body=config_map("d"),
            status=403,
            reason="Forbidden",
            message='configmaps "d" is forbidden: unable to create new content in namespace '
            f"{_SPACE} because it is being terminated",
        ),
        Step(
            method="GET",
            path=f"{CONFIG_MAPS.replace('{ns}', _SPACE)}/c",
            fields={"metadata.deletionGracePeriodSeconds": 0},
            eventually=True,
        ),
        Step(
            method="PATCH",
            path=f"{CONFIG_MAPS.replace('{ns}', _SPACE)}/c",
            body={"metadata": {"finalizers": None}},
            content_type=MERGE,
        ),
        Step(method="GET", path=f"/api/v1/namespaces/{_SPACE}", status=404, eventually=True),
    ),
)

_COLLECTION = Case(
    "collection",
    (
        *(
            Step(
                method="POST",
                path=CONFIG_MAPS,
                body={**config_map(name), "metadata": {"name": name, "labels": {"k": label}}},
                status=201,
            )
            for name, label in (("a", "x"), ("b", "x"), ("c", "y"))
        ),
        Step(
            method="DELETE",
            path=f"{CONFIG_MAPS}?labelSelector=k%3Dx",
            compare=False,  # built-in kinds answer with the list, as custom ones do
        ),
        Step(
            method="GET",
            path=f"{CONFIG_MAPS}?labelSelector=k",
            fields={"items.0.metadata.name": "c", "items.1": None},
        ),
    ),
)

CASES = (_PRECONDITIONS, _FINALIZERS, _OWNERS, _NAMESPACES, _COLLECTION)
