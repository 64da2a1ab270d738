"""What is in a cloud for no grant, and what grants name that is not in the cloud; pure.

Only resources with this cluster's ID in their tags are ever reported as Keywright's. What Keywright
did not create there (a key that someone gave one of its users) is reported, and never removable.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from keywright.cli.auditing.grants import GrantFacts
from keywright.clouds.alibaba.modelstudio.marks import Description
from keywright.clouds.aws.marked_resources import Marks


class Kind(StrEnum):
    """The kinds of resource."""

    USER = "IAM user"
    CREDENTIAL = "user key"
    ACCESS_KEY = "access key"
    API_KEY = "API key"
    PLAN = "usage plan"
    MODEL_STUDIO_KEY = "Model Studio key"
    ENTRY = "list entry"


class Reason(StrEnum):
    """Why a resource is a finding; documented in docs/troubleshooting.md."""

    NO_GRANT = "audit-no-grant"
    UNKNOWN_KEY = "audit-unknown-key"
    FOREIGN_KEY = "audit-foreign-key"
    UNUSED = "audit-unused"
    MISSING = "audit-missing"
    NOT_IN_PLAN = "audit-not-in-plan"
    PLAN_WITHOUT_KEYS = "audit-plan-without-keys"
    STALE_ENTRY = "audit-stale-entry"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; `action` says what `--fix` does, and is empty if it does nothing.

    `cure` is what a person can do instead. `user` is the user of a key. `key_id` is the ID of a key
    as in the status of a grant. `untag`: an existing user only loses its tags. `marks` and
    `description` are what a listing has shown of the owner.
    """

    reason: Reason
    kind: Kind
    account: str
    region: str
    name: str
    grant: str
    detail: str
    action: str = ""
    cure: str = ""
    user: str = ""
    key_id: str = ""
    untag: bool = False
    marks: Marks = field(default_factory=lambda: Marks({}), repr=False)
    description: Description | None = field(default=None, repr=False)

    @property
    def sort_key(self) -> tuple[str, str, str, str, str]:
        """By place and kind."""
        return self.account, self.region, self.kind, self.user, self.name

    def document(self) -> dict[str, Any]:
        """The item of `-o json`; stable, and documented in docs/cli.md."""
        return {
            "reason": self.reason.value,
            "account": self.account,
            "region": self.region,
            "kind": self.kind.value,
            "name": self.name,
            "user": self.user,
            "grant": self.grant,
            "detail": self.detail,
            "removable": bool(self.action),
            "action": self.action,
            "command": self.cure,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """The cluster's side: its ID, and its grants by their owner tags.

    `before` are the grants from before the clouds were listed, `grants` those from after it: a key
    that was issued in between is neither unknown nor missing.
    """

    cluster_id: str
    before: Mapping[str, GrantFacts]
    grants: Mapping[str, GrantFacts]
    now: datetime

    def is_ours(self, marks: Marks) -> bool:
        """Whether this cluster created it, and no deletion retains it."""
        return marks.cluster_id == self.cluster_id and not marks.is_retained and bool(marks.owner)

    def grant(self, marks: Marks) -> GrantFacts | None:
        """The grant of a resource, if it exists now or did when the audit began."""
        return self.grants.get(marks.owner) or self.before.get(marks.owner)

    def is_named(self, key_id: str, user: str) -> bool:
        """Whether any grant names a key of a user, or may be about to."""
        every = [*self.before.values(), *self.grants.values()]
        return any(
            key_id in grant.key_ids or (grant.user == user and not grant.settled) for grant in every
        )

    def knows(self, grant: GrantFacts, key_id: str) -> bool:
        """Whether a grant names a key, or may be about to."""
        earlier = self.before.get(grant.owner)
        named = grant.key_ids | (earlier.key_ids if earlier is not None else frozenset())
        return not grant.settled or earlier is None or not earlier.settled or key_id in named


def established_key(grant: GrantFacts, known: Known) -> str:
    """The key that a grant had before and after the listing, if a listing must show it."""
    earlier = known.before.get(grant.owner)
    same = earlier is not None and earlier.key_id == grant.key_id and earlier.settled
    return grant.key_id or "" if same and grant.settled and grant.is_listed(known.now) else ""


def missing_finding(
    kind: Kind,
    account: str,
    region: str,
    name: str,
    grant: GrantFacts,
    *,
    what: str,
    user: str = "",
) -> Finding:
    """The finding of something that a grant names, and that does not exist."""
    where = f"--namespace {grant.namespace}"
    return Finding(
        reason=Reason.MISSING,
        kind=kind,
        account=account,
        region=region,
        name=name,
        grant=grant.owner,
        detail=f"{what} of its grant does not exist",
        cure=f"keywright renew {grant.name} {where}, or restore what the grant names",
        user=user,
    )


def parts_of(key_id: str) -> tuple[str, str, str]:
    """Account, user or Region, and name in the ID of a key; empty for any other text."""
    first, _, rest = key_id.partition("/")
    second, _, third = rest.partition("/")
    return first, second, third


def words(*arguments: str) -> str:
    """The arguments of a command for a shell."""
    return " ".join(shlex.quote(each) for each in arguments)
