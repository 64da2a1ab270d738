"""Checks of all sources and grants: how many are fine, and what expires soon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from keywright.api.names import GRANT_PLURAL, SOURCE_PLURAL
from keywright.api.status import SourceStatus
from keywright.cli.cluster_client import CUSTOM, ClusterClient
from keywright.cli.grant_table import count
from keywright.cli.grant_view import GrantView, brief_time, view_of
from keywright.cli.hop import Hop, Result
from keywright.planning.grant_summary import Health
from keywright.planning.source_summary import source_problem

_SHOWN: Final = 5
# In the last tenth of its lifetime, a key that can be renewed is renewed no more in time.
_LATE_SHARE: Final = 0.1


def object_checks(client: ClusterClient) -> Iterator[Hop]:
    """Yield the checks of sources, grants and expiries in all namespaces."""
    sources = list(client.items(f"{CUSTOM}/{SOURCE_PLURAL}"))
    yield _sources(sources)
    bodies = client.items(f"{CUSTOM}/{GRANT_PLURAL}")
    views = [view_of(body, readers=None, now=client.now()) for body in bodies]
    yield _grants(views)
    yield _expiry(views)


def _sources(bodies: Sequence[Mapping[str, Any]]) -> Hop:
    found = [(body["metadata"], sentence) for body in bodies if (sentence := _problem(body))]
    title = f"{len(bodies) - len(found)} of {len(bodies)} sources are fine"
    if not found:
        return Hop("check-sources", title)
    first = found[0][0]
    return Hop(
        "check-sources",
        title,
        Result.FAILED,
        facts=_first([sentence for _, sentence in found]),
        cure=(
            f"Find the fault: keywright doctor source {first['name']}"
            f" --namespace {first['namespace']}"
        ),
    )


def _problem(body: Mapping[str, Any]) -> str:
    """Why a source is not fine; empty if it is."""
    metadata = body["metadata"]
    generation = int(metadata.get("generation") or 0)
    problem = source_problem(SourceStatus.parse(body.get("status")), generation=generation)
    return "" if problem is None else f"{metadata['namespace']}/{metadata['name']}: {problem.state}"


def _grants(views: Sequence[GrantView]) -> Hop:
    title = count(views).rstrip(": ") if views else "0 grants"
    bad = [view for view in views if view.summary.health is Health.FAILING]
    if not bad:
        return Hop("check-grants", title)
    first = f"{bad[0].name} --namespace {bad[0].namespace}"
    return Hop(
        "check-grants",
        title,
        Result.FAILED,
        facts=_first([f"{each.namespace}/{each.name}: {each.summary.state}" for each in bad]),
        cure=f"See why: keywright status {first}, or keywright doctor grant {first}",
    )


def _expiry(views: Sequence[GrantView]) -> Hop:
    title = "no key expires soon"
    late = sorted(
        (view for view in views if _is_late(view)), key=lambda view: str(view.status.expires_at)
    )
    if not late:
        return Hop("check-expiry", title)
    facts = [
        f"{view.namespace}/{view.name} expires {brief_time(view.status.expires_at, now=view.now)}"
        for view in late
        if view.status.expires_at is not None
    ]
    return Hop(
        "check-expiry",
        f"{len(late)} keys are in the last tenth of their lifetime",
        Result.WARNING,
        facts=_first(facts),
        cure="Renew them, or resume them if they are suspended: keywright renew NAME --wait",
    )


def _is_late(view: GrantView) -> bool:
    status = view.status
    if status.expires_at is None or status.issued_at is None or status.expires_at <= view.now:
        return False
    left = status.expires_at - view.now
    return left < (status.expires_at - status.issued_at) * _LATE_SHARE


def _first(sentences: Sequence[str]) -> list[str]:
    more = len(sentences) - _SHOWN
    return [*sentences[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
