"""Common parts of a spec: parsing, and references."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, get_args

import msgspec

Policy: TypeAlias = Mapping[str, Any]
"""An IAM or RAM policy document, as the user wrote it."""

KeyIdentity: TypeAlias = dict[str, Any]
"""The facts that identify a key, as JSON; if they are equal, the key does not change."""

ObjectName: TypeAlias = Annotated[
    str,
    msgspec.Meta(
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z",
    ),
]
"""The name of a Kubernetes object, which becomes part of a URL path."""

NamespaceName: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
]
"""The name of a namespace, which becomes part of a URL path."""

Region: TypeAlias = Annotated[
    str, msgspec.Meta(max_length=32, pattern=r"^[a-z]{2,4}(-[a-z0-9]+)+\Z")
]
"""A region of either cloud, which becomes part of a host name."""


class SpecStruct(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=False,
):
    """A part of a spec: camelCase on the wire, snake_case in Python, unknown fields ignored.

    The API server rejects unknown fields; ignoring them here lets an older operator read objects of
    a newer CRD.
    """


def fields_of(struct: type[SpecStruct], kinds: object) -> Mapping[str, str]:
    """The optional fields whose type is one of a union, with their names on the wire."""
    return {
        field.name: field.encode_name
        for field in msgspec.structs.fields(struct)
        if set(get_args(field.type)) & set(get_args(kinds))
    }


class SecretReference(SpecStruct, frozen=True):
    """A reference to a Secret in the object's namespace."""

    name: ObjectName


class SecretKeyReference(SpecStruct, frozen=True):
    """A reference to one key of a Secret in the object's namespace."""

    name: ObjectName
    key: str


class SecretKeySource(SpecStruct, frozen=True):
    """The source of a single value."""

    secret_key_ref: SecretKeyReference


class ServiceAccountReference(SpecStruct, frozen=True):
    """A reference to a ServiceAccount in the object's namespace, and the audience of its token."""

    name: ObjectName
    audiences: tuple[str, ...] = ()


class Marker(SpecStruct, frozen=True):
    """A choice without fields of its own, written as `{}`."""


class LabelOperator(StrEnum):
    """The operator of a requirement."""

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
    """A Kubernetes label selector; all its requirements must match."""

    match_labels: Mapping[str, str] = {}
    match_expressions: tuple[LabelExpression, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the selector matches these labels."""
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
