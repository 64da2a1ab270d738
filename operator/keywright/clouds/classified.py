"""The catch-all at the edge of the clouds: every exception becomes a failure with a class.

What a hostile or broken answer makes a parser raise must not look like an internal error that is
never counted: the grant would keep saying Ready, and its deletion would never give up.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from keywright.api.errors import Failure
from keywright.clouds.interfaces import Intent, IssuedKey, ManagedKeys
from keywright.planning.state import CloudKey, KeyFault

_LOG = logging.getLogger(__name__)
_P = ParamSpec("_P")
_R = TypeVar("_R")


def unexpected(error: Exception, *, what: str) -> Failure:
    """The failure that an exception is, logged by its type and place where it is of no known kind.

    Not by its words, nor with its values: they may quote what a cloud answered.
    """
    if isinstance(error, Failure):
        return error
    trace, place = error.__traceback__, "unknown"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    _LOG.error("unexpected error, retrying: %s failed: %s at %s", what, type(error).__name__, place)
    return Failure.of_unexpected(error, what=what)


def classified(
    what: str,
) -> Callable[[Callable[_P, Coroutine[Any, Any, _R]]], Callable[_P, Coroutine[Any, Any, _R]]]:
    """A decorator for coroutines: they raise Failure, and no other exception."""

    def decorate(
        work: Callable[_P, Coroutine[Any, Any, _R]],
    ) -> Callable[_P, Coroutine[Any, Any, _R]]:
        @functools.wraps(work)
        async def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return await work(*args, **kwargs)
            except Failure:
                raise
            except Exception as error:
                raise unexpected(error, what=what) from None

        return wrapped

    return decorate


@dataclass(frozen=True, slots=True)
class ClassifiedKeys:
    """Implements `interfaces.ManagedKeys` with others, whose every exception becomes a Failure."""

    keys: ManagedKeys

    async def prepare(self, known: frozenset[str], /) -> None:
        """As of `keys`."""
        await classified("preparing the keys")(self.keys.prepare)(known)

    async def list_keys(self, known: frozenset[str], /) -> tuple[CloudKey, ...]:
        """As of `keys`."""
        return await classified("listing the keys")(self.keys.list_keys)(known)

    async def find_fault(
        self, key_id: str, known: frozenset[str], parts: int, /
    ) -> KeyFault | None:
        """As of `keys`."""
        return await classified("looking up a key")(self.keys.find_fault)(key_id, known, parts)

    async def create(self, intent: Intent, /) -> IssuedKey:
        """As of `keys`."""
        return await classified("creating a key")(self.keys.create)(intent)

    async def deactivate(self, key_ids: tuple[str, ...], /) -> None:
        """As of `keys`."""
        await classified("deactivating a key")(self.keys.deactivate)(key_ids)

    async def remove(
        self, key_ids: tuple[str, ...], /, *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """As of `keys`."""
        remove = classified("deleting a key")(self.keys.remove)
        return await remove(key_ids, and_holder=and_holder)
