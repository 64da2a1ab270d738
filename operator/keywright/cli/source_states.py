"""The sources of the grants that a command shows: a source can fail while its keys are valid."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from keywright.api.errors import ApiError
from keywright.api.names import SOURCE_PLURAL
from keywright.api.status import SourceStatus
from keywright.cli.cluster_client import CUSTOM, METADATA, ClusterClient, segment
from keywright.cli.errors import ForbiddenError
from keywright.cli.grant_view import GrantView
from keywright.planning.conditions import CLOCK_SKEWED
from keywright.planning.grant_summary import with_failing_source
from keywright.planning.source_summary import source_problem

Document = Mapping[str, Any]


@dataclass(slots=True)
class SourceStates:
    """The sources, by namespace and name; `unknown` are the namespaces that could not be listed."""

    client: ClusterClient
    bodies: dict[tuple[str, str], Document] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    labels: dict[str, Mapping[str, str] | None] = field(default_factory=dict)

    def read_all(self) -> None:
        """List the sources of the cluster."""
        self._read("")

    def read(self, namespaces: Iterable[str]) -> None:
        """List the sources of those of the namespaces that were not read yet."""
        known = self.listed | self.unknown
        if "" not in known:
            for namespace in {*namespaces} - known:
                self._read(namespace)

    def _read(self, namespace: str) -> None:
        place = f"/namespaces/{segment(namespace)}" if namespace else ""
        try:
            found = list(self.client.items(f"{CUSTOM}{place}/{SOURCE_PLURAL}"))
        except (ForbiddenError, ApiError):
            self.unknown.add(namespace)
            return
        self.listed.add(namespace)
        for body in found:
            self.bodies[body["metadata"]["namespace"], body["metadata"]["name"]] = body

    def warn(self) -> None:
        """Say on standard error which sources are unknown, if there are any."""
        if self.unknown:
            where = ", ".join(sorted(self.unknown)) or "the cluster"
            sys.stderr.write(
                f"note: you may not list CredentialSources in {where}, so a source that fails"
                " while its keys are valid is not shown\n"
            )

    def apply(self, views: Iterable[GrantView]) -> Iterator[GrantView]:
        """Yield the views, each with the problem of its source."""
        for view in views:
            namespace, name = view.source
            if not name or not {"", namespace} & self.listed:
                yield view
                continue
            refusal, waits = self._refusal(view), True
            if not refusal:
                refusal, waits = self._failure(view), False
            summary = view.summary
            if refusal:
                summary = with_failing_source(summary, view.status, problem=refusal, waits=waits)
            yield replace(view, summary=summary)

    def _refusal(self, view: GrantView) -> str:
        """Why the grant may not use its source, as the operator says it; empty if it may."""
        body = self.bodies.get(view.source)
        deleting = body is not None and "deletionTimestamp" in body["metadata"]
        if body is not None and not deleting and view.source[0] == view.namespace:
            return ""
        # The parser takes long to import, and is seldom needed.
        from keywright.api.parsing import parse_source  # noqa: PLC0415
        from keywright.planning.sources import source_failure  # noqa: PLC0415

        value = None if body is None else parse_source(dict(body))
        if isinstance(value, list):
            # The operator cannot read the source either, and its status says so.
            return ""
        labels: Mapping[str, str] | None = {}
        if value is not None and value.selects_namespaces:
            labels = self._labels(view.namespace)
        if labels is None:
            return ""
        failure = source_failure(
            view.source,
            value=value,
            deleting=deleting,
            asking=view.namespace,
            permitted=value is None or value.allows(view.namespace, labels=labels),
        )
        return "" if failure is None else failure.message_with_remedy()

    def _labels(self, namespace: str) -> Mapping[str, str] | None:
        """The labels of a namespace; None if the user may not read it."""
        if namespace not in self.labels:
            try:
                found = self.client.get(f"/api/v1/namespaces/{segment(namespace)}", accept=METADATA)
                self.labels[namespace] = found["metadata"].get("labels") or {}
            except (ForbiddenError, ApiError):
                self.labels[namespace] = None
        return self.labels[namespace]

    def _failure(self, view: GrantView) -> str:
        """Why the cloud does not accept the source, in a sentence; empty if it does."""
        body = self.bodies.get(view.source)
        if body is None:
            return ""
        generation = int(body["metadata"].get("generation") or 0)
        problem = source_problem(SourceStatus.parse(body.get("status")), generation=generation)
        if problem is None or problem.condition in ("", CLOCK_SKEWED):
            return ""
        namespace, name = view.source
        place = name if namespace == view.namespace else f"{namespace}/{name}"
        return f"CredentialSource {place} fails ({problem.state}): {problem.message}"
