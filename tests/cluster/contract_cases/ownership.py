"""Server-side apply: who owns which field."""

from __future__ import annotations

from typing import Any

from tests.cluster.contract_cases.steps import APPLY, MERGE, Case, Step
from tests.cluster.contract_cases.widgets import SECRETS, WIDGETS, secret, widget


def _apply(path: str, manager: str, body: Any, **expected: Any) -> Step:
    force = "&force=true" if expected.pop("force", False) else ""
    return Step(
        method="PATCH",
        path=f"{path}?fieldManager={manager}{force}",
        body=body,
        content_type=APPLY,
        **expected,
    )


_SECRET = f"{SECRETS}/s"
_WIDGET = f"{WIDGETS}/w"

_CONFLICT = Case(
    "apply-conflict",
    (
        _apply(_SECRET, "one", secret("s", data={"a": "aGk=", "b": "aGk="}), status=201),
        _apply(
            _SECRET,
            "two",
            secret("s", data={"a": "aGkx"}),
            status=409,
            reason="Conflict",
            message='Apply failed with 1 conflict: conflict with "one": .data.a',
        ),
        _apply(
            _SECRET,
            "two",
            secret("s", data={"a": "aGkx", "b": "aGkx"}),
            status=409,
            message='Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b',
        ),
        _apply(_SECRET, "two", secret("s", data={"a": "aGk="})),
        _apply(
            _SECRET, "two", secret("s", data={"a": "aGkx"}), force=True, fields={"data.b": "aGk="}
        ),
        _apply(
            _SECRET,
            "one",
            secret("s", data={}),
            fields={"data.a": "aGkx", "data.b": None},
        ),
        Step(
            method="PATCH",
            path=f"{_SECRET}?fieldManager=editor",
            body={"data": {"a": "aGk="}, "metadata": {"labels": {"q": "r"}}},
            content_type=MERGE,
        ),
        _apply(
            _SECRET,
            "two",
            secret("s", data={"a": "aGkx"}),
            status=409,
            message='Apply failed with 1 conflict: conflict with "editor" using v1: .data.a',
        ),
        _apply(_SECRET, "editor", secret("s", data={"a": "aGkx"}), status=409),
        Step(
            method="PATCH",
            path=_SECRET,
            body=secret("s"),
            content_type=APPLY,
            status=422,
            message='PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
            "is required for apply patch",
        ),
        Step(
            method="PATCH",
            path=f"{_SECRET}?fieldManager=yaml&force=true",
            body="apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {c: aGk=}\n",
            content_type=APPLY,
            fields={"data.c": "aGk="},
        ),
    ),
)

# What the operator's first write of a Secret relies on: docs/decisions/0003.
_ONLY_NEW = Case(
    "apply-only-new",
    (
        _apply(
            _SECRET,
            "one",
            {**secret("s", data={"a": "aGk="}), "metadata": {"name": "s", "resourceVersion": "1"}},
            status=201,
        ),
        _apply(
            _SECRET,
            "two",
            {**secret("s", data={"b": "aGk="}), "metadata": {"name": "s", "resourceVersion": "1"}},
            force=True,
            status=409,
            reason="Conflict",
        ),
        Step(method="GET", path=_SECRET, fields={"data.a": "aGk=", "data.b": None}),
    ),
)

_REMOVAL = Case(
    "apply-removal",
    (
        _apply(
            _WIDGET,
            "one",
            widget("w", size=5, tags={"q": "r"}, items=[{"name": "x"}], set=["p"], free={"l": [1]}),
            status=201,
            fields={"spec.items.0.value": 3},
        ),
        _apply(
            _WIDGET,
            "two",
            widget("w", size=5, items=[{"name": "y", "value": 4}], set=["p", "q"]),
            fields={"spec.items.1.name": "y", "spec.set": ["p", "q"]},
        ),
        _apply(
            _WIDGET,
            "one",
            widget("w", size=5),
            fields={
                "spec.tags": None,
                "spec.free": None,
                "spec.items.0.name": "y",
                "spec.items.1": None,
                "spec.set": ["p", "q"],
                "metadata.generation": 3,
            },
        ),
        _apply(_WIDGET, "one", widget("w", size=5), fields={"metadata.generation": 3}),
        _apply(
            _WIDGET,
            "three",
            widget("w", size=6),
            status=409,
            message='Apply failed with 2 conflicts: conflicts with "one":\n- .spec.size\n'
            'conflicts with "two":\n- .spec.size',
        ),
        _apply(_WIDGET, "three", widget("w", size=6, zip=1), status=500),
        _apply(_WIDGET, "three", widget("w", size="x"), status=500),
        _apply(_WIDGET, "three", widget("w", size=0), force=True, status=422),
    ),
)

_READY = {"type": "Ready", "status": "True"}
_STATUS = Case(
    "apply-status",
    (
        _apply(_WIDGET, "user", widget("w", size=5), status=201),
        _apply(
            f"{_WIDGET}/status",
            "controller",
            {**widget("w"), "status": {"conditions": [_READY]}},
            fields={"status.conditions.0.type": "Ready", "spec.size": 5},
        ),
        _apply(
            f"{_WIDGET}/status",
            "other",
            {**widget("w"), "status": {"conditions": [{**_READY, "status": "False"}]}},
            status=409,
            message='Apply failed with 1 conflict: conflict with "controller" with subresource '
            '"status": .status.conditions[type="Ready"].status',
        ),
        _apply(
            f"{_WIDGET}/status",
            "controller",
            {**widget("w"), "status": {"observedGeneration": 1}},
            fields={"status.conditions": None, "status.observedGeneration": 1},
        ),
        Step(
            method="PATCH",
            path=f"{_WIDGET}/status?fieldManager=patcher",
            body={"status": {"conditions": [_READY]}},
            content_type=MERGE,
        ),
        _apply(f"{WIDGETS}/absent/status", "c", {**widget("absent"), "status": {}}, status=404),
    ),
)

_METADATA = Case(
    "apply-metadata",
    (
        _apply(
            _SECRET,
            "one",
            {
                **secret("s", type="Opaque"),
                "metadata": {"name": "s", "labels": {"a": "b"}, "finalizers": ["a.b/c"]},
            },
            status=201,
        ),
        _apply(
            _SECRET,
            "two",
            {**secret("s"), "metadata": {"name": "s", "finalizers": ["d.e/f"]}},
            fields={"metadata.finalizers": ["a.b/c", "d.e/f"]},
        ),
        _apply(
            _SECRET,
            "one",
            secret("s", type="Opaque"),
            fields={"metadata.finalizers": ["d.e/f"], "metadata.labels": None},
        ),
        _apply(_SECRET, "two", secret("s"), fields={"metadata.finalizers": None}),
    ),
)

CASES = (_CONFLICT, _ONLY_NEW, _REMOVAL, _STATUS, _METADATA)
