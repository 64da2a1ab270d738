"""Errors in the format and the words of the real API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testbed.clusters.embedded.documents import Document, Value, compact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.clusters.embedded.resources import Resource

_BLOCKING: Final = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)


class ApiError(Exception):
    """An error of kind Status."""

    def __init__(
        self,
        message: str,
        *,
        code: int,
        reason: str = "",
        details: Document | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.details = details
        self.retry_after = retry_after

    def status(self) -> Document:
        """The Status object."""
        status: Document = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return {**status, "code": self.code}


class UnknownPathError(Exception):
    """Nothing is served at this path: the plain-text 404 of the HTTP layer, not a Status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """One cause of a 422."""

    field: str
    reason: str
    message: str

    @property
    def blocks_rules(self) -> bool:
        """Whether CEL rules are skipped because of it."""
        return self.reason in _BLOCKING

    def cause(self) -> Document:
        """The entry of `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


RULES_UNCHECKED: Final = FieldProblem(
    field="<nil>",
    reason="FieldValueInvalid",
    message="Invalid value: null: some validation rules were not checked because the object was "
    "invalid; correct the existing errors to complete validation",
)


def invalid_value(path: str, value: Value, detail: str) -> FieldProblem:
    """The error for a value that is not allowed."""
    return FieldProblem(
        field=path,
        reason="FieldValueInvalid",
        message=f"Invalid value: {compact(value)}: {detail}",
    )


def forbidden(path: str, detail: str) -> FieldProblem:
    """The error for a field that may not be set, or not be changed."""
    return FieldProblem(field=path, reason="FieldValueForbidden", message=f"Forbidden: {detail}")


def required(path: str, detail: str = "") -> FieldProblem:
    """The error for a missing field."""
    message = f"Required value: {detail}" if detail else "Required value"
    return FieldProblem(field=path, reason="FieldValueRequired", message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The subject of an error: `details` of the Status, and its name in the message."""

    kind: str
    group: str = ""
    name: str = ""

    def details(self) -> Document:
        """The `details`, without empty members."""
        members = {"name": self.name, "group": self.group, "kind": self.kind}
        return {key: value for key, value in members.items() if value}

    @property
    def title(self) -> str:
        """`widgets.example.test`, or `secrets` in the core group."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


def by_plural(resource: Resource, name: str = "") -> Subject:
    """The subject as in most errors."""
    return Subject(kind=resource.plural, group=resource.group, name=name)


def by_kind(resource: Resource, name: str = "") -> Subject:
    """The subject as in validation errors."""
    return Subject(kind=resource.kind, group=resource.group, name=name)


def not_found(subject: Subject) -> ApiError:
    """404 for an object."""
    return ApiError(
        f'{subject.title} "{subject.name}" not found',
        code=404,
        reason="NotFound",
        details=subject.details(),
    )


def no_such_resource() -> ApiError:
    """404 for a path below a served resource."""
    return ApiError(
        "the server could not find the requested resource", code=404, reason="NotFound", details={}
    )


def already_exists(subject: Subject) -> ApiError:
    """409 of a create."""
    return ApiError(
        f'{subject.title} "{subject.name}" already exists',
        code=409,
        reason="AlreadyExists",
        details=subject.details(),
    )


def modified(subject: Subject) -> ApiError:
    """409 of optimistic concurrency."""
    return ApiError(
        f'Operation cannot be fulfilled on {subject.title} "{subject.name}": the object has been '
        "modified; please apply your changes to the latest version and try again",
        code=409,
        reason="Conflict",
        details=subject.details(),
    )


def precondition_failed(subject: Subject, detail: str) -> ApiError:
    """409 of the preconditions of a delete."""
    return ApiError(
        f'Operation cannot be fulfilled on {subject.title} "{subject.name}": {detail}',
        code=409,
        reason="Conflict",
        details=subject.details(),
    )


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(message, code=400, reason="BadRequest")


def invalid(subject: Subject, field_errors: Sequence[FieldProblem]) -> ApiError:
    """422 with one cause for each problem."""
    texts = list(dict.fromkeys(str(problem) for problem in field_errors))
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return ApiError(
        f'{subject.title} "{subject.name}" is invalid: {listed}',
        code=422,
        reason="Invalid",
        details={**subject.details(), "causes": [problem.cause() for problem in field_errors]},
    )


def expired(message: str) -> ApiError:
    """410: that version is no longer known."""
    return ApiError(message, code=410, reason="Expired")
