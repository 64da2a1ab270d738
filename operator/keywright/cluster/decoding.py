"""JSON of the API server becomes values, however deep it is nested.

A decoder recurses, and raises RecursionError for what is a legal object to the API server: one
object would make a whole page or watch unreadable. So what is too deep is cut off in the text,
before or after the decoder has refused it. Nothing in here recurses.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import msgspec

from keywright.api.checks import CUT, MOST_LEVELS

# Possessive, and a string without its end goes on to the end of the text: every byte is read once.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_NOT_BRACKETS: Final = bytes(sorted(set(range(256)) - set(b"[]{}")))
_ROUND: Final = bytes.maketrans(b"[]{}", b"()()")
_CUT: Final = msgspec.json.encode(CUT)
# Fewer brackets than this nest no deeper than any decoder follows.
_FEW_BRACKETS: Final = 400
# What takes longer than some milliseconds is done in a thread.
_LARGE: Final = 2**16


def without_depths(raw: bytes, *, levels: int = MOST_LEVELS) -> bytes:
    """The JSON text, with values that lie deeper replaced by a string that says so."""
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
    """Whether brackets are left after as many rounds of taking away the innermost ones."""
    brackets = _STRING.sub(b"", raw).translate(_ROUND, _NOT_BRACKETS)
    for _ in range(than):
        shorter = brackets.replace(b"()", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return bool(brackets)


async def shallow(raw: bytes) -> bytes:
    """The text of one object without what is nested too deeply."""
    if raw.count(b"{") + raw.count(b"[") <= _FEW_BRACKETS:
        return raw
    if len(raw) > _LARGE:
        return await asyncio.to_thread(without_depths, raw)
    return without_depths(raw)


async def decode(raw: bytes, *, into: type[Any] | None = None) -> Any:
    """The value of a JSON text, or what msgspec makes of it for `into`.

    Raises:
        msgspec.DecodeError: it is no JSON, or not of that type.
    """
    wanted = Any if into is None else into
    try:
        return msgspec.json.decode(raw, type=wanted)
    except RecursionError:
        return msgspec.json.decode(await asyncio.to_thread(without_depths, raw), type=wanted)


async def decode_list(raw: bytes) -> Any:
    """The value of a list, each of its items decoded by itself; `items` is never null.

    Raises:
        msgspec.DecodeError: it is no JSON.
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
    """The content of a watch, each line of it without what is nested too deeply.

    All else is that of the `StreamReader` itself.
    """

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Whole lines, as they come."""
        rest = b""
        async for chunk in self._content.iter_chunked(size):
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                yield b"".join([await shallow(line) + b"\n" for line in lines])
        if rest:
            yield await shallow(rest)
