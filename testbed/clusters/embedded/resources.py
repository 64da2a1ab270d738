"""The served kinds: their names, and special behavior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testbed.clusters.embedded.documents import Document, Value
    from testbed.clusters.embedded.fieldsets import Schema
    from testbed.clusters.embedded.schema import Validator

ResourceKey: TypeAlias = tuple[str, str]
"""Group and plural name."""

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table; `cell` computes its value."""

    name: str
    cell: Callable[[Document], Value]
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The conversion between a second API version of a stored kind and the stored one."""

    stored_in: ResourceKey
    read: Callable[[Document], Document]
    write: Callable[[Document], Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind in one version of its group."""

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    list_kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    counts_generations: bool = False
    columns: tuple[Column, ...] = ()
    ownership: Schema = None
    known_fields: frozenset[str] = frozenset()
    validator: Validator | None = None
    openapi: Document | None = None
    conversion: Conversion | None = None

    @property
    def key(self) -> ResourceKey:
        """The key under which its objects are stored."""
        return self.conversion.stored_in if self.conversion else (self.group, self.plural)

    @property
    def api_version(self) -> str:
        """`v1`, or `example.test/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def custom(self) -> bool:
        """Whether it comes from a CustomResourceDefinition."""
        return self.validator is not None


class Registry:
    """The kinds that are currently served."""

    def __init__(self, resources: tuple[Resource, ...]) -> None:
        self._resources = {(item.group, item.version, item.plural): item for item in resources}

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource of a path."""
        return self._resources.get((group, version, plural))

    def of_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of an object."""
        for item in self._resources.values():
            if item.kind == kind and item.api_version == api_version:
                return item
        return None

    def stored(self, key: ResourceKey) -> Resource | None:
        """The resource whose version the objects under that key are stored in."""
        for item in self._resources.values():
            if item.key == key and item.conversion is None:
                return item
        return None

    def serves_group_version(self, group: str, version: str) -> bool:
        """Whether any kind of that group and version is served."""
        return any(key[:2] == (group, version) for key in self._resources)

    def add(self, resource: Resource) -> None:
        """Serve a kind, replacing one of the same name."""
        self._resources[resource.group, resource.version, resource.plural] = resource

    def remove_all(self, group: str, plural: str) -> None:
        """Stop serving all versions of a kind."""
        for key in [key for key in self._resources if (key[0], key[2]) == (group, plural)]:
            del self._resources[key]

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())
