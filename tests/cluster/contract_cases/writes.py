"""Versions, conflicts, status apart from spec, Secrets, Leases."""

from __future__ import annotations

from tests.cluster.contract_cases.steps import (
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Case,
    Step,
    version_of,
)
from tests.cluster.contract_cases.widgets import (
    CONFIG_MAPS,
    SECRETS,
    WIDGETS,
    config_map,
    secret,
    widget,
)

_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"
_LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "leader"},
    "spec": {
        "holderIdentity": "one",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.000000Z",
    },
}

_STATUS = Case(
    "status",
    (
        Step(
            method="POST",
            path=WIDGETS,
            body={**widget("w", size=5), "status": {"observedGeneration": 9}},
            status=201,
            fields={"status.observedGeneration": -1},
            compare=False,  # the real server applies the default only when it reads back
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body={"spec": {"size": 6}, "status": {"observedGeneration": 4}},
            content_type=MERGE,
            fields={"spec.size": 6, "status.observedGeneration": -1, "metadata.generation": 2},
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w/status",
            body={
                "metadata": {"labels": {"a": "b"}},
                "spec": {"size": 9},
                "status": {"observedGeneration": 2},
            },
            content_type=MERGE,
            fields={"spec.size": 6, "status.observedGeneration": 2, "metadata.generation": 2},
        ),
        Step(method="GET", path=f"{WIDGETS}/w/status", fields={"status.observedGeneration": 2}),
    ),
)

_CONFLICTS = Case(
    "conflicts",
    (
        Step(method="POST", path=WIDGETS, body=widget("w", size=5), status=201),
        Step(
            method="POST",
            path=WIDGETS,
            body=widget("w", size=5),
            status=409,
            reason="AlreadyExists",
            message='widgets.example.test "w" already exists',
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body={"metadata": {"resourceVersion": "1"}, "spec": {"size": 7}},
            content_type=MERGE,
            status=409,
            reason="Conflict",
            message=f'Operation cannot be fulfilled on widgets.example.test "w": {_MODIFIED}',
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body=lambda answers: {
                "metadata": {"resourceVersion": version_of(0)(answers)},
                "spec": {"size": 7},
            },
            content_type=MERGE,
            fields={"spec.size": 7},
        ),
        Step(
            method="PUT",
            path=f"{WIDGETS}/w",
            body=lambda answers: answers[0].document,
            status=409,
            reason="Conflict",
        ),
        Step(
            method="PUT",
            path=f"{WIDGETS}/w",
            body=widget("w", size=8),
            status=422,
            message='widgets.example.test "w" is invalid: metadata.resourceVersion: Invalid value: '
            "0: must be specified for an update",
        ),
        Step(
            method="PUT",
            path=f"{WIDGETS}/w/status",
            body=lambda answers: answers[0].document,
            status=409,
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body={"metadata": {"uid": "other"}},
            content_type=MERGE,
            status=422,
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body=[
                {"op": "test", "path": "/spec/size", "value": 7},
                {"op": "replace", "path": "/spec/size", "value": 9},
                {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}},
            ],
            content_type=JSON_PATCH,
            fields={"spec.size": 9, "metadata.labels.a/b": "c", "metadata.generation": 3},
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body=[{"op": "test", "path": "/spec/size", "value": 1}],
            content_type=JSON_PATCH,
            status=422,
            message="the server rejected our request due to an error in our request",
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body={"spec": {"size": 3}},
            content_type=STRATEGIC,
            status=415,
        ),
    ),
)

_SECRETS = Case(
    "secrets",
    (
        Step(
            method="POST",
            path=SECRETS,
            body=secret("s", stringData={"a": "b"}),
            status=201,
            fields={"data.a": "Yg==", "type": "Opaque", "stringData": None},
        ),
        Step(
            method="POST",
            path=SECRETS,
            body=secret("t", data={"a": "%%"}),
            status=400,
            message='Secret in version "v1" cannot be handled as a Secret: illegal base64 data at '
            "input byte 0",
        ),
        Step(
            method="POST",
            path=SECRETS,
            body=secret("t", data={"a": "aGkx?A=="}),
            status=400,
            message='Secret in version "v1" cannot be handled as a Secret: illegal base64 data at '
            "input byte 4",
        ),
        Step(method="POST", path=SECRETS, body=secret("t", data={"a b": "aGk="}), status=422),
        Step(method="POST", path=SECRETS, body=secret("t", data={"a": 5}), status=400),
        Step(
            method="POST",
            path=f"{SECRETS}?fieldValidation=Strict",
            body=secret("t", dat={}),
            status=400,
            message='Secret in version "v1" cannot be handled as a Secret: strict decoding error: '
            'unknown field "dat"',
        ),
        Step(
            method="PATCH",
            path=f"{SECRETS}/s",
            body={"type": "x"},
            content_type=MERGE,
            status=422,
            message='Secret "s" is invalid: type: Invalid value: "x": field is immutable',
        ),
        Step(
            method="PATCH",
            path=f"{SECRETS}/s",
            body={"data": {"b": "aGk="}, "immutable": True},
            content_type=STRATEGIC,
            fields={"data.a": "Yg==", "data.b": "aGk="},
        ),
        Step(
            method="PATCH",
            path=f"{SECRETS}/s",
            body={"data": {"b": None}},
            content_type=MERGE,
            status=422,
            message='Secret "s" is invalid: data: Forbidden: field is immutable when `immutable` '
            "is set",
        ),
        Step(
            method="PATCH",
            path=f"{SECRETS}/s",
            body={"immutable": False},
            content_type=MERGE,
            status=422,
        ),
        Step(method="PATCH", path=f"{SECRETS}/s", body={}, content_type="a/b", status=415),
    ),
)

_LEASE_RACE = Case(
    "leases",
    (
        Step(method="POST", path=_LEASES, body=_LEASE, status=201),
        Step(
            method="PUT",
            path=f"{_LEASES}/leader",
            body=lambda answers: answers[0].document,
            fields={"spec.holderIdentity": "one"},
        ),
        Step(
            method="PUT",
            path=f"{_LEASES}/leader",
            body=lambda answers: {
                **answers[0].document,
                "spec": {**answers[0].document["spec"], "holderIdentity": "two"},
            },
            fields={"spec.holderIdentity": "two"},
        ),
        Step(
            method="PUT",
            path=f"{_LEASES}/leader",
            body=lambda answers: answers[0].document,
            status=409,
            reason="Conflict",
            message=f'Operation cannot be fulfilled on leases.coordination.k8s.io "leader": '
            f"{_MODIFIED}",
        ),
        Step(method="PUT", path=f"{_LEASES}/leader", body=_LEASE, status=422, reason="Invalid"),
    ),
)

_NAMES = Case(
    "names",
    (
        Step(
            method="POST",
            path=CONFIG_MAPS,
            body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "gen-"}},
            status=201,
        ),
        Step(
            method="PUT",
            path=f"{CONFIG_MAPS}/absent",
            body=config_map("absent"),
            status=404,
            message='configmaps "absent" not found',
        ),
        Step(
            method="PUT",
            path=f"{CONFIG_MAPS}/x",
            body=config_map("y"),
            status=400,
            message="the name of the object (y) does not match the name on the URL (x)",
        ),
        Step(
            method="POST",
            path=CONFIG_MAPS.replace("{ns}", "nowhere"),
            body=config_map("x"),
            status=404,
        ),
    ),
)

CASES = (_STATUS, _CONFLICTS, _SECRETS, _LEASE_RACE, _NAMES)
