"""An index of objects by name and namespace, in which an absent namespace matches every other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

_Entry = TypeVar("_Entry")


class NamespaceIndex(Generic[_Entry]):
    """Entries by name; a lookup takes only those of the namespace, in their order."""

    def __init__(self, entries: Iterable[tuple[Hashable, str | None, _Entry]]) -> None:
        self._all: dict[Hashable, list[_Entry]] = {}
        self._by_place: dict[tuple[Hashable, str | None], list[tuple[int, _Entry]]] = {}
        for number, (name, namespace, entry) in enumerate(entries):
            self._all.setdefault(name, []).append(entry)
            self._by_place.setdefault((name, namespace), []).append((number, entry))

    def named(self, name: Hashable) -> Sequence[_Entry]:
        """All entries of a name, in any namespace."""
        return self._all.get(name, ())

    def matching(self, name: Hashable, namespace: str | None) -> Sequence[_Entry]:
        """The entries of a name that can be in the namespace."""
        if namespace is None:
            return self.named(name)
        found = self._by_place.get((name, namespace), [])
        anywhere = self._by_place.get((name, None), [])
        if found and anywhere:
            found = sorted([*found, *anywhere], key=lambda pair: pair[0])
        return [entry for _, entry in found or anywhere]
