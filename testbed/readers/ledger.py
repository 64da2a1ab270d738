"""Every key that any client could have read: the Secrets of all grants, from a watch.

A watch shows each version of a Secret once, as soon as it is written: its key and expiry are known
without a client for each. The values are neither used nor received (metadata only).
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from keywright.api.names import SECRET_SELECTOR
from keywright.planning.renewal import begins_at
from testbed.readers.secret_source import connection_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_PREFIX = "keywright.dev/"
_PAUSE_SECONDS = 0.1

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key in a Secret; times in seconds since 1970.

    `renews` is the time in the Secret, `begins` when work on the next one should begin accordingly;
    `seen` is when the watch delivered it.
    """

    revision: int
    issued: float
    expires: float
    renews: float
    begins: float
    seen: float


class SecretHistory:
    """Watches the Secrets of a cluster, as the user of a kubeconfig, while it is entered.

    Secrets in `ignored` namespaces are skipped: they may have any content.
    """

    def __init__(
        self, kubeconfig: Path, *, ignored: Callable[[str], bool] = lambda _: False
    ) -> None:
        self._kubeconfig = kubeconfig
        self._ignored = ignored
        self._entries: defaultdict[Name, list[Entry]] = defaultdict(list)
        self._changed = threading.Condition()
        self._version = ""
        self._ended = False
        self._connection: http.client.HTTPConnection | None = None
        self._thread = threading.Thread(target=self._follow, name="ledger", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def entries(self) -> dict[Name, tuple[Entry, ...]]:
        """The entries so far, by the name of the Secret, in the order of writing."""
        with self._changed:
            return {name: tuple(found) for name, found in self._entries.items()}

    def revisions(self) -> dict[Name, int]:
        """The newest revision of each Secret."""
        return {name: found[-1].revision for name, found in self.entries().items()}

    def wait_until(
        self, enough: Callable[[dict[Name, int]], bool], *, seconds: float
    ) -> dict[Name, int]:
        """Wait until the newest revisions are enough, and return them; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: enough(self._newest()), timeout=seconds):
                counts = Counter(self._newest().values())
                raise TimeoutError(f"not within {seconds} s; Secrets by revision: {counts}")
            return self._newest()

    def _newest(self) -> dict[Name, int]:
        return {name: found[-1].revision for name, found in self._entries.items()}

    def _follow(self) -> None:
        while not self._ended:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                self._watch()
            time.sleep(_PAUSE_SECONDS)

    def _watch(self) -> None:
        connection, headers = connection_to(self._kubeconfig, seconds=None)
        self._connection = connection
        path = f"/api/v1/secrets?watch=true&labelSelector={SECRET_SELECTOR}"
        path += f"&resourceVersion={self._version}" if self._version else ""
        connection.request("GET", path, headers={"Accept": _METADATA, **headers})
        with connection.getresponse() as answer:
            while not self._ended and (line := answer.readline()):
                self._note(json.loads(line))
        connection.close()

    def _note(self, event: dict[str, Any]) -> None:
        metadata = event["object"].get("metadata", {})
        if event["type"] == "ERROR":
            self._version = ""
            return
        self._version = metadata["resourceVersion"]
        name = (metadata["namespace"], metadata["name"])
        if self._ignored(name[0]):
            return
        with self._changed:
            if event["type"] == "DELETED":
                self._entries.pop(name, None)
            else:
                annotations: dict[str, str] = metadata.get("annotations") or {}
                if _PREFIX + "expires-at" not in annotations:  # a key without expiry
                    return
                entry = _entry(annotations, seen=time.time())
                known = self._entries[name]
                if not known or known[-1].revision != entry.revision:
                    known.append(entry)
            self._changed.notify_all()


def expired(entries: Iterable[Entry], *, until: float) -> list[str]:
    """When a client would have read an expired key: one line for each such time."""
    found = list(entries)
    replaced = [*(entry.seen for entry in found[1:]), until]
    return [
        f"revision {entry.revision} ended {seen - entry.expires:.2f} s before it was replaced"
        for entry, seen in zip(found, replaced, strict=True)
        if seen > entry.expires
    ]


def needless(entries: Iterable[Entry]) -> list[str]:
    """Keys that were issued too early, or twice: one line for each."""
    found = list(entries)
    return [
        f"revision {entry.revision}, due at {before.begins:.1f}, was issued at {entry.issued:.0f}"
        f" after {before.revision}"
        for before, entry in itertools.pairwise(found)
        if entry.revision != before.revision + 1 or entry.issued < int(before.begins)
    ]


def lateness(entries: Iterable[Entry]) -> list[float]:
    """How late each renewal was seen, in seconds; negative if early."""
    found = list(entries)
    return [entry.seen - before.renews for before, entry in itertools.pairwise(found)]


def _entry(annotations: dict[str, str], *, seen: float) -> Entry:
    def moment(name: str) -> datetime:
        return datetime.fromisoformat(annotations[_PREFIX + name])

    issued, expires, renews = moment("issued-at"), moment("expires-at"), moment("renew-at")
    _, _, uid = annotations[_PREFIX + "owner"].partition(" ")
    begins = begins_at(renews, lifetime=expires - issued, uid=uid)
    return Entry(
        revision=int(annotations[_PREFIX + "revision"]),
        issued=issued.timestamp(),
        expires=expires.timestamp(),
        renews=renews.timestamp(),
        begins=begins.timestamp(),
        seen=seen,
    )
