"""Rejections of a write before its object is parsed, in the real server's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clusters.embedded import field_errors
from testbed.clusters.embedded.documents import Document, compact, metadata_of
from testbed.clusters.embedded.field_errors import ApiError, bad_request, by_plural, invalid

if TYPE_CHECKING:
    from testbed.clusters.embedded.resources import Resource
    from testbed.clusters.embedded.writes import Target


def other_namespace() -> ApiError:
    """400: the body names another namespace than the path."""
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def check_type(target: Target, body: Document) -> None:
    """Reject a body of another kind; raises ApiError (400, 422)."""
    resource = target.resource
    version, kind = body.get("apiVersion"), body.get("kind")
    if not resource.custom and not version and not kind:
        return
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version or ''}) does not match "
            f"the expected API version ({resource.api_version})"
        )
    if kind != resource.kind:
        if not resource.custom:
            raise bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a '
                f"{resource.kind}: converting ({kind}) to ({resource.kind}): unknown conversion"
            )
        problem = field_errors.invalid_value("kind", kind, f"must be {resource.kind}")
        name = metadata_of(body).get("name", "")
        raise invalid(
            field_errors.Subject(kind=kind or "", group=resource.group, name=name), [problem]
        )


def namespace_differs(target: Target, metadata: Document) -> bool:
    """Whether a body names another namespace than its path."""
    given = metadata.get("namespace")
    return bool(given) and given != target.namespace


def strict(resource: Resource, unknown: list[str], patched: Document | None) -> ApiError:
    """Unknown fields, for a client that requested strict validation."""
    text = ", ".join(f'unknown field "{path}"' for path in unknown)
    if patched is None:
        return bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: strict decoding error: {text}"
        )
    problem = field_errors.invalid_value(
        "patch", compact(patched), f"strict decoding error: {text}"
    )
    return invalid(field_errors.Subject(kind=""), [problem])


def warn(unknown: list[str]) -> tuple[str, ...]:
    """The warnings for a client that did not request strict validation."""
    return tuple(f'unknown field "{path}"' for path in unknown)


def terminating(target: Target, name: str) -> ApiError:
    """403 in a terminating namespace."""
    subject = by_plural(target.resource, name)
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {target.namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return ApiError(
        f'{subject.title} "{name}" is forbidden: unable to create new content in namespace '
        f"{target.namespace} because it is being terminated",
        code=403,
        reason="Forbidden",
        details={**subject.details(), "causes": [cause]},
    )
