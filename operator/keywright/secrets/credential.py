"""An issued credential: the secret values of one key, and its metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keywright.api.formats import Variable
from keywright.api.sensitive import Sensitive
from keywright.api.source import Provider
from keywright.api.times import clamp_time

API_KEY: Final = Variable.API_KEY.value
ACCESS_KEY_ID: Final = Variable.ACCESS_KEY_ID.value
SECRET_ACCESS_KEY: Final = Variable.SECRET_ACCESS_KEY.value
SESSION_TOKEN: Final = Variable.SESSION_TOKEN.value


@dataclass(frozen=True, slots=True)
class Credential:
    """One key.

    `values` has the canonical names of its kind. `key_id` names the key in the cloud and is not
    secret. `expires_at` is the actual expiry; None for a key without one, or if the cloud does not
    report it. The session token of an access key without one is empty.
    """

    values: Mapping[str, Sensitive]
    region: str
    account_id: str | None
    key_id: str | None
    issued_at: datetime
    expires_at: datetime | None
    provider: Provider = Provider.AWS

    def __post_init__(self) -> None:
        # A cloud may return any time; those in the Secret must be parseable.
        object.__setattr__(self, "issued_at", clamp_time(self.issued_at))
        if self.expires_at is not None:
            object.__setattr__(self, "expires_at", clamp_time(self.expires_at))
