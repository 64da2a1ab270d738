"""Short-term API keys of AWS services: what their specs have in common.

Such a key is a presigned request, signed locally with a session. It is valid in one Region, for 12
hours at most, and never longer than the session.
"""

from collections.abc import Iterator
from typing import ClassVar, Final

from typing_extensions import override

from keywright.api import checks
from keywright.api.aws_source import scope_errors, session_limits
from keywright.api.checks import HOUR, MINUTE
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.formats import Variable
from keywright.api.key_spec import COMMON_VARIABLES, KeySpec
from keywright.api.schema import (
    KeyIdentity,
    Listed,
    Policy,
    Region,
    Text,
)

PRESIGNED_VARIABLES: Final = COMMON_VARIABLES | {
    Variable.API_KEY,
    Variable.EXPIRES_AT,
    Variable.EXPIRES_AT_UNIX,
    Variable.DOT_ENV,
}


class PresignedKey(KeySpec, frozen=True):
    """The fields of every short-term API key, and what follows from them."""

    is_regional: ClassVar = True

    region: Region | None = None
    duration: str = "12h"
    policy: Policy | None = None
    policy_arns: Listed[Text] = ()
    scoped_session: bool = False

    @property
    @override
    def is_scoped(self) -> bool:
        """The field `scopedSession`."""
        return self.scoped_session

    @property
    def duration_seconds(self) -> int:
        """The requested lifetime in seconds; the session that signs the key may expire earlier."""
        return int(parse_duration(self.duration))

    @property
    @override
    def session_policies(self) -> tuple[str, ...]:
        """The fields that limit the session which signs the key."""
        fields = (("policy", self.policy), ("policyArns", self.policy_arns))
        return tuple(field for field, set_ in fields if set_)

    def policy_in(self, partition: str) -> Policy | None:
        """The session policy in a partition of AWS; None for none."""
        del partition
        return self.policy

    @property
    @override
    def own_region(self) -> str | None:
        """The region field of the key."""
        return self.region

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The duration and the session policy."""
        field = f"spec.{self.kind}"
        yield from checks.duration(f"{field}.duration", self.duration, least=MINUTE, most=12 * HOUR)
        if self.scoped_session:
            yield from scope_errors(field, self.session_policies)
        # Only STS of AWS receives it.
        yield from checks.session_policy(f"{field}.policy", self.policy, latin=True)

    @override
    def key_identity(self) -> KeyIdentity:
        """The duration and the limits; the grant adds the region."""
        limits = session_limits(self.policy_arns, policy=self.policy)
        identity: KeyIdentity = {"duration": self.duration_seconds} | limits
        return identity | ({"scopedSession": True} if self.scoped_session else {})
