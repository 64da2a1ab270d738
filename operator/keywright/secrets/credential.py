"""What a minter hands over: the secret values of one key, and the facts about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keywright.api.keys import KeyKind
from keywright.api.sensitive import Sensitive
from keywright.api.source import Provider
from keywright.api.times import clamp_time

API_KEY: Final = "apiKey"
ACCESS_KEY_ID: Final = "accessKeyId"
SECRET_ACCESS_KEY: Final = "secretAccessKey"  # noqa: S105  # a name
SESSION_TOKEN: Final = "sessionToken"  # noqa: S105  # a name

_ONE_KEY: Final = frozenset({API_KEY})

CANONICAL_NAMES: Final[Mapping[KeyKind, frozenset[str]]] = {
    KeyKind.BEDROCK_SHORT_TERM_KEY: _ONE_KEY,
    KeyKind.BEDROCK_LONG_TERM_KEY: _ONE_KEY,
    KeyKind.SESSION_CREDENTIALS: frozenset({ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN}),
    KeyKind.API_GATEWAY_KEY: _ONE_KEY,
    KeyKind.BEARER_TOKEN: _ONE_KEY,
}
"""The names of the values that make up a key; with them, any layout can be written."""


@dataclass(frozen=True, slots=True)
class Credential:
    """One key.

    `values` has the canonical names of its kind. `key_id` names the key in the cloud and is no
    secret. `expires_at` is the real end; None for a key that has none, or whose end nobody tells.
    The session token of an access key that has none is empty.
    """

    values: Mapping[str, Sensitive]
    region: str
    account_id: str | None
    key_id: str | None
    issued_at: datetime
    expires_at: datetime | None
    provider: Provider = Provider.AWS

    def __post_init__(self) -> None:
        # A cloud may answer any time; those of the Secret must be ones that can be read back.
        object.__setattr__(self, "issued_at", clamp_time(self.issued_at))
        if self.expires_at is not None:
            object.__setattr__(self, "expires_at", clamp_time(self.expires_at))
