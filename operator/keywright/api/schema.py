"""What the parts of a spec have in common: how they are parsed, and the references they hold."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, get_args

import msgspec

Policy: TypeAlias = Mapping[str, Any]
"""An IAM or RAM policy document, as the user wrote it."""

KeyIdentity: TypeAlias = dict[str, Any]
"""What decides what a key IS, ready for JSON; two equal ones mean that the key may stay."""

ObjectName: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z",
    ),
]
"""The name of a Kubernetes object, which becomes a part of a URL path."""

NamespaceName: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
]
"""The name of a namespace, likewise."""

Region: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=32, pattern=r"^[a-z]{2,4}(-[a-z0-9]+)+\Z")
]
"""A region of either cloud, which becomes a part of a host name."""


class SpecStruct(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=False,
):
    """A part of a spec: camelCase on the wire, snake_case here, unknown fields ignored.

    Unknown fields are the API server's to refuse; ignoring them here lets an older operator read
    what a newer CRD has let in.
    """


def fields_of(struct: type[SpecStruct], kinds: object) -> Mapping[str, str]:
    """The optional fields whose type is one of a union's, with their names on the wire."""
    return {
        field.name: field.encode_name
        for field in msgspec.structs.fields(struct)
        if set(get_args(field.type)) & set(get_args(kinds))
    }


class SecretReference(SpecStruct, frozen=True):
    """A Secret of the object's own namespace."""

    name: ObjectName


class SecretKeyReference(SpecStruct, frozen=True):
    """One key of a Secret of the object's own namespace."""

    name: ObjectName
    key: str


class SecretKeySource(SpecStruct, frozen=True):
    """Where one value is read from."""

    secret_key_ref: SecretKeyReference


class ServiceAccountReference(SpecStruct, frozen=True):
    """A ServiceAccount of the object's own namespace, and whom its token is meant for."""

    name: ObjectName
    audiences: tuple[str, ...] = ()


class Marker(SpecStruct, frozen=True):
    """A choice that is made by being there, `{}`."""


class LabelOperator(StrEnum):
    """How a requirement compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelExpression(SpecStruct, frozen=True):
    """One requirement of a label selector."""

    key: str
    operator: LabelOperator
    values: tuple[str, ...] = ()


class LabelSelector(SpecStruct, frozen=True):
    """A Kubernetes label selector; all its requirements must hold."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[LabelExpression, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            _meets(expression, labels) for expression in self.match_expressions
        )


def _meets(expression: LabelExpression, labels: Mapping[str, str]) -> bool:
    match expression.operator:
        case LabelOperator.IN:
            return labels.get(expression.key) in expression.values
        case LabelOperator.NOT_IN:
            return labels.get(expression.key) not in expression.values
        case LabelOperator.EXISTS:
            return expression.key in labels
        case LabelOperator.DOES_NOT_EXIST:
            return expression.key not in labels
