"""The spans of reconciles: what was reconciled, what was done and why; no value of a key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ParamSpec

from keywright.api.names import GRANT_KIND, SOURCE_KIND
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.key_runner import Reconcile
from keywright.controller.records import Name
from keywright.controller.store import Store
from keywright.planning.conditions import READY
from keywright.planning.steps import Fail, Issue, Outcome, ProbePending, Reject, Rewrite, Step
from keywright.telemetry.traces import Attributes, Tracer

_Parameters = ParamSpec("_Parameters")


def each(*observers: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
    """One observer that calls all of them."""

    def observe(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> None:
        for observer in observers:
            observer(*arguments, **options)

    return observe


def record_outcome(tracer: Tracer, step: Step, outcome: Outcome | None) -> None:
    """Add step, cause and outcome to the span of a reconcile; of a failure its reason."""
    attributes = {"keywright.step": type(step).__name__}
    if isinstance(step, Issue | Rewrite):
        attributes["keywright.cause"] = step.cause.value
    attributes["keywright.outcome"] = "None" if outcome is None else type(outcome).__name__
    failed = isinstance(outcome, Fail | Reject | ProbePending)
    if isinstance(outcome, Fail | Reject | ProbePending):
        attributes["keywright.reason"] = outcome.failure.reason
        attributes["keywright.failure_class"] = outcome.failure.kind.value
    tracer.annotate(attributes, failed=failed)


@dataclass(frozen=True, slots=True)
class TracedReconcile:
    """A reconcile within a span; `name_of` returns namespace and name for a key."""

    reconcile: Reconcile
    tracer: Tracer
    span_name: str
    kind: str
    name_of: Callable[[str], Name]

    async def __call__(self, key: str) -> datetime | DeferredStatusWrite | None:
        """Reconcile the key; a deferred write becomes a span below this one."""
        namespace, name = self.name_of(key)
        attributes = {
            "k8s.namespace.name": namespace,
            "keywright.kind": self.kind,
            "keywright.name": name,
        }
        with self.tracer.span(self.span_name, attributes) as span:
            found = await self.reconcile(key)
        if not isinstance(found, DeferredStatusWrite):
            return found
        return DeferredStatusWrite(partial(self._finish, found.finish, attributes, span))

    async def _finish(
        self,
        finish: Callable[[], Awaitable[datetime | None]],
        attributes: Attributes,
        parent: object,
    ) -> datetime | None:
        with self.tracer.span("write deferred status", attributes, parent=parent):
            return await finish()


def traced_grants(reconcile: Reconcile, tracer: Tracer, store: Store, *, span: str) -> Reconcile:
    """A reconcile of grants with spans."""

    def name_of(uid: str) -> Name:
        record = store.grants.get(uid)
        return (record.namespace, record.name) if record is not None else ("", "")

    return TracedReconcile(reconcile, tracer, span, GRANT_KIND, name_of)


def traced_sources(
    reconcile: Callable[[Name], Awaitable[datetime | None]],
    tracer: Tracer,
    store: Store,
    *,
    name_of: Callable[[str], Name],
) -> Reconcile:
    """A reconcile of sources with spans: the outcome is the reason of their condition Ready."""

    async def annotated(key: str) -> datetime | None:
        name = name_of(key)
        due = await reconcile(name)
        record = store.sources.get(name)
        ready = record.status.condition(READY) if record is not None else None
        if ready is not None:
            tracer.annotate({"keywright.outcome": ready.reason})
        return due

    return TracedReconcile(annotated, tracer, "reconcile source", SOURCE_KIND, name_of)
