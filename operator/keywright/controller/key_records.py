"""What the record of a grant remembers about its keys: found, looked up, or not probed yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keywright.clouds.interfaces import IssuedKey
from keywright.planning.state import CloudKey, IssueReason, KeyFault


@dataclass(frozen=True, slots=True)
class UnprobedKey:
    """A key that waits for its probe: its identity and reason, and the time of the first probe."""

    issued_key: IssuedKey
    key_identity: str
    cause: IssueReason
    since: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """The finding of a step of the create journal, for the next decision only.

    `listed`: the keys in the cloud, `unprepared` if their owner was not prepared before. `intent`:
    when this process recorded the pending intent, if it has created nothing with it yet.
    """

    listed: tuple[CloudKey, ...] | None = None
    unprepared: bool = False
    intent: datetime | None = None


NOTHING_FOUND: Final = Finding()


@dataclass(slots=True)
class KeyCheck:
    """What the cloud has shown of a managed key.

    `shown` works, by the last listing or create; `lost` does not, because of `fault`, and is
    `absent` if it does not exist. `unconfirmed`: the status from before a restart reports the key
    in use as lost. `suspect`: a shared listing lacks the key in use. `verify_at`: when it is looked
    up next.
    """

    shown: str | None = None
    lost: str | None = None
    fault: KeyFault = KeyFault.MISSING
    absent: bool = False
    unconfirmed: bool = False
    suspect: bool = False
    verify_at: datetime | None = None
