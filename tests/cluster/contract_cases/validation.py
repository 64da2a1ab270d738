"""What the schema of a custom kind refuses, and in which words; what it fills in and prunes."""

from __future__ import annotations

from typing import Any

from tests.cluster.contract_cases.steps import MERGE, Case, Step
from tests.cluster.contract_cases.widgets import WIDGETS, widget

UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was "
    "invalid; correct the existing errors to complete validation"
)


def _refused(problem: str, *, more: str = "", **spec: Any) -> Step:
    text = f"[{problem}, {more}]" if more else problem
    return Step(
        method="POST",
        path=WIDGETS,
        body=widget("bad", **spec),
        status=422,
        reason="Invalid",
        message=f'Widget.example.test "bad" is invalid: {text}',
    )


_TYPES = Case(
    "types",
    (
        _refused(
            'spec.size: Invalid value: "string": spec.size in body must be of type integer: '
            '"string"',
            more=UNCHECKED,
            size="x",
        ),
        _refused("spec.size: Required value", more=UNCHECKED),
        _refused("spec.size: Required value", more=UNCHECKED, size=None),
        _refused(
            'spec.color: Unsupported value: "x": supported values: "red", "blue"',
            more=UNCHECKED,
            size=5,
            color="x",
        ),
        _refused(
            "spec.name: Too long: may not be more than 5 bytes",
            more=UNCHECKED,
            size=5,
            name="abcdefg",
        ),
        _refused(
            'spec.when: Invalid value: "x": spec.when in body must be of type date-time: "x"',
            more=UNCHECKED,
            size=5,
            when="x",
        ),
        _refused("spec.items[0].name: Required value", more=UNCHECKED, size=5, items=[{}]),
        _refused(
            "spec.tags: Too many: 3: must have at most 2 items",
            more=UNCHECKED,
            size=5,
            tags={"a": "", "b": "", "c": ""},
        ),
        _refused(
            "spec.items: Too many: 4: must have at most 3 items",
            more=UNCHECKED,
            size=5,
            items=[{"name": name} for name in "abcd"],
        ),
        _refused(
            'spec.port: Invalid value: "number": spec.port in body must be of type '
            'integer,string: "number"',
            more=UNCHECKED,
            size=5,
            port=1.5,
        ),
    ),
)

_BOUNDS = Case(
    "bounds",
    (
        _refused(
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
            size=0,
        ),
        _refused(
            'spec.name: Invalid value: "": spec.name in body should be at least 1 chars long',
            size=5,
            name="",
        ),
        _refused(
            "spec.name: Invalid value: \"AB\": spec.name in body should match '^[a-z]+$'",
            size=5,
            name="AB",
        ),
        _refused(
            'spec.items[1]: Duplicate value: {"name":"x"}',
            size=5,
            items=[{"name": "x"}, {"name": "x"}],
        ),
        _refused('spec.set[1]: Duplicate value: "a"', size=5, set=["a", "a"]),
        _refused(
            '<nil>: Invalid value: "": "spec.one" must validate one and only one schema (oneOf). '
            "Found none valid, spec.one.p: Required value",
            more=UNCHECKED,
            size=5,
            one={},
        ),
    ),
)

_RULES = Case(
    "rules",
    (
        _refused("spec: Invalid value: a and b exclude each other", size=5, a="", b=""),
        _refused("spec: Invalid value: size is huge", size=150),
        _refused("spec.size: Forbidden: failed rule: self.size != 77", size=77),
        _refused("spec: Invalid value: failed rule: self.size != 78", size=78),
        _refused(
            'spec: Invalid value: "object": no such key: b evaluating rule: '
            "self.size != 79 || self.b == 'x'",
            size=79,
        ),
        _refused('spec.tags[a.b]: Invalid value: "no": no is no tag', size=5, tags={"a.b": "no"}),
        _refused("spec.words: Invalid value: one is none", size=5, words=["a"]),
        _refused(
            "spec.pause: Invalid value: \"1s\": failed rule: self >= duration('1m')",
            size=5,
            pause="1s",
        ),
        Step(method="POST", path=WIDGETS, body=widget("good", size=5, name="abc"), status=201),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/good",
            body={"spec": {"name": "abd"}},
            content_type=MERGE,
            status=422,
            message='Widget.example.test "good" is invalid: spec.name: Invalid value: "abd": '
            "name never changes",
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/good",
            body={"spec": {"name": None}},
            content_type=MERGE,
            fields={"spec.name": None},
        ),
    ),
)

_DEFAULTS = Case(
    "defaults",
    (
        Step(
            method="POST",
            path=WIDGETS,
            body=widget("w", size=5, color=None, items=[{"name": "x"}], free={"l": [1]}, zip=1),
            status=201,
            fields={
                "spec.color": "red",
                "spec.items.0.value": 3,
                "spec.zip": None,
                "spec.free.l.0": 1,
                "status.observedGeneration": -1,
                "metadata.generation": 1,
            },
        ),
        Step(
            method="POST",
            path=f"{WIDGETS}?fieldValidation=Strict",
            body=widget("v", size=5, zip=1, items=[{"name": "x", "z": 1}]),
            status=400,
            reason="BadRequest",
            message='Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
            'unknown field "spec.items[0].z", unknown field "spec.zip"',
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w?fieldValidation=Strict",
            body={"spec": {"zip": 1}},
            content_type=MERGE,
            status=422,
            compare=False,  # the message repeats the object, with a version and times
        ),
        Step(
            method="POST",
            path=f"{WIDGETS}?dryRun=All",
            body=widget("dry", size=5),
            status=201,
            compare=False,  # the real server leaves the version out
        ),
        Step(method="GET", path=f"{WIDGETS}/dry", status=404),
    ),
)

_UNCHANGED = Case(
    "ratcheting",
    (
        Step(method="POST", path=WIDGETS, body=widget("w", size=5, name="abc"), status=201),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body={"metadata": {"labels": {"a": "b"}}},
            content_type=MERGE,
            fields={"metadata.generation": 1, "metadata.labels.a": "b"},
        ),
        Step(
            method="PATCH",
            path=f"{WIDGETS}/w",
            body={"metadata": {"labels": {"a": "b"}}},
            content_type=MERGE,
        ),
    ),
)

_BODIES = Case(
    "bodies",
    (
        Step(
            method="POST",
            path=WIDGETS,
            body={**widget("w", size=5), "kind": "Widge"},
            status=422,
            message='Widge.example.test "w" is invalid: kind: Invalid value: "Widge": must be '
            "Widget",
        ),
        Step(
            method="POST",
            path=WIDGETS,
            body={"kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 5}},
            status=400,
            message="the API version in the data () does not match the expected API version "
            "(example.test/v1)",
        ),
        Step(method="POST", path=WIDGETS, body=widget("Q_", size=5), status=422),
        Step(method="POST", path=WIDGETS, body=widget("", size=5), status=422),
        Step(
            method="POST",
            path=WIDGETS,
            body={**widget("w", size=5), "metadata": {"name": "w", "namespace": "other"}},
            status=400,
        ),
        Step(
            method="POST",
            path=WIDGETS.replace("{ns}", "nowhere"),
            body=widget("w", size=5),
            status=404,
            message='namespaces "nowhere" not found',
        ),
        Step(method="GET", path=WIDGETS.replace("widgets", "wodgets"), status=404),
        Step(method="PATCH", path=f"{WIDGETS}/w", body={}, content_type=MERGE, status=404),
    ),
)

CASES = (_TYPES, _BOUNDS, _RULES, _DEFAULTS, _UNCHANGED, _BODIES)
