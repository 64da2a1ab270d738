"""One store of Events, two API versions: `v1` as stored, `events.k8s.io/v1` as a view of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testbed.clusters.embedded.documents import Document

_NAMES: Final = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_BACK: Final = {new: old for old, new in _NAMES.items()}
_ALWAYS: Final[Document] = {
    "eventTime": None,
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "reportingComponent": "",
    "reportingInstance": "",
}


def from_core(event: Document) -> Document:
    """The event in the format of events.k8s.io/v1."""
    view = {_NAMES.get(name, name): value for name, value in event.items()}
    return {**view, "apiVersion": "events.k8s.io/v1"}


def to_core(event: Document) -> Document:
    """The event as it is stored."""
    stored = {_BACK.get(name, name): value for name, value in event.items()}
    return {**stored, "apiVersion": "v1"}


def complete(event: Document) -> Document:
    """The event with the members that are shown even if empty."""
    return {**_ALWAYS, **event}
