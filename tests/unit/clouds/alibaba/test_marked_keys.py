"""Keys of Model Studio with Keywright's mark: their listing, and the removal of one."""

from __future__ import annotations

from typing import Any

import pytest

from keywright.api.grant import GrantIdentity
from keywright.api.model_studio_keys import ModelStudioKey
from keywright.clouds.alibaba.api_calls import Call
from keywright.clouds.alibaba.context import DEFAULT_LIMITS
from keywright.clouds.alibaba.modelstudio import marks
from keywright.clouds.alibaba.modelstudio.client import ModelStudioApi
from keywright.clouds.alibaba.modelstudio.marked_keys import list_marked, remove_marked
from keywright.clouds.owner_tags import NotRemovedError, OwnerMark
from tests.unit.clouds.alibaba.contexts import alibaba
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.model_studio import REGION, SmallModelStudio

_KEY = ModelStudioKey(rotate_every="7d")


def _api() -> ModelStudioApi:
    cloud = SmallModelStudio(FakeClock(), point=lambda: None)
    source = alibaba(accessKey={"secretRef": {"name": "key"}})
    session: Any = None
    call = Call(by=session, source=source, tenant="chat", limits=DEFAULT_LIMITS)
    return ModelStudioApi(cloud, call, region=REGION, identity="deploy")


def _text(owner: str = "chat/key", *, grant: str = "g", retain: bool = False) -> str:
    identity = GrantIdentity(grant_id=grant, cluster_id="here")
    mark = OwnerMark(owner=owner, uid="u", identity=identity, retain=retain)
    return marks.description(mark, intent="20270101T120000Z.1")


async def _listed(api: ModelStudioApi) -> dict[str, marks.Description]:
    found = await list_marked(api, workspaces=(), also=())
    return {key.id: key.description for key in found.marked}


async def test_all_pages_are_listed() -> None:
    """Of 45 keys on three pages, those with a mark; IDs of others are known as well."""
    api = _api()
    for number in range(45):
        text = _text() if number in {0, 22, 44} else "made by hand"
        await api.create(_KEY, description=text)
    found = await list_marked(api, workspaces=(), also={"1", "1001", "../x"})
    assert len(found.ids) == 45
    assert len(found.marked) == 3
    assert "1001" in found.ids


async def test_a_key_of_the_listing_is_removed() -> None:
    """That one alone; a second time it is gone, which is no error."""
    api = _api()
    first, _ = await api.create(_KEY, description=_text())
    second, _ = await api.create(_KEY, description=_text())
    listed = await _listed(api)
    for _ in range(2):
        await remove_marked(api, first, listed=listed[first])
    assert set(await _listed(api)) == {second}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("made by hand", "its description has changed"),
        (_text("chat/other"), "its description has changed"),
        (_text(grant="another"), "its description has changed"),
        (_text(retain=True), "it is retained"),
    ],
)
async def test_a_key_that_changed_since_stays(text: str, why: str) -> None:
    """Its description is read again before it is deleted."""
    api = _api()
    key_id, _ = await api.create(_KEY, description=_text())
    listed = (await _listed(api))[key_id]
    await api.update(key_id, None, description=text)
    with pytest.raises(NotRemovedError, match=why):
        await remove_marked(api, key_id, listed=listed)
    assert await api.find(key_id) is not None
