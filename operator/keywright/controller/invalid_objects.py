"""Objects that cannot be processed: each affects only itself, and is logged and counted.

An invalid spec is reported as a condition in the status. This module handles unexpected exceptions:
one that is raised while an object is read must not end the list or the watch that delivered it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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
