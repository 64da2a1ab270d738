"""Common parts of a spec: parsing, and references."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args

import msgspec

Policy: TypeAlias = Mapping[str, Any]
"""An IAM or RAM policy document, as the user wrote it."""

_T = TypeVar("_T")
Listed: TypeAlias = Annotated[tuple[_T, ...], msgspec.Meta(min_length=1)]
"""A list that has items if it is set: an empty one would look like a limit, and be none."""

KeyIdentity: TypeAlias = dict[str, Any]
"""The facts that identify a key, as JSON; if they are equal, the key does not change."""

Text: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
"""A text that is not empty: an empty one would be sent to a cloud, or count as absent."""

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
    key: Text


class SecretKeySource(SpecStruct, frozen=True):
    """The source of a single value."""

    secret_key_ref: SecretKeyReference


Audience: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class ServiceAccountReference(SpecStruct, frozen=True):
    """A reference to a ServiceAccount in the object's namespace, and the audience of its token."""

    name: ObjectName
    audiences: Listed[Audience] = ()


TOKEN_SECONDS: Final = 600
"""The shortest lifetime of a ServiceAccount token: the minimum that the API server allows."""


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

    key: Text
    operator: LabelOperator
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what the API server refuses: NotIn without values would select everything."""
        takes_values = self.operator in (LabelOperator.IN, LabelOperator.NOT_IN)
        if takes_values != bool(self.values):
            raise ValueError("In and NotIn need values, Exists and DoesNotExist take none")


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
