"""The API keys of API Gateway, of one account and region.

Formats are those of botocore's model of API Gateway; bounds and messages as in
`apigateway_refusals`.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import apigateway_refusals as refusals
from testbed.clouds.aws.rest_apis import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.clouds.clock import Clock

_SHORTEST, _LONGEST, _GENERATED = 20, 128, 40
_NAME_CHARACTERS = 1024
_DESCRIPTION_CHARACTERS = 125_000
# As listed by AWS [R]; it also accepts /stages, which it does not list.
_PATCHED = ("/description", "/enabled", "/name", "/customerId")


@dataclass(slots=True)
class ApiKey:
    """One key; two keys are the same if their values are."""

    id: str
    value: str = field(repr=False)
    name: str
    description: str | None
    customer_id: str | None
    enabled: bool
    created: float
    updated: float
    tags: dict[str, str]

    def to_api(self, *, value: bool) -> dict[str, Any]:
        """The key in the format of GetApiKey."""
        content: dict[str, Any] = {
            "id": self.id,
            "name": self.name or None,
            "description": self.description,
            "customerId": self.customer_id,
            "enabled": self.enabled,
            "createdDate": int(self.created),
            "lastUpdatedDate": int(self.updated),
            "stageKeys": [],
            "tags": self.tags or None,
            "value": self.value if value else None,
        }
        return {name: item for name, item in content.items() if item is not None}


class GatewayKeys:
    """All keys by their id."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self.keys: dict[str, ApiKey] = {}

    def find(self, key_id: str) -> ApiKey:
        """The key; raises CloudError NotFoundException."""
        if key_id not in self.keys:
            raise refusals.key_not_found()
        return self.keys[key_id]

    def by_value(self, value: str | None) -> ApiKey | None:
        """The key with this value."""
        return next((key for key in self.keys.values() if key.value == value), None)

    def create(self, body: Mapping[str, Any]) -> ApiKey:
        """CreateApiKey; disabled by default [K], stageKeys are ignored."""
        value = body.get("value") or "".join(
            secrets.choice(string.ascii_letters + string.digits) for _ in range(_GENERATED)
        )
        check(value=value, name=body.get("name", ""), description=body.get("description"))
        if self.by_value(value) is not None:
            raise refusals.value_taken()
        now = self._clock.now()
        made = ApiKey(
            id=new_id(),
            value=value,
            name=body.get("name", ""),
            description=body.get("description"),
            customer_id=body.get("customerId"),
            enabled=bool(body.get("enabled", False)),
            created=now,
            updated=now,
            tags=dict(body.get("tags") or {}),
        )
        self.keys[made.id] = made
        return made

    def listed(self, *, name: str | None, customer_id: str | None) -> list[ApiKey]:
        """The keys whose name has this prefix, case-sensitive [R], oldest first."""
        return [
            key
            for key in self.keys.values()
            if key.name.startswith(name or "") and customer_id in {None, key.customer_id}
        ]

    def update(self, key_id: str, operations: Sequence[Mapping[str, Any]]) -> ApiKey:
        """UpdateApiKey: all patch operations or none."""
        key = self.find(key_id)
        changes: dict[str, Any] = {}
        for operation in operations:
            op, path, value = (operation.get(part) or "" for part in ("op", "path", "value"))
            match (op, path):
                case ("replace" | "add", "/enabled"):
                    # Anything but "true" is false [R].
                    changes["enabled"] = value.lower() == "true"
                case ("replace" | "add", "/name" | "/description"):
                    changes[path[1:]] = value
                case ("replace" | "add", "/customerId"):
                    changes["customer_id"] = value
                case ("add" | "remove", "/stages"):
                    pass
                case _:
                    raise refusals.invalid_patch(op=op, path=path, paths=_PATCHED)
        check(
            value=key.value,
            name=changes.get("name", key.name),
            description=changes.get("description"),
        )
        for name, change in changes.items():
            setattr(key, name, change)
        key.updated = self._clock.now()
        return key


def check(*, value: str, name: str, description: str | None = None) -> None:
    """Raise CloudError BadRequestException for a value or a name out of bounds."""
    if len(value) < _SHORTEST:
        raise refusals.value_too_short()
    if len(value) > _LONGEST:
        raise refusals.value_too_long()
    if len(name) > _NAME_CHARACTERS:
        raise refusals.bad_request(
            f"Invalid API Key name, can be at most {_NAME_CHARACTERS} characters."
        )
    if description is not None and len(description) > _DESCRIPTION_CHARACTERS:
        raise refusals.bad_request("Invalid API Key description specified.")
