"""Parse objects of the API server into values or lists of field errors.

Parsing runs for every event of every object, so the common case is one pass of msgspec and a few
comparisons; messages are only built for errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from keywright.api.errors import FieldError
from keywright.api.grant import ApiKeyGrant, GrantSpec
from keywright.api.grant_checks import grant_problems
from keywright.api.names import (
    ANNOTATION_RECONCILE_REQUESTED_AT,
    ANNOTATION_RENEW_REQUESTED_AT,
    ANNOTATION_TAKE_OVER,
)
from keywright.api.source import CredentialSource, SourceSpec
from keywright.api.source_checks import source_problems
from keywright.api.times import EPOCH, parse_time

_Spec = TypeVar("_Spec")
_NOTHING: Final[Mapping[str, Any]] = {}
_CLUSTER_ID_LIMIT: Final = 128
_EMPTY: Final = frozenset(f"Expected `{of}` of length >= 1" for of in ("array", "str"))
_WHERE: Final = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)


def parse_source(body: Mapping[str, Any]) -> CredentialSource | list[FieldError]:
    """Parse a source, or return all its errors; `body` is the object from the API."""
    spec = _spec_of(body, SourceSpec, problems_of=source_problems)
    if isinstance(spec, list):
        return spec
    metadata = body.get("metadata", _NOTHING)
    return CredentialSource(
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 0),
        resource_version=metadata.get("resourceVersion", ""),
        deleting="deletionTimestamp" in metadata,
        spec=spec,
    )


def parse_grant(
    body: Mapping[str, Any], *, is_valid: bool = False
) -> ApiKeyGrant | list[FieldError]:
    """Parse a grant, or return all its errors; `body` is the object from the API.

    `is_valid`: this spec was parsed before without errors, so that it is not checked again.

    `grant_checks.validate_with_source` reports errors that depend on the source, and
    `secrets.rendering.validate` those in templates.
    """
    spec = _spec_of(body, GrantSpec, problems_of=_no_problems if is_valid else grant_problems)
    if isinstance(spec, list):
        return spec
    metadata = body.get("metadata", _NOTHING)
    annotations = metadata.get("annotations") or _NOTHING
    return ApiKeyGrant(
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 0),
        resource_version=metadata.get("resourceVersion", ""),
        created=_created(metadata),
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        renew_requested_at=annotations.get(ANNOTATION_RENEW_REQUESTED_AT),
        reconcile_requested_at=annotations.get(ANNOTATION_RECONCILE_REQUESTED_AT),
        spec=spec,
        take_over=(annotations.get(ANNOTATION_TAKE_OVER) or "")[:_CLUSTER_ID_LIMIT] or None,
    )


def _spec_of(
    body: Mapping[str, Any], kind: type[_Spec], *, problems_of: Callable[[_Spec], list[FieldError]]
) -> _Spec | list[FieldError]:
    """Return the spec, or its errors.

    A check that raises an exception is a bug, and is reported as an error of this object only.
    """
    try:
        spec = msgspec.convert(body.get("spec", _NOTHING), kind)
        return problems_of(spec) or spec
    except msgspec.ValidationError as error:
        return [_shape_problem(error)]
    except Exception as error:
        name = type(error).__name__
        return [FieldError("spec", f"cannot be read ({name}): compare it with the reference")]


def _no_problems(_: GrantSpec) -> list[FieldError]:
    return []


def _created(metadata: Mapping[str, Any]) -> datetime:
    """The creation time; EPOCH for an object that was not read from an API server."""
    text = metadata.get("creationTimestamp")
    return parse_time(text) if text else EPOCH


def _shape_problem(error: msgspec.ValidationError) -> FieldError:
    """Convert a wrong type or a missing value to an error of its field."""
    found = _WHERE.match(str(error))
    assert found is not None
    field = "spec" + (found["path"] or "").replace("[...]", "[]")
    if found["what"] in _EMPTY:
        return FieldError(field, "is empty: remove it, or set a value")
    return FieldError(field, f"{found['what']}; `kubectl explain` shows what stands there")
