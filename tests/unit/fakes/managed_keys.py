"""A small IAM: one user, two keys at most, a listing that may be behind, answers that get lost."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, HolderInUseError, Intent, IssuedKey
from keywright.planning.state import CloudKey, KeyFault
from keywright.secrets.credential import API_KEY, Credential
from tests.unit.replace import replace

LOST = Failure("no answer.", kind=FailureClass.TRANSIENT, reason="CloudError")
FULL = Failure("no room.", kind=FailureClass.QUOTA, reason="KeyLimitReached", no_side_effect=True)
MOST = 2


@dataclass(slots=True)
class SmallIam:
    """Implements `ManagedKeys`; `lose` says how many of the next creates do not answer.

    `tagged`: the user carries the tag of the grant that looks. `values` are the aliases by id that
    a value of evidence is compared with. `asked` are the ids of each removal, which fails with
    `refusal` and leaves the ids that are `out_of_reach`; `holder_in_use` is why the user stays,
    whose keys are deleted. `fault` is what shared listings show of
    every key, unless the lookup fails with `lookup_failure`, and `prepare` with `prepare_failure`.
    """

    clock: Callable[[], datetime]
    lag: timedelta = timedelta(0)
    lose: int = 0
    made: int = 0
    held: dict[str, CloudKey] = field(default_factory=dict)
    prepared: int = 0
    gone: bool = False
    tagged: bool = False
    values: dict[str, str] = field(default_factory=dict)
    evidence: Evidence = NO_EVIDENCE
    requested: list[tuple[str, ...]] = field(default_factory=list)
    refusal: Failure | None = None
    out_of_reach: frozenset[str] = frozenset()
    holder_in_use: HolderInUseError | None = None
    fault: KeyFault | None = None
    lookup_failure: Failure | None = None
    prepare_failure: Failure | None = None
    intents: list[Intent] = field(default_factory=list)
    point: Callable[[], None] = lambda: None
    most: int = MOST

    async def prepare(self, known: frozenset[str], /) -> None:
        """Note it."""
        del known
        self.point()
        self.prepared += 1
        if self.prepare_failure is not None:
            raise self.prepare_failure

    async def list_keys(self, known: frozenset[str], /) -> tuple[CloudKey, ...]:
        """What is old enough to be shown."""
        del known
        self.point()
        return tuple(
            replace(key, marked=self._is_marked(key.id))
            for key in self.held.values()
            if self.clock() - key.created_at >= self.lag
        )

    def _is_marked(self, key_id: str) -> bool:
        value = self.evidence.value
        known = value is not None and value.reveal() == self.values.get(key_id)
        return self.tagged or known or key_id in self.evidence.proven

    async def find_fault(
        self, key_id: str, known: frozenset[str], parts: int, /
    ) -> KeyFault | None:
        """As a listing of the account."""
        del known, parts
        self.point()
        if self.lookup_failure is not None:
            raise self.lookup_failure
        if self.fault is not None:
            return self.fault
        found = self.held.get(key_id)
        if found is None or not found.active or self.clock() - found.created_at < self.lag:
            return KeyFault.MISSING
        return None

    async def create(self, intent: Intent, /) -> IssuedKey:
        """A key, whether its answer comes or not."""
        self.intents.append(intent)
        self.point()
        if len(self.held) >= MOST:
            raise FULL
        self.made += 1
        now = self.clock().replace(microsecond=0)
        key = CloudKey(f"123456789012/bedrock-chat/ACCA{self.made}", created_at=now)
        self.held[key.id] = key
        self.values[key.id] = f"ABSK-planted{self.made}"
        self.point()
        if self.lose:
            self.lose -= 1
            raise LOST
        return IssuedKey(
            Credential(
                values={API_KEY: Sensitive(f"ABSK-planted{self.made}")},
                region="us-west-2",
                account_id="123456789012",
                key_id=key.id,
                issued_at=now,
                expires_at=None,
            )
        )

    async def deactivate(self, key_ids: tuple[str, ...], /) -> None:
        """They are refused."""
        self.point()
        for key_id in key_ids:
            if key_id in self.held:
                self.held[key_id] = CloudKey(
                    key_id, created_at=self.held[key_id].created_at, active=False
                )
        self.point()

    async def remove(
        self, key_ids: tuple[str, ...], /, *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """They are gone."""
        self.point()
        self.requested.append(key_ids)
        if self.refusal is not None:
            raise self.refusal
        for key_id in key_ids:
            self.held.pop(key_id, None)
        if and_holder and self.holder_in_use is not None:
            raise self.holder_in_use
        self.gone = self.gone or (and_holder and not self.held)
        self.point()
        return tuple(key_id for key_id in key_ids if key_id in self.out_of_reach)
