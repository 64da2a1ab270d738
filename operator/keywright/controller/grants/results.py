"""What the execution of a step came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keywright.controller.records import Finding, UnprobedKey
from keywright.planning.steps import Outcome
from keywright.secrets.ownership import ManagedSecret


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for the status, and what the record of the grant remembers.

    `outcome` is None if there is nothing to report. `finding`: what the next decision needs to
    know. `pending_probe`: a new key that has not passed its probe. `written`: the Secret as the
    operator has just written it, `issued_id` the id of the managed key that it holds anew.
    `former_due`: when the former Secret is checked again.
    """

    outcome: Outcome | None = None
    finding: Finding | None = None
    pending_probe: UnprobedKey | None = None
    written: ManagedSecret | None = None
    issued_id: str | None = None
    former_due: datetime | None = None
