"""What the cluster knows about the keys of its grants, for a comparison with the clouds; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from keywright.api.keys import KEY_TYPES, USER_KINDS, KeyKind
from keywright.api.status import GrantStatus
from keywright.api.user_key import UserKey
from keywright.clouds.owner_tags import owner_tag

# IAM may list a new key this late; as in `planning.key_check`.
_LISTED_AFTER: Final = timedelta(minutes=2)
_REGIONS: Final = {
    KeyKind.API_GATEWAY_KEY: re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}"),
    KeyKind.MODEL_STUDIO_KEY: re.compile(r"[a-z]{2}(-[a-z0-9]{1,20}){1,3}"),
}


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """A grant that exists, valid or not, and the keys that its status names.

    `key_ids` also has the keys that existed before a create in progress, and those that retire.
    `settled`: the operator has issued its key and is not creating or deleting one now.
    """

    namespace: str
    name: str
    source: tuple[str, str]
    kind: KeyKind | None
    key_id: str | None
    key_ids: frozenset[str]
    issued_at: datetime | None
    settled: bool
    exclusive: bool
    bulk: bool
    enabled: bool
    user: str
    service: str
    plan_names: frozenset[str]
    plan_ids: frozenset[str]
    made_plans: frozenset[str]
    secret: str
    workspace: str = ""

    @property
    def owner(self) -> str:
        """The owner tag of its resources."""
        return owner_tag(self.namespace, self.name)

    @property
    def regions(self) -> frozenset[str]:
        """The Regions of its keys, if their IDs have one; a status can name anything."""
        pattern = None if self.kind is None else _REGIONS.get(self.kind)
        if pattern is None:
            return frozenset()
        ids = (each.split("/") for each in self.key_ids)
        return frozenset(
            parts[1] for parts in ids if len(parts) == 3 and pattern.fullmatch(parts[1])
        )

    def is_listed(self, now: datetime) -> bool:
        """Whether a key that exists must be in a listing by now."""
        return self.issued_at is not None and now - self.issued_at >= _LISTED_AFTER


def facts_of(body: Mapping[str, Any]) -> GrantFacts:
    """The facts of a grant's object; each part of it may be missing or invalid."""
    metadata, spec = body["metadata"], _mapping(body.get("spec"))
    status = GrantStatus.parse(body.get("status"))
    kind = KeyKind(status.kind) if status.kind in set(KeyKind) else None
    of_user = next((each for each in USER_KINDS if each in spec), None)
    iam = _mapping(spec.get(of_user)) if of_user is not None else {}
    gateway = _mapping(spec.get(KeyKind.API_GATEWAY_KEY))
    plans = [_mapping(each) for each in (gateway.get("usagePlan"), *_list(gateway))]
    reference = _mapping(spec.get("sourceRef"))
    namespace, name = str(metadata["namespace"]), str(metadata["name"])
    ids = {status.key_id, *(key.key_id for key in status.retiring)}
    ids |= set(status.pending.baseline) if status.pending is not None else set()
    return GrantFacts(
        namespace=namespace,
        name=name,
        source=(str(reference.get("namespace") or namespace), str(reference.get("name", ""))),
        kind=kind,
        key_id=status.key_id,
        key_ids=frozenset(key_id for key_id in ids if key_id),
        issued_at=status.issued_at,
        settled=bool(status.key_id) and status.pending is None and not _is_deleting(metadata),
        exclusive=iam.get("exclusive") is True,
        bulk="csvFrom" in gateway,
        enabled=gateway.get("enabled") is not False,
        user=str(_mapping(iam.get("user")).get("name", "")),
        service="" if of_user is None else _service(of_user, iam),
        plan_names=_texts(plan.get("name") for plan in plans),
        plan_ids=_texts(plan.get("id") for plan in plans),
        made_plans=_texts(_mapping(plan.get("create")).get("name") for plan in plans),
        workspace=str(_mapping(spec.get(KeyKind.MODEL_STUDIO_KEY)).get("workspaceId") or ""),
        secret=status.secret_name or str(_mapping(spec.get("secret")).get("name") or name),
    )


def _service(kind: KeyKind, spec: Mapping[str, Any]) -> str:
    """The name in IAM of the service whose keys a grant issues."""
    key_type = KEY_TYPES[kind]
    assert issubclass(key_type, UserKey)
    return key_type.service_name_in(spec)


def _is_deleting(metadata: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in metadata


def _list(gateway: Mapping[str, Any]) -> list[object]:
    found = gateway.get("additionalUsagePlans")
    return found if isinstance(found, list) else []


def _texts(values: Iterable[object]) -> frozenset[str]:
    return frozenset(value for value in values if isinstance(value, str) and value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
