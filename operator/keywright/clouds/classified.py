"""The catch-all of the clouds package: every exception becomes a failure with a class.

An exception that a parser raises for a hostile or broken response must not look like an internal
error that is never counted: the grant would stay Ready, and its deletion would never give up.
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
    """Convert an exception to a failure; an unknown type is logged with its position in the code.

    Its message and values are not logged: they may quote a response of a cloud.
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
    """Decorate a coroutine function so that it raises Failure, and no other exception."""

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
    """Wraps `interfaces.ManagedKeys`, and converts every exception to a Failure."""

    keys: ManagedKeys

    async def prepare(self, known: frozenset[str], /) -> None:
        """See `ManagedKeys.prepare`."""
        await classified("preparing the keys")(self.keys.prepare)(known)

    async def list_keys(self, known: frozenset[str], /) -> tuple[CloudKey, ...]:
        """See `ManagedKeys.list_keys`."""
        return await classified("listing the keys")(self.keys.list_keys)(known)

    async def find_fault(
        self, key_id: str, known: frozenset[str], parts: int, /
    ) -> KeyFault | None:
        """See `ManagedKeys.find_fault`."""
        return await classified("looking up a key")(self.keys.find_fault)(key_id, known, parts)

    async def create(self, intent: Intent, /) -> IssuedKey:
        """See `ManagedKeys.create`."""
        return await classified("creating a key")(self.keys.create)(intent)

    async def deactivate(self, key_ids: tuple[str, ...], /) -> None:
        """See `ManagedKeys.deactivate`."""
        await classified("deactivating a key")(self.keys.deactivate)(key_ids)

    async def remove(
        self, key_ids: tuple[str, ...], /, *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """See `ManagedKeys.remove`."""
        remove = classified("deleting a key")(self.keys.remove)
        return await remove(key_ids, and_holder=and_holder)
