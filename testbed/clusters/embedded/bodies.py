"""Reading request bodies."""

from __future__ import annotations

from typing import Final

import msgspec

from testbed.clusters.embedded import protobuf
from testbed.clusters.embedded.documents import Document, Value, decode
from testbed.clusters.embedded.field_errors import ApiError, bad_request

PATCHES: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
)


def media_type(header: str) -> str:
    """A Content-Type without its parameters."""
    return header.partition(";")[0].strip()


def read_object(body: bytes, content_type: str, *, kind: str) -> Document:
    """The object in a body, JSON or YAML; raises ApiError (400, 415)."""
    if content_type == protobuf.MEDIA_TYPE and (found := protobuf.read(body)) is not None:
        return found
    if content_type not in {"", "application/json"} and "yaml" not in content_type:
        raise unsupported(("application/json", "application/yaml"))
    value = read_value(body, content_type, kind=kind)
    if not isinstance(value, dict):
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): it is no map"
        )
    return value


def read_value(body: bytes, content_type: str, *, kind: str) -> Value:
    """The value in a body: JSON or, if the type says so, YAML."""
    try:
        return decode(body)
    except msgspec.DecodeError as error:
        if "yaml" not in content_type:
            what = "<empty>" if not body else body[:40].decode(errors="replace")
            why = "unexpected end of JSON input" if not body else str(error)
            raise bad_request(
                f"the object provided is unrecognized (must be of type {kind}): "
                f"couldn't get version/kind; json parse error: {why} ({what})"
            ) from error
    # YAML that is not JSON is rare, and the parser takes long to import.
    import yaml  # noqa: PLC0415

    try:
        return yaml.load(body, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def unsupported(accepted: tuple[str, ...]) -> ApiError:
    """The 415 error."""
    return ApiError(
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
        code=415,
        reason="UnsupportedMediaType",
    )


def unsupported_type() -> ApiError:
    """The 415 error for a patch of a built-in kind, in the words of the HTTP layer."""
    return ApiError(
        "415: Unsupported Media Type", code=415, reason="UnsupportedMediaType", details={}
    )
