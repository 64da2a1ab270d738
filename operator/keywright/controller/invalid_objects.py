"""Objects that are too large or cannot be processed: each affects only itself.

An object over a limit is rejected, and its spec is not stored. An invalid spec is reported as a
condition in the status. Unexpected exceptions are logged and counted: one that is raised while an
object is read must not end the list or the watch that delivered it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from keywright.api.errors import FieldError

MAX_SPEC: Final = 65_536
_MAX_FINALIZERS: Final = 16_384
_MAX_ANNOTATION: Final = 256
_MAX_MESSAGE: Final = 4_096
_MAX_LIST: Final = 100
_ENCODE: Final = msgspec.json.Encoder().encode


def spec_problem(size: int) -> FieldError:
    """The error for a spec with this many bytes of JSON."""
    return FieldError(
        "spec",
        f"has {size} bytes as JSON, of which {MAX_SPEC} are read at most: shorten its policies"
        " and templates, or split it into several objects",
    )


def size_of(spec: object) -> int:
    """The bytes of a spec as JSON if they exceed the limit; otherwise 0."""
    size = len(_ENCODE(spec))
    return size if size > MAX_SPEC else 0


def bounded_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata to store, without what no regular grant has.

    A grant with that many finalizers is not deleted anyway; the operator's own is then not recorded
    among them, and they are never written back.
    """
    kept = dict(metadata)
    if len(_ENCODE(kept.get("finalizers") or ())) > _MAX_FINALIZERS:
        del kept["finalizers"]
    annotations = kept.get("annotations")
    if annotations:
        kept["annotations"] = {
            key: str(value)[:_MAX_ANNOTATION] for key, value in annotations.items()
        }
    return kept


def bounded_status(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The status, limited to the sizes that the operator writes: any client may have written it."""
    if len(_ENCODE(status)) <= MAX_SPEC:
        return status
    kept: dict[str, Any] = {
        key: value[:_MAX_MESSAGE] if isinstance(value, str) else value
        for key, value in status.items()
        if isinstance(value, str | int | None)
    }
    for key in ("conditions", "retiring"):
        items = status.get(key)
        if isinstance(items, list):
            kept[key] = [_cut(item) for item in items[:_MAX_LIST] if isinstance(item, Mapping)]
    pending = status.get("pending")
    if isinstance(pending, Mapping):
        baseline = pending.get("baseline")
        kept["pending"] = _cut(pending)
        if isinstance(baseline, list):
            kept["pending"]["baseline"] = [
                str(item)[:_MAX_MESSAGE] for item in baseline[:_MAX_LIST]
            ]
    return kept


def _cut(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value[:_MAX_MESSAGE] if isinstance(value, str) else value
        for key, value in item.items()
        if isinstance(value, str | int | None)
    }


_LOG = logging.getLogger(__name__)


class InvalidObjects:
    """The objects whose last version could not be read."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, str]] = set()

    @contextmanager
    def reading(self, kind: str, metadata: Mapping[str, Any]) -> Iterator[None]:
        """Read one object; suppress and record an exception, until the next version is read."""
        name = (kind, str(metadata.get("namespace")), str(metadata.get("name")))
        try:
            yield
        except Exception as error:
            self._known.add(name)
            _LOG.exception(
                "error: %s %s/%s cannot be read (%s) and is ignored until it is edited",
                *name,
                type(error).__name__,
            )
        else:
            self._known.discard(name)

    def count(self) -> Mapping[str, int]:
        """The number of such objects, by kind."""
        return Counter(kind for kind, _, _ in self._known)
