"""The control commands of the vendors; `TokenVendors` is their typed client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from testbed.clouds import control

if TYPE_CHECKING:
    from testbed.clouds.calls import CallLog
    from testbed.clouds.clock import Clock
    from testbed.clouds.faults import Faults
    from testbed.clouds.vendors.oauth import Generic
    from testbed.clouds.vendors.tokens import AccessTokens
    from testbed.clouds.vendors.trusts import Trusts


class Control(control.Control):
    """The table of commands."""

    def __init__(
        self,
        *,
        trusts: Trusts,
        tokens: AccessTokens,
        generic: Generic,
        clock: Clock,
        faults: Faults,
        journal: CallLog,
    ) -> None:
        self._trusts = trusts
        self._tokens = tokens
        super().__init__(clock=clock, faults=faults, journal=journal)
        self.questions |= {
            "trust_issuer": self._trust_issuer,
            "put_trust": trusts.put,
            "remove_trust": trusts.remove,
            "limit_sessions": self._limit_sessions,
            "revoke_all": tokens.revoke_all,
            "answer_with": generic.answer_with,
            "secrets": lambda: sorted({*trusts.seen, *tokens.values()} - {""}),
        }

    def _trust_issuer(self, *, issuer: str, ca_file: str | None) -> None:
        self._trusts.trust_issuer(issuer=issuer, ca_file=None if ca_file is None else Path(ca_file))

    def _limit_sessions(self, *, seconds: float | None) -> None:
        self._tokens.limit_seconds = seconds
