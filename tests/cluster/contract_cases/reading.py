"""Lists, selectors, pages, watches, tables, discovery."""

from __future__ import annotations

from tests.cluster.contract_cases.steps import MERGE, Case, Step
from tests.cluster.contract_cases.widgets import CONFIG_MAPS, WIDGETS, config_map, widget

_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"
_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def _labelled(name: str, **labels: str) -> Step:
    body = {**config_map(name), "metadata": {"name": name, "labels": labels}}
    return Step(method="POST", path=CONFIG_MAPS, body=body, status=201)


def _selected(selector: str, *names: str) -> Step:
    expected: dict[str, object] = {
        f"items.{index}.metadata.name": name for index, name in enumerate((*names, None))
    }
    return Step(method="GET", path=f"{CONFIG_MAPS}?{selector}", fields=expected)


_SELECTORS = Case(
    "selectors",
    (
        _labelled("a", k="x", env="prod"),
        _labelled("b", k="y"),
        _labelled("c", k="x"),
        _selected("labelSelector=k%3Dx", "a", "c"),
        _selected("labelSelector=k%3D%3Dx,env", "a"),
        _selected("labelSelector=k,k!%3Dx", "b"),
        _selected("labelSelector=k,!env", "b", "c"),
        _selected("labelSelector=k+in+(x,z)", "a", "c"),
        _selected("labelSelector=k,k+notin+(x)", "b"),
        _selected("fieldSelector=metadata.name%3Db", "b"),
        _selected("fieldSelector=metadata.name!%3Db&labelSelector=k", "a", "c"),
        Step(
            method="GET",
            path=f"{CONFIG_MAPS}?fieldSelector=foo%3Db",
            status=400,
            message='"foo" is not a known field selector: only "metadata.name", '
            '"metadata.namespace"',
        ),
        Step(method="GET", path=f"{CONFIG_MAPS}?labelSelector=k+in+(b", status=400),
        Step(
            method="GET",
            path=f"{CONFIG_MAPS}?labelSelector=k&limit=2",
            fields={"items.1.metadata.name": "b", "items.2": None},
        ),
    ),
)

_PAGES = Case(
    "pages",
    (
        *(
            Step(method="POST", path=WIDGETS, body=widget(name, size=5), status=201)
            for name in "abc"
        ),
        Step(
            method="GET",
            path=f"{WIDGETS}?limit=2",
            fields={
                "items.1.metadata.name": "b",
                "items.2": None,
                "metadata.remainingItemCount": 1,
            },
        ),
        Step(method="GET", path=f"{WIDGETS}?resourceVersion=0", fields={"kind": "WidgetList"}),
        Step(
            method="GET",
            path=f"{WIDGETS}?resourceVersion=999999999&resourceVersionMatch=Exact",
            status=504,
            reason="Timeout",
        ),
        Step(method="GET", path=f"{WIDGETS}?fieldSelector=spec.size%3D3", status=400),
    ),
)

_FORMS = Case(
    "forms",
    (
        Step(method="POST", path=WIDGETS, body=widget("w", size=5), status=201),
        Step(
            method="GET",
            path=WIDGETS,
            accept=_TABLE,
            fields={
                "kind": "Table",
                "columnDefinitions.0.name": "Name",
                "columnDefinitions.1.name": "Size",
                "rows.0.cells.0": "w",
                "rows.0.cells.1": 5,
                "rows.0.cells.2": None,
                "rows.0.object.kind": "PartialObjectMetadata",
            },
        ),
        Step(method="GET", path=f"{WIDGETS}/w", accept=_TABLE, fields={"rows.0.cells.0": "w"}),
        Step(
            method="GET",
            path=f"{WIDGETS}/w",
            accept=_PARTIAL,
            fields={"kind": "PartialObjectMetadata", "spec": None},
        ),
        Step(
            method="GET",
            path=WIDGETS,
            accept=_PARTIAL_LIST,
            fields={"kind": "PartialObjectMetadataList", "items.0.spec": None},
        ),
        Step(
            method="GET",
            path="/api/v1/namespaces/{ns}/secrets",
            accept=_TABLE,
            fields={"columnDefinitions.1.name": "Type", "columnDefinitions.2.name": "Data"},
        ),
        Step(
            method="GET",
            path="/apis/coordination.k8s.io/v1/namespaces/{ns}/leases",
            accept=_TABLE,
            fields={"columnDefinitions.1.name": "Holder"},
        ),
    ),
)

