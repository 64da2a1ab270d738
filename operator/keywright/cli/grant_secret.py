"""The Secret of a grant, read from the cluster for commands on a person's machine."""

from __future__ import annotations

import argparse
import base64
from datetime import datetime
from typing import Final

from keywright.api.names import ANNOTATION_EXPIRES_AT
from keywright.api.status import GrantStatus
from keywright.api.times import time_or_none
from keywright.cli.cluster_client import ClusterClient, grant_path, secret_path
from keywright.cli.errors import NotFoundError

_LEAST_INTERVAL: Final = 1.0
_MOST_INTERVAL: Final = 86_400.0
_MOUNT_PATH: Final = "/var/run/keywright"


def seconds_between_reads(text: str) -> float:
    """The value of an option `--interval`."""
    seconds = float(text)
    if not _LEAST_INTERVAL <= seconds <= _MOST_INTERVAL:
        raise argparse.ArgumentTypeError("is not between 1 and 86400 seconds")
    return seconds


class GrantSecret:
    """The Secret of a grant; its values are not kept."""

    def __init__(self, client: ClusterClient, grant: str) -> None:
        self._client = client
        namespace = client.namespace
        body = client.find(grant_path(namespace, grant))
        if body is None:
            raise NotFoundError(f"there is no ApiKeyGrant {grant} in namespace {namespace}.")
        spec = (body.get("spec") or {}).get("secret") or {}
        name = GrantStatus.parse(body.get("status")).secret_name or spec.get("name") or grant
        self._name = name
        self._path = secret_path(namespace, name)
        self.mount_path = str(spec.get("mountPath") or _MOUNT_PATH)

    def read(self) -> dict[str, bytes]:
        """Its values now."""
        return self.read_with_expiry()[0]

    def read_with_expiry(self) -> tuple[dict[str, bytes], datetime | None]:
        """Its values now, and when the key expires, if it does."""
        found = self._client.find(self._path)
        if found is None:
            raise NotFoundError(
                f"there is no Secret {self._name} yet.", remedy="See why: keywright status."
            )
        annotations = (found.get("metadata") or {}).get("annotations") or {}
        data = found.get("data") or {}
        values = {key: base64.b64decode(value) for key, value in data.items()}
        return values, time_or_none(annotations.get(ANNOTATION_EXPIRES_AT))
