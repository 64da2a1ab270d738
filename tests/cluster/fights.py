"""Another manager of a Secret that puts its own back at each change, until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from testbed.clusters.api import MERGE, Api, ApiError
from tests.cluster.tenants import Document, Tenant

# Several other managers share a machine, and none of the pauses is as short.
_POLL_SECONDS = 0.1
_MISSING = 404

Answer = Callable[[Api, str, Document], bool]
"""Changes the Secret at the path, if it has to; whether it did."""


@dataclass(slots=True)
class Fight:
    """How often the other manager has changed the Secret; `error` is what ended it early."""

    changes: int = 0
    error: Exception | None = None


@contextmanager
def fight(tenant: Tenant, answer: Answer, *, path: str = "") -> Iterator[Fight]:
    """While it is entered, every change of the object, by default the Secret, is answered."""
    state, stopped = Fight(), threading.Event()
    path = path or tenant.secret_path()
    # Clients are no good for two threads.
    api = Api(tenant.world.cluster.kubeconfig)

    def run() -> None:
        while not stopped.wait(_POLL_SECONDS):
            try:
                state.changes += answer(api, path, api.get(path))
            except ApiError as error:
                # The Secret is gone for a moment, or was written in between.
                if error.status not in (_MISSING, 409):
                    state.error = error
                    return

    thread = threading.Thread(target=run, name="another manager", daemon=True)
    thread.start()
    try:
        yield state
    finally:
        stopped.set()
        thread.join(timeout=10)
        api.close()
    assert state.error is None, state.error


def wants(change: Document, *, manager: str = "policy-controller") -> Answer:
    """Puts a merge patch back whenever the Secret differs from it."""

    def answer(api: Api, path: str, secret: Document) -> bool:
        if _holds(change, secret):
            return False
        api.request("PATCH", path, query={"fieldManager": manager}, body=change, content_type=MERGE)
        return True

    return answer


def wants_by_update(change: Callable[[Document], None], *, manager: str) -> Answer:
    """Writes the whole Secret again, as a controller with Update does."""

    def answer(api: Api, path: str, secret: Document) -> bool:
        before = repr(secret)
        change(secret)
        if repr(secret) == before:
            return False
        api.request("PUT", path, query={"fieldManager": manager}, body=secret)
        return True

    return answer


def wants_by_apply(change: Document, *, manager: str) -> Answer:
    """Applies it with force whenever the Secret differs from it."""

    def answer(api: Api, path: str, secret: Document) -> bool:
        if _holds(change, secret):
            return False
        metadata = {key: secret["metadata"][key] for key in ("name", "namespace")}
        body = {"apiVersion": "v1", "kind": "Secret", **change}
        body["metadata"] = {**change.get("metadata", {}), **metadata}
        api.request(
            "PATCH",
            path,
            query={"fieldManager": manager, "force": "true"},
            body=body,
            content_type="application/apply-patch+yaml",
        )
        return True

    return answer


def deletes(api: Api, path: str, secret: Document) -> bool:
    """Deletes the Secret whenever it is there."""
    del secret
    api.delete(path)
    return True


def _holds(change: Any, found: Any) -> bool:
    if not isinstance(change, dict):
        return bool(change == found)
    if not isinstance(found, dict):
        return all(value is None for value in change.values())
    return all(_holds(value, found.get(name)) for name, value in change.items())
