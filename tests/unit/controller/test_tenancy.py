"""Which namespaces may use a source."""

from typing import Any

import pytest

from keywright.api.errors import ApiError
from keywright.api.source import CredentialSource
from keywright.controller.grants.source_access import Tenancy
from keywright.controller.store import Store
from tests.unit.api.samples import parsed_source, source_body
from tests.unit.fakes.kubernetes import KubernetesInMemory


class Namespaces(KubernetesInMemory):
    """Answers lists of namespaces, or refuses them."""

    def __init__(self, *, status: int = 200, **namespaces: dict[str, str]) -> None:
        super().__init__()
        self.status = status
        self.namespaces = namespaces

    async def request(self, method: str, path: str, **more: Any) -> Any:
        """As the API server would."""
        del method, more
        assert path.startswith("/api/v1/namespaces?")
        if self.status >= 400:
            raise ApiError(status=self.status, reason="Refused", message="no")
        items = [{"metadata": {"name": n, "labels": ls}} for n, ls in self.namespaces.items()]
        return {"metadata": {"resourceVersion": "5"}, "items": items}


def _source(**allowed: Any) -> CredentialSource:
    body = source_body()
    return parsed_source({**body, "spec": {**body["spec"], "allowedNamespaces": allowed or None}})


_BY_NAME = _source(names=["a", "b"])
_BY_LABEL = _source(selector={"matchLabels": {"team": "x"}})
_ALL = _source(selector={})
_NONE = _source()


@pytest.mark.parametrize(
    ("source", "namespace", "permitted"),
    [
        pytest.param(_NONE, "chat", True, id="its own"),
        pytest.param(_NONE, "a", False, id="another by default"),
        pytest.param(_BY_NAME, "b", True, id="named"),
        pytest.param(_BY_NAME, "c", False, id="not named"),
        pytest.param(_BY_NAME, "chat", True, id="its own, without any rule"),
        pytest.param(_BY_LABEL, "a", True, id="labelled"),
        pytest.param(_BY_LABEL, "b", False, id="labelled otherwise"),
        pytest.param(_BY_LABEL, "gone", False, id="unknown"),
        pytest.param(_BY_LABEL, "chat", True, id="its own, whatever its labels"),
        pytest.param(_ALL, "b", True, id="an empty selector is everybody"),
    ],
)
async def test_a_source_is_used_from_where_it_allows(
    source: CredentialSource, namespace: str, *, permitted: bool
) -> None:
    """Rule 11: its own namespace always, others where it says so."""
    api = Namespaces(a={"team": "x"}, b={"team": "y"}, chat={})
    tenancy = Tenancy(api, store=Store(), namespaces=(), changed=lambda _: None)
    assert await tenancy.is_allowed(namespace, source=source) is permitted


async def test_labels_that_may_not_be_read_allow_nothing() -> None:
    """Refused for good is a no; refused for a while is tried again."""
    tenancy = Tenancy(Namespaces(status=403), store=Store(), namespaces=(), changed=lambda _: None)
    assert not await tenancy.is_allowed("a", source=_BY_LABEL)
    assert await tenancy.is_allowed("b", source=_BY_NAME)
    busy = Tenancy(Namespaces(status=500), store=Store(), namespaces=(), changed=lambda _: None)
    with pytest.raises(ApiError):
        await busy.is_allowed("a", source=_BY_LABEL)


def test_an_unknown_namespace_is_not_counted() -> None:
    """Until its labels are known; names need none."""
    tenancy = Tenancy(Namespaces(), store=Store(), namespaces=(), changed=lambda _: None)
    assert not tenancy.is_allowed_cached("a", source=_BY_LABEL)
    assert tenancy.is_allowed_cached("chat", source=_BY_LABEL)
    assert tenancy.is_allowed_cached("a", source=_BY_NAME)
