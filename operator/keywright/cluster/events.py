"""Events on Keywright's resources: one for each new failure, one for the recovery."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from keywright.api.errors import ApiError, ApiUnreachableError
from keywright.cluster.client import KubernetesClient

_LOG = logging.getLogger(__name__)
_NOTE_LIMIT = 1024
_NAME_LIMIT = 236  # of the 253 that a name may have, with a dot and sixteen digits after it
_COMPONENT = "keywright.dev/controller"


class EventWriter:
    """Posts Events; one that cannot be posted is dropped without a retry."""

    def __init__(self, client: KubernetesClient, *, instance: str) -> None:
        self._client = client
        self._instance = instance

    async def post(
        self, regarding: Mapping[str, Any], *, warning: bool, reason: str, note: str
    ) -> None:
        """Post an Event; `regarding` is a reference (kind, namespace, name, uid, apiVersion)."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            # Named as client-go does; a generateName must not end in a dot.
            "metadata": {
                "name": f"{regarding['name'][:_NAME_LIMIT]}.{secrets.token_hex(8)}",
                "namespace": regarding["namespace"],
            },
            "eventTime": now,
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "note": note[:_NOTE_LIMIT],
            "action": "Reconcile",
            "reportingController": _COMPONENT,
            "reportingInstance": self._instance,
            "regarding": dict(regarding),
        }
        try:
            await self._client.request(
                "POST",
                f"/apis/events.k8s.io/v1/namespaces/{regarding['namespace']}/events",
                body=body,
            )
        except (ApiError, ApiUnreachableError) as error:
            _LOG.info("an Event was not posted: %s", error)
