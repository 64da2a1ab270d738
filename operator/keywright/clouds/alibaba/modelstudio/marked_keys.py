"""The keys of an account with Keywright's mark, and the removal of one of them, for an audit.

A key is removed only if its description is, at that moment, the one that the listing showed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from keywright.clouds.alibaba.modelstudio import marks
from keywright.clouds.alibaba.modelstudio.client import ListedKey, ModelStudioApi
from keywright.clouds.owner_tags import NotRemovedError


@dataclass(frozen=True, slots=True)
class MarkedKey:
    """A key with a description of Keywright."""

    id: str
    description: marks.Description


@dataclass(frozen=True, slots=True)
class ModelStudioListing:
    """The keys of an account in a region: the IDs of all that were found, and the marked ones."""

    region: str
    ids: frozenset[str]
    marked: tuple[MarkedKey, ...]


async def list_marked(
    api: ModelStudioApi, *, workspaces: Collection[str], also: Collection[str]
) -> ModelStudioListing:
    """List the keys of a region; raises Failure.

    `workspaces` are listed by themselves as well, and keys with the IDs in `also` are looked up
    unless they were listed: the API does not say that a listing shows the keys of all workspaces.
    """
    found = {item.id: item for item in await api.list_keys()}
    for workspace in sorted(workspaces):
        found |= {item.id: item for item in await api.list_keys(workspace_id=workspace)}
    for key_id in sorted(set(also) - set(found)):
        if key_id.isascii() and key_id.isdigit():
            item = await api.find(key_id)
            if item is not None:
                found[key_id] = item
    marked = (_marked(each) for each in found.values())
    return ModelStudioListing(
        region=api.region,
        ids=frozenset(found),
        marked=tuple(each for each in marked if each is not None),
    )


def _marked(item: ListedKey) -> MarkedKey | None:
    description = marks.parse(item.description)
    return None if description is None else MarkedKey(item.id, description)


async def remove_marked(api: ModelStudioApi, key_id: str, *, listed: marks.Description) -> None:
    """Delete one key; a deleted one is no error.

    Raises:
        NotRemovedError: the key has another description by now, or is retained.
        Failure: Model Studio refuses it.
    """
    found = await api.find(key_id)
    if found is None:
        return
    held = marks.parse(found.description)
    if held is not None and held.retain:
        raise NotRemovedError(f"API key {key_id} was not removed: it is retained")
    if held is None or _owner(held) != _owner(listed):
        raise NotRemovedError(f"API key {key_id} was not removed: its description has changed")
    await api.delete(key_id)


def _owner(found: marks.Description) -> tuple[str, str, str]:
    return found.owner, found.grant, found.cluster
