"""What came of a step: the one thing that is told of it to the status."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from keywright.api.errors import Failure
from keywright.planning.state import SecretState


@dataclass(frozen=True, slots=True)
class Written:
    """The Secret was written: what it holds now, by which key, and a remark for its readers.

    `changed_at_admission`: the labels and annotations that the API server answered with other
    values than were applied.
    """

    secret: SecretState
    key_id: str | None
    remark: str = ""
    renewed: bool = True
    changed_at_admission: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The step was tried and did not succeed."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class ProbePending:
    """A new key is made and does not work yet: it is tried again at that time."""

    failure: Failure
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """The step was not even tried."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing was done."""


@dataclass(frozen=True, slots=True)
class Paused:
    """A contested field is left as it is for a while."""


class FormerState(enum.Enum):
    """What a Secret of a former name was found to be, or has become."""

    FOUND = "it is ours, and its uid is known now"
    CLEARED = "nothing of the grant is in it any more"
    FAILED = "it could not be cleared"
    FOREIGN = "its marks do not name the grant"
    GONE = "there is none"


@dataclass(frozen=True, slots=True)
class FormerTended:
    """A Secret of a former name was looked at; `message` says why it could not be cleared."""

    name: str
    state: FormerState
    uid: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class IntentRecorded:
    """The journal says that a key is about to be created, and which existed before."""

    baseline: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """Keys are gone from the cloud; `lost` were those of the intent, which is over then."""

    key_ids: tuple[str, ...]
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Retired:
    """The keys that a listing has shown, and that nobody knew, retire from now on."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The key in the Secret is not in the cloud any more; another follows."""

    key_id: str


@dataclass(frozen=True, slots=True)
class Deleting:
    """The grant is being deleted; its key is revoked next."""


@dataclass(frozen=True, slots=True)
class PendingCleared:
    """Nothing is under way; the Secret says which key is in use."""


Outcome = (
    Written
    | ProbePending
    | Failed
    | Rejected
    | Unchanged
    | Paused
    | FormerTended
    | IntentRecorded
    | Removed
    | Retired
    | Lost
    | Deleting
    | PendingCleared
)
