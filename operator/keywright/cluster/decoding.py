"""Decode JSON of the API server, regardless of how deeply it is nested.

A decoder recurses, and raises RecursionError for an object that the API server accepts: a single
object would make a whole page or watch unreadable. So content that is too deep is cut from the
text, before or after the decoder has rejected it. Nothing in this module recurses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import msgspec

from keywright.api.checks import CUT, MAX_LEVELS

# Possessive, and an unterminated string extends to the end of the text: every byte is read once.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_NOT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))
_ROUND: Final = bytes.maketrans(b"[]{}", b"()()")
_CUT: Final = msgspec.json.encode(CUT)
# Fewer brackets than this cannot exceed the depth that decoders support.
_FEW_BRACKETS: Final = 400
# Anything that takes longer than a few milliseconds is done in a thread.
_LARGE: Final = 2**16


def without_depths(raw: bytes, *, levels: int = MAX_LEVELS) -> bytes:
    """The JSON text, with values that are nested too deeply replaced by a string that says so."""
    if not _is_deeper(raw, than=levels):
        return raw
    kept: list[bytes] = []
    depth = done = 0
    for token in _TOKEN.finditer(raw):
        sign = raw[token.start()]
        if sign in b"{[":
            depth += 1
            if depth == levels + 1:
                kept += [raw[done : token.start()], _CUT]
        elif sign in b"}]":
            if depth == levels + 1:
                done = token.end()
            depth -= 1
    return b"".join([*kept, raw[done:]])


def _is_deeper(raw: bytes, *, than: int) -> bool:
    """Whether brackets remain after removing the innermost ones `than` times."""
    brackets = _STRING.sub(b"", raw).translate(_ROUND, _NOT_BRACKETS)
    for _ in range(than):
        shorter = brackets.replace(b"()", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return bool(brackets)


async def shallow(raw: bytes) -> bytes:
    """The JSON text of one object without what is nested too deeply."""
    if raw.count(b"{") + raw.count(b"[") <= _FEW_BRACKETS:
        return raw
    if len(raw) > _LARGE:
        return await asyncio.to_thread(without_depths, raw)
    return without_depths(raw)


async def decode(raw: bytes, *, into: type[Any] | None = None) -> Any:
    """Decode a JSON text, or convert it to `into`.

    Raises:
        msgspec.DecodeError: it is not JSON, or not of that type.
    """
    wanted = Any if into is None else into
    try:
        return msgspec.json.decode(raw, type=wanted)
    except RecursionError:
        return msgspec.json.decode(await asyncio.to_thread(without_depths, raw), type=wanted)


async def decode_list(raw: bytes) -> Any:
    """Decode a list, each item separately; `items` is never null.

    Raises:
        msgspec.DecodeError: it is not JSON.
    """
    try:
        parts = await decode(raw, into=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return await decode(raw)
    found = parts.pop("items", None)
    document = {name: msgspec.json.decode(part) for name, part in parts.items()}
    if found is not None:
        items = msgspec.json.decode(found, type=list[msgspec.Raw] | None)
        document["items"] = [await decode(await shallow(bytes(item))) for item in items or ()]
    return document


class ShallowLines:
    """The content of a watch, each line without what is nested too deeply.

    Everything else is that of the `StreamReader` itself.
    """

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Return whole lines as they arrive."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                yield b"".join([await shallow(line) + b"\n" for line in lines])
        if rest:
            yield await shallow(rest)
