"""A small custom kind with one of everything that a schema can say."""

from __future__ import annotations

from typing import Any

from tests.cluster.contract_cases.steps import Document

WIDGETS = "/apis/example.test/v1/namespaces/{ns}/widgets"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CONFIG_MAPS = "/api/v1/namespaces/{ns}/configmaps"
SECRETS = "/api/v1/namespaces/{ns}/secrets"

_TEXT: Document = {"type": "string", "maxLength": 20}
_TAG: Document = {
    **_TEXT,
    "x-kubernetes-validations": [{"rule": "self != 'no'", "message": "no is no tag"}],
}
_CONDITION: Document = {
    "type": "object",
    "required": ["type", "status"],
    "properties": {name: {"type": "string"} for name in ("type", "status", "reason", "message")},
}
_ITEM: Document = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "value": {"type": "integer", "default": 3}},
}
_SPEC: Document = {
    "type": "object",
    "required": ["size"],
    "x-kubernetes-validations": [
        {"rule": "!has(self.a) || !has(self.b)", "message": "a and b exclude each other"},
        {
            "rule": "self.size < 100",
            "messageExpression": "'size is ' + (self.size > 120 ? 'huge' : 'big')",
        },
        {"rule": "self.size != 77", "reason": "FieldValueForbidden", "fieldPath": ".size"},
        {"rule": "self.size != 78"},
        {"rule": "self.size != 79 || self.b == 'x'"},
    ],
    "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 1000},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "name": {
            "type": "string",
            "pattern": "^[a-z]+$",
            "maxLength": 5,
            "minLength": 1,
            "x-kubernetes-validations": [
                {"rule": "self == oldSelf", "message": "name never changes"}
            ],
        },
        "a": _TEXT,
        "b": _TEXT,
        "when": {"type": "string", "format": "date-time"},
        "pause": {
            "type": "string",
            "maxLength": 9,
            "format": "duration",
            "x-kubernetes-validations": [{"rule": "self >= duration('1m')"}],
        },
        "tags": {"type": "object", "maxProperties": 2, "additionalProperties": _TAG},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "port": {"x-kubernetes-int-or-string": True},
        "words": {
            "type": "array",
            "maxItems": 4,
            "items": _TEXT,
            "x-kubernetes-validations": [{"rule": "self.size() > 1", "message": "one is none"}],
        },
        "items": {
            "type": "array",
            "maxItems": 3,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": _ITEM,
        },
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "one": {
            "type": "object",
            "properties": {"p": _TEXT, "q": _TEXT},
            "oneOf": [{"required": ["p"]}, {"required": ["q"]}],
        },
    },
}
_STATUS: Document = {
    "type": "object",
    "default": {"observedGeneration": -1},
    "properties": {
        "observedGeneration": {"type": "integer"},
        "conditions": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": _CONDITION,
        },
    },
}
DEFINITION: Document = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.test"},
    "spec": {
        "group": "example.test",
        "scope": "Namespaced",
        "names": {
            "plural": "widgets",
            "singular": "widget",
            "kind": "Widget",
            "listKind": "WidgetList",
            "shortNames": ["wd"],
            "categories": ["toys"],
        },
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {
                        "name": "Ready",
                        "type": "string",
                        "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
                    },
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {"spec": _SPEC, "status": _STATUS},
                    }
                },
            }
        ],
    },
}


def widget(name: str, /, **spec: Any) -> Document:
    """A widget."""
    metadata = {"name": name}
    return {"apiVersion": "example.test/v1", "kind": "Widget", "metadata": metadata, "spec": spec}


def config_map(name: str, /, **members: Any) -> Document:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **members}


def secret(name: str, /, **members: Any) -> Document:
    """A Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **members}
