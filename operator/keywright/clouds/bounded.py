"""A mapping with a limit, for every cache whose keys a tenant can choose."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Owner = TypeVar("_Owner")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class LruDict(Generic[_Key, _Value]):
    """At most `limit` entries; the least recently used entry is evicted first."""

    def __init__(self, limit: int, *, evicted: Callable[[_Value], None] | None = None) -> None:
        self._limit = limit
        self._evicted = evicted
        self._entries: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        """The value of the key, which counts as a use; None without an entry."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def peek(self, key: _Key) -> _Value | None:
        """As `get`, without counting as a use: also safe in other threads."""
        return self._entries.get(key)

    def put(self, key: _Key, value: _Value) -> None:
        """Store the value; evict the least recently used entry above the limit."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            _, oldest = self._entries.popitem(last=False)
            if self._evicted is not None:
                self._evicted(oldest)

    def pop(self, key: _Key) -> _Value | None:
        """Remove and return the value of the key; None without an entry."""
        return self._entries.pop(key, None)

    def keys(self) -> list[_Key]:
        """A copy of the keys, the least recently used first."""
        return list(self._entries)

    def items(self) -> list[tuple[_Key, _Value]]:
        """A copy of the entries, the least recently used first."""
        return list(self._entries.items())

    def __contains__(self, key: _Key) -> bool:
        """Whether there is an entry; this does not count as a use."""
        return key in self._entries

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._entries)


class FairLruDict(Generic[_Owner, _Key, _Value]):
    """At most `limit` entries, each of one owner; an owner cannot evict those of smaller owners.

    Above the limit, the owner with the most entries loses its least recently used one.
    """

    def __init__(self, limit: int, *, evicted: Callable[[_Value], None] | None = None) -> None:
        self._limit = limit
        self._evicted = evicted
        # The least recently used owner first, so that it loses among equals.
        self._owners: OrderedDict[_Owner, OrderedDict[_Key, _Value]] = OrderedDict()

    def get(self, owner: _Owner, key: _Key) -> _Value | None:
        """The owner's value of the key, which counts as a use; None without an entry."""
        entries = self._owners.get(owner)
        if entries is None or key not in entries:
            return None
        self._owners.move_to_end(owner)
        entries.move_to_end(key)
        return entries[key]

    def put(self, owner: _Owner, key: _Key, value: _Value) -> None:
        """Store the value; evict above the limit."""
        entries = self._owners.setdefault(owner, OrderedDict())
        entries[key] = value
        entries.move_to_end(key)
        self._owners.move_to_end(owner)
        while len(self) > self._limit:
            largest = max(self._owners, key=lambda name: len(self._owners[name]))
            _, oldest = self._owners[largest].popitem(last=False)
            if not self._owners[largest]:
                del self._owners[largest]
            if self._evicted is not None:
                self._evicted(oldest)

    def __len__(self) -> int:
        """The number of entries of all owners."""
        return sum(map(len, self._owners.values()))
