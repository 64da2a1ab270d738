"""Parse Kubernetes' protobuf, which kubectl's own `create` commands send, for a few kinds.

Only what those commands send is supported; responses are always JSON, which every client accepts.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.clusters.embedded.documents import Document, Value

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"
_MESSAGE: Final = 2

Fields: TypeAlias = "dict[int, tuple[str, str | Fields]]"
"""Number -> name and type; a nested table is a message, a leading `*` means a list."""

_METADATA: Final[Fields] = {
    1: ("name", "text"),
    2: ("generateName", "text"),
    3: ("namespace", "text"),
    11: ("labels", "map"),
    12: ("annotations", "map"),
    14: ("finalizers", "*text"),
}
_REFERENCE: Final[Fields] = {
    1: ("kind", "text"),
    2: ("apiVersion", "text"),
    3: ("name", "text"),
    4: ("uid", "text"),
}
_TOKEN_SPEC: Final[Fields] = {
    1: ("audiences", "*text"),
    3: ("boundObjectRef", _REFERENCE),
    4: ("expirationSeconds", "number"),
}
_KINDS: Final[dict[str, Fields]] = {
    "Namespace": {1: ("metadata", _METADATA)},
    "ServiceAccount": {1: ("metadata", _METADATA)},
    "Secret": {
        1: ("metadata", _METADATA),
        2: ("data", "bytes map"),
        3: ("type", "text"),
        4: ("stringData", "map"),
        5: ("immutable", "flag"),
    },
    "ConfigMap": {
        1: ("metadata", _METADATA),
        2: ("data", "map"),
        3: ("binaryData", "bytes map"),
        4: ("immutable", "flag"),
    },
    "TokenRequest": {1: ("metadata", _METADATA), 2: ("spec", _TOKEN_SPEC)},
}


def read(body: bytes) -> Document | None:
    """The object in an envelope; None if its kind is not supported."""
    if not body.startswith(_MAGIC):
        return None
    head: dict[int, bytes] = {
        number: value for number, value in _members(body[len(_MAGIC) :]) if isinstance(value, bytes)
    }
    names = dict(_members(head.get(1, b"")))
    version, kind = _text(names.get(1, b"")), _text(names.get(2, b""))
    fields = _KINDS.get(kind)
    if fields is None:
        return None
    return {"apiVersion": version, "kind": kind, **_message(head.get(2, b""), fields)}


def _message(raw: bytes, fields: Fields) -> Document:
    message: Document = {}
    for number, value in _members(raw):
        if number not in fields:
            continue
        name, kind = fields[number]
        match kind:
            case dict():
                assert isinstance(value, bytes)
                message[name] = _message(value, kind)
            case "map" | "bytes map":
                assert isinstance(value, bytes)
                pair = dict(_members(value))
                content = pair.get(2, b"")
                message.setdefault(name, {})[_text(pair.get(1, b""))] = (
                    _text(content) if kind == "map" else _base64(content)
                )
            case "*text":
                message.setdefault(name, []).append(_text(value))
            case "text":
                if value:
                    message[name] = _text(value)
            case "flag":
                message[name] = bool(value)
            case _:
                message[name] = value
    return message


def _text(value: Value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _base64(value: Value) -> str:
    return base64.b64encode(value).decode()


def _members(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(raw):
        tag, position = _number(raw, position)
        value, position = _number(raw, position)
        if tag & 7 == _MESSAGE:
            yield tag >> 3, raw[position : position + value]
            position += value
        else:
            yield tag >> 3, value


def _number(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
