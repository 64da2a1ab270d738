"""Objects that cannot be read at all: one affects only itself, and is logged and counted.

What is merely wrong in an object is a condition in its status. This is for what nobody thought of:
an exception while one object is taken in must not end the list or the watch that brought it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_LOG = logging.getLogger(__name__)


class InvalidObjects:
    """The objects of which the last version could not be read."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, str]] = set()

    @contextmanager
    def reading(self, kind: str, metadata: Mapping[str, Any]) -> Iterator[None]:
        """Take one object in; an exception ends with it, and the next version may do better."""
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
        """How many there are, by kind."""
        return Counter(kind for kind, _, _ in self._known)
