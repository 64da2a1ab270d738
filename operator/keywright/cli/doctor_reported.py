"""The last hop of `keywright doctor`: what the operator itself reports in the status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from keywright.api.status import SourceStatus
from keywright.cli.grant_view import view_of
from keywright.cli.hop import Hop, Result
from keywright.planning.grant_summary import NOT_PROCESSED, OVERDUE, PENDING
from keywright.planning.source_summary import source_problem

_CHECK_OPERATOR: Final = "Check that the operator runs and watches this namespace: keywright check."


class Chain(Enum):
    """Whether the hops before the last one were tried; those that were have succeeded."""

    TRIED = "tried"
    PARTLY = "partly"
    UNTRIED = "untried"


_CURES: Final = {
    Chain.TRIED: (
        "Every step before this one works on this machine, so the operator's pod differs from it:"
        " check its NetworkPolicy, proxy and clock (keywright check), or wait for its next attempt,"
        " within five minutes."
    ),
    Chain.PARTLY: "Follow the message above. The skipped steps can be tried in the operator alone.",
    Chain.UNTRIED: (
        "Follow the message above, or find the step that fails:"
        " keywright doctor {kind} {name} --namespace {namespace}"
    ),
}


@dataclass(frozen=True, slots=True)
class _Problem:
    """The state that the operator reports, its message, and a cure other than the usual one."""

    state: str
    message: str
    cure: str = ""


def reported_hop(body: Mapping[str, Any], *, is_source: bool, chain: Chain, now: datetime) -> Hop:
    """Return the hop; `chain` says what is known of the hops before it."""
    kind, name = "source" if is_source else "grant", body["metadata"]["name"]
    problem = _of_source(body) if is_source else _of_grant(body, now=now)
    if problem is None and not is_source and (body.get("spec") or {}).get("suspend") is True:
        resume = f"keywright resume {name} --namespace {body['metadata']['namespace']}"
        return Hop(
            "doctor-operator",
            "the operator reports this grant as Suspended",
            facts=(f"spec.suspend is true: no key is issued or renewed until {resume}",),
        )
    if problem is None:
        return Hop("doctor-operator", f"the operator reports this {kind} as Ready")
    cure = _CURES[chain].format(kind=kind, name=name, namespace=body["metadata"]["namespace"])
    return Hop(
        "doctor-operator",
        f"the operator reports this {kind} as not fine: {problem.state}",
        Result.FAILED,
        facts=(problem.message,),
        cure=problem.cure or cure,
    )


def _of_source(body: Mapping[str, Any]) -> _Problem | None:
    generation = int(body["metadata"].get("generation") or 0)
    found = source_problem(SourceStatus.parse(body.get("status")), generation=generation)
    if found is None:
        return None
    return _Problem(found.state, found.message, cure=_CHECK_OPERATOR if not found.condition else "")


def _of_grant(body: Mapping[str, Any], *, now: datetime) -> _Problem | None:
    view = view_of(body, readers=None, now=now)
    if view.is_fine:
        return None
    silent = view.summary.state in (PENDING, NOT_PROCESSED, OVERDUE)
    return _Problem(
        view.summary.state, view.summary.message, cure=_CHECK_OPERATOR if silent else ""
    )
