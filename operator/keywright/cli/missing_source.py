"""What the command line says of a grant whose source does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace

from keywright.api.errors import ApiError
from keywright.api.names import SOURCE_PLURAL
from keywright.api.parsing import parse_source
from keywright.api.source import CredentialSource
from keywright.cli.cluster_client import CUSTOM, METADATA, ClusterClient, segment, source_path
from keywright.cli.errors import ForbiddenError
from keywright.cli.grant_view import GrantView
from keywright.planning.grant_summary import WAITS_FOR_SOURCE


def with_missing_source(view: GrantView, client: ClusterClient) -> GrantView:
    """The view, with what the grant waits for as its next step if its source does not exist.

    A source with a similar name is suggested if the user may list sources, and the grant may use
    it. The same view is returned if the source exists, or may not be read.
    """
    namespace, name = view.source
    if not name or view.summary.next_step != WAITS_FOR_SOURCE:
        return view
    try:
        if client.find(source_path(namespace, name), accept=METADATA) is not None:
            return view
        similar = similar_source(view.source, client, namespace=view.namespace)
    except (ForbiddenError, ApiError):
        return view
    place = name if namespace == view.namespace else f"{namespace}/{name}"
    step = f"waits for CredentialSource {place}, which does not exist"
    if similar:
        step += f"; did you mean {similar}?"
    return replace(view, summary=replace(view.summary, next_step=step, next_at=None))


def similar_source(key: tuple[str, str], client: ClusterClient, *, namespace: str) -> str:
    """The source with the most similar name that grants of the namespace may use.

    Sources of the referenced namespace come first, then those of the grant's own namespace. The
    result is empty if no name is similar.
    """
    referenced, name = key
    for place in dict.fromkeys((referenced, namespace)):
        found = difflib.get_close_matches(name, list(_usable(client, place, namespace)), n=1)
        if found:
            return found[0] if place == namespace else f"{place}/{found[0]}"
    return ""


def _usable(client: ClusterClient, place: str, namespace: str) -> Iterator[str]:
    """The names of the sources in `place` that grants of the namespace may use."""
    labels: dict[str, str] | None = None
    for body in client.items(f"{CUSTOM}/namespaces/{segment(place)}/{SOURCE_PLURAL}"):
        source = parse_source(body)
        if not isinstance(source, CredentialSource):
            if place == namespace:
                yield str(body["metadata"]["name"])
            continue
        if source.selects_namespaces and labels is None:
            own = client.get(f"/api/v1/namespaces/{segment(namespace)}", accept=METADATA)
            labels = own["metadata"].get("labels") or {}
        if source.allows(namespace, labels=labels or {}):
            yield source.name
