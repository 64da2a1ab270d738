"""The result of executing a step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keywright.controller.key_records import Finding, UnprobedKey
from keywright.planning.steps import Outcome
from keywright.secrets.ownership import ManagedSecret


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome for the status, and what is stored in the record of the grant.

    `outcome` is None if there is nothing to report. `finding`: what the next decision needs.
    `pending_probe`: a new key that has not passed its probe. `written`: the Secret as just written,
    `issued_id` the ID of a newly issued managed key in it. `former_due`: when the former Secret is
    checked again.
    """

    outcome: Outcome | None = None
    finding: Finding | None = None
    pending_probe: UnprobedKey | None = None
    written: ManagedSecret | None = None
    issued_id: str | None = None
    former_due: datetime | None = None
