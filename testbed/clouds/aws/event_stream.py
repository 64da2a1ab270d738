"""Messages of application/vnd.amazon.eventstream, as ConverseStream sends them.

smithy.io/2.0/aws/amazon-eventstream.html: total length, length of the headers, checksum of both,
headers, payload, checksum of all. botocore's parser (eventstream.py) verifies both checksums.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
_FRAME_BYTES = 16


def event(kind: str, content: object) -> bytes:
    """One event with a JSON payload."""
    return message(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"},
        json.dumps(content).encode(),
    )


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message, whose headers are strings."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack("!II", len(head) + len(payload) + _FRAME_BYTES, len(head))
    checked = prelude + struct.pack("!I", zlib.crc32(prelude)) + head + payload
    return checked + struct.pack("!I", zlib.crc32(checked))


def _header(name: str, value: str) -> bytes:
    text = value.encode()
    return bytes([len(name)]) + name.encode() + struct.pack("!BH", _STRING, len(text)) + text
