"""What came of a step: the one thing that is told of it to the status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keywright.planning.facts import SecretView
from keywright.planning.failures import Failure


@dataclass(frozen=True, slots=True)
class Written:
    """The Secret was written: what it holds now, by which key, and a remark for its readers."""

    secret: SecretView
    key_id: str | None
    remark: str = ""
    renewed: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """The step was tried and did not succeed."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Unproven:
    """A new key is made and does not work yet: it is tried again at that time."""

    failure: Failure
    again_at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """The step was not even tried."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Kept:
    """Nothing was done."""


@dataclass(frozen=True, slots=True)
class Intended:
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
class Settled:
    """Nothing is under way; the Secret says which key is in use."""


Outcome = (
    Written
    | Unproven
    | Failed
    | Refused
    | Kept
    | Intended
    | Removed
    | Retired
    | Lost
    | Deleting
    | Settled
)
