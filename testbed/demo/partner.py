"""A partner of the demo: a receiver that accepts two keys, and a key that is rotated for it.

The grant is that of examples/api-gateway-for-a-partner, with the previous value and an overlap of
seconds. A rotation is requested whenever the old key of the last one has been retired.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from testbed.demo.examples import Example, example_of, wanted_roles
from testbed.readers import partner
from testbed.world import EXAMPLES, World

EXAMPLE = "api-gateway-for-a-partner"
_REQUEST = "keywright.dev/renew-requested-at"
# The client holds a key for two seconds of the overlap.
_OVERLAP = "4s"
# A process of clients needs a moment before its first call.
_FIRST_ROTATION_SECONDS = 3.0


def partner_example() -> Example:
    """The example, as the demo applies it: no stage of an API has to exist for it."""
    example = example_of(EXAMPLE)
    for grant in example.of_kind("ApiKeyGrant"):
        key = grant["spec"]["apiGatewayKey"]
        key |= {"overlap": _OVERLAP, "propagation": "1s"}
        del key["usagePlan"]["create"]["apiStages"]
        grant["spec"]["secret"]["includePrevious"] = True
    return example


def prepare(world: World, example: Example) -> None:
    """Create the role in the cloud, and apply the example."""
    permissions = json.loads((EXAMPLES / EXAMPLE / "permissions-policy.json").read_text())
    for role in wanted_roles(example):
        world.aws.create_role(
            name=role.name,
            trust_policy=world.trust_policy(
                namespace=role.namespace, service_account=role.service_account
            ),
            policies={"permissions": permissions},
            max_session_seconds=43200,
        )
    for document in example.documents:
        world.api.apply(document)


class Rotation:
    """Follows the grant of the example, and requests the next rotation when one has ended."""

    def __init__(self, world: World, example: Example) -> None:
        self._world = world
        (grant,) = example.of_kind("ApiKeyGrant")
        self.namespace, self.name = grant["metadata"]["namespace"], grant["metadata"]["name"]
        self._path = world.api.path_of(grant)
        self.is_published = False
        self._revision = 0
        self._next = 0.0

    def look(self) -> Iterator[str]:
        """Yield what has happened since the last look."""
        status: Mapping[str, Any] = self._world.api.get(self._path).get("status", {})
        revision = status.get("revision", 0)
        now = time.monotonic()
        if revision and not self.is_published:
            self.is_published = True
            self._next = now + _FIRST_ROTATION_SECONDS
        if revision > max(self._revision, 1):
            yield f"{self.namespace}/{self.name}: key {revision}, the receiver accepts two keys"
        requested = revision == self._revision and not status.get("retiring")
        self._revision = revision
        if self.is_published and requested and now >= self._next:
            self._next = now + _FIRST_ROTATION_SECONDS
            value = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._world.api.merge(self._path, {"metadata": {"annotations": {_REQUEST: value}}})


def has_used_both(answers: frozenset[str]) -> bool:
    """Whether the receiver has accepted each of its two values."""
    return {partner.ACCEPTED_CURRENT, partner.ACCEPTED_PREVIOUS} <= answers
