"""JSON documents in this server: plain dicts that are never changed once stored."""

from __future__ import annotations

import datetime
from typing import Any, TypeAlias

import msgspec

Value: TypeAlias = Any
"""A JSON value, whose type depends on its schema."""
Document: TypeAlias = dict[str, Any]

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def compact(value: Value) -> str:
    """The value as JSON in one line with sorted keys, as field sets and messages show it."""
    return _encode_sorted(value).decode()


def timestamp(when: datetime.datetime | None = None) -> str:
    """RFC 3339 in UTC to the second, in the format of `metadata`; now by default."""
    when = when or datetime.datetime.now(datetime.UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime.datetime:
    """Parse an RFC 3339 time; raises ValueError."""
    when = datetime.datetime.fromisoformat(text)
    if when.tzinfo is None or "T" not in text:
        raise ValueError(f"no RFC 3339 timestamp: {text}")
    return when


def metadata_of(document: Document) -> Document:
    """The metadata, empty if there is none."""
    metadata: Document = document.get("metadata") or {}
    return metadata


def with_metadata(document: Document, **changes: Value) -> Document:
    """A copy whose metadata has these members; None removes one."""
    metadata = {**metadata_of(document), **changes}
    for name, value in changes.items():
        if value is None:
            del metadata[name]
    return {**document, "metadata": metadata}
