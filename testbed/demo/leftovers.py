"""On an existing cluster: keep what was there before, remove what the demo has created."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from testbed.clusters.api import Api
from testbed.demo.examples import Example
from testbed.world import CRDS, INSTALLED


class OccupiedError(RuntimeError):
    """The demo would affect objects that are in use; the message names them."""


class Leftovers:
    """Check before anything is applied; `remove` deletes what was created later."""

    def __init__(self, api: Api, *, examples: Sequence[Example], context: str) -> None:
        self._api = api
        self._context = context
        shipped = [
            document
            for path in (*INSTALLED, *CRDS)
            for document in yaml.safe_load_all(path.read_text())
            if document
        ]
        applied = [*shipped, *(one for example in examples for one in example.documents)]
        # A namespace is deleted with its contents.
        namespaces = [one for one in applied if one["kind"] == "Namespace"]
        others = [one for one in shipped if "namespace" not in one["metadata"]]
        for namespace in namespaces:
            if self._exists(namespace):
                name = namespace["metadata"]["name"]
                raise OccupiedError(
                    f"namespace {name} exists in context {context}: the demo makes and removes it,"
                    " so it is not touched; delete it, or wait until it is gone"
                )
        cluster_wide = [one for one in others if one["kind"] != "Namespace"]
        self._made = namespaces + [one for one in cluster_wide if not self._exists(one)]

    def remove(self) -> str:
        """Request the deletion of everything, and return a description."""
        for document in self._made:
            self._api.delete(self._api.path_of(document))
        names = ", ".join(f"{one['kind']} {one['metadata']['name']}" for one in self._made)
        return f"removed from context {self._context} (it may take a moment there): {names}"

    def _exists(self, document: dict[str, Any]) -> bool:
        return self._api.exists(self._api.path_of(document))