_WATCH = Case(
    "watch",
    (
        Step(method="POST", path=WIDGETS, body=widget("w", size=5), status=201),
        Step(method="PATCH", path=f"{WIDGETS}/w", body={"spec": {"size": 6}}, content_type=MERGE),
        Step(method="POST", path=WIDGETS, body=widget("x", size=5), status=201),
        Step(method="DELETE", path=f"{WIDGETS}/x"),
        Step(
            method="GET",
            path=f"{WIDGETS}?watch=1&resourceVersion=0&timeoutSeconds=5",
            events=1,
            fields={"events.0.type": "ADDED", "events.0.object.spec.size": 6},
        ),
        Step(method="GET", path=f"{WIDGETS}/w"),
        Step(method="PATCH", path=f"{WIDGETS}/w", body={"spec": {"size": 7}}, content_type=MERGE),
        Step(
            method="GET",
            path=f"{WIDGETS}?watch=1&resourceVersion=1&timeoutSeconds=5",
            events=1,
            fields={
                "events.0.type": "ERROR",
                "events.0.object.code": 410,
                "events.0.object.reason": "Expired",
            },
        ),
        Step(
            method="GET",
            path=f"{WIDGETS}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true"
            "&resourceVersionMatch=NotOlderThan&timeoutSeconds=5",
            events=2,
            fields={
                "events.0.type": "ADDED",
                "events.1.type": "BOOKMARK",
                "events.1.object.metadata.annotations": {"k8s.io/initial-events-end": "true"},
            },
        ),
    ),
)

_RESUME = Case(
    "resume",
    (
        Step(method="POST", path=WIDGETS, body=widget("a", size=5), status=201),
        Step(method="PATCH", path=f"{WIDGETS}/a", body={"spec": {"size": 6}}, content_type=MERGE),
        Step(method="DELETE", path=f"{WIDGETS}/a"),
        Step(method="POST", path=WIDGETS, body=widget("b", size=5), status=201),
        Step(
            method="GET",
            path=WIDGETS + "?watch=1&resourceVersion={first}&timeoutSeconds=5",
            events=3,
            fields={
                "events.0.type": "MODIFIED",
                "events.0.object.spec.size": 6,
                "events.1.type": "DELETED",
                "events.1.object.metadata.name": "a",
                "events.2.type": "ADDED",
                "events.2.object.metadata.name": "b",
            },
        ),
    ),
)

_TRANSITIONS = Case(
    "transitions",
    (
        _labelled("a"),
        *(
            Step(
                method="PATCH",
                path=f"{CONFIG_MAPS}/a",
                body={"metadata": {"labels": {"k": label}}},
                content_type=MERGE,
            )
            for label in ("x", "x2", None)
        ),
        Step(
            method="GET",
            path=CONFIG_MAPS + "?watch=1&resourceVersion={first}&labelSelector=k&timeoutSeconds=5",
            events=3,
            fields={
                "events.0.type": "ADDED",
                "events.1.type": "MODIFIED",
                "events.2.type": "DELETED",
            },
        ),
    ),
)

_DISCOVERY = Case(
    "discovery",
    (
        Step(method="GET", path="/apis/example.test", fields={"kind": "APIGroup"}),
        Step(
            method="GET",
            path="/apis/example.test/v1",
            fields={"resources.0.name": "widgets", "resources.1.name": "widgets/status"},
            compare=False,  # the real one adds a hash of the storage version
        ),
        Step(method="GET", path="/nothing", status=404),
        Step(method="GET", path="/api/v1/nothing", status=404, reason="NotFound"),
        Step(method="GET", path="/livez"),
    ),
)

CASES = (_SELECTORS, _PAGES, _FORMS, _WATCH, _RESUME, _TRANSITIONS, _DISCOVERY)
