"""The resolved form of a profile, for both file formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from keywright.api.sensitive import Sensitive

Section = Mapping[str, Any]
_MAX_CHARACTERS = 65_536
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z0-9]+)+")
_HOST: Final = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}(:[0-9]{1,5})?")


class ProfileError(ValueError):
    """The file or the profile is invalid: the error and the remedy; no value is quoted."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An access key, with or without a security token."""

    access_key_id: str
    secret: Sensitive
    token: Sensitive | None = None


@dataclass(frozen=True, slots=True)
class NodeRole:
    """The role of the node; without a name, the role that the node has."""

    role_name: str | None


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An RSA key pair; the last part of `private_key_file` is the key of the Secret."""

    public_key_id: str
    private_key_file: str


@dataclass(frozen=True, slots=True)
class ProfileRole:
    """A role and its session options in the profile; `host` if it sets its own STS endpoint.

    `provider_arn`: assumed with a token of a ServiceAccount, so it is the first of a chain.
    """

    arn: str
    session_name: str | None = None
    seconds: int | None = None
    policy: str | None = None
    external_id: str | None = None
    host: str | None = None
    provider_arn: str | None = None


@dataclass(frozen=True, slots=True)
class ResolvedProfile:
    """A resolved profile: its first credentials (None: a token), and its roles in order."""

    name: str
    start: StoredKey | NodeRole | KeyPair | None
    roles: tuple[ProfileRole, ...] = ()


def stored_key(section: Section) -> StoredKey:
    """The access key of a profile; raises ProfileError."""
    return StoredKey(
        required(section, "access_key_id"),
        Sensitive(required(section, "access_key_secret")),
    )


def check_size(text: str) -> None:
    """Raise ProfileError if a file is too large to be a file of profiles."""
    if len(text) > _MAX_CHARACTERS:
        raise ProfileError(
            f"the file has {len(text)} characters, of which {_MAX_CHARACTERS} are read at most",
            remedy="Leave the profiles out that are not needed here.",
        )


def sts_host(endpoint: str) -> str:
    """The host of an STS endpoint in a profile; raises ProfileError if it is invalid."""
    host = endpoint.removeprefix("https://").rstrip("/")
    if not _HOST.fullmatch(host):
        raise ProfileError(
            "sts_endpoint of the profile is no host",
            remedy="Write it like sts-vpc.cn-beijing.aliyuncs.com.",
        )
    return host


def sts_host_of(region: str | None, *, field: str, vpc: bool = False) -> str | None:
    """The host of STS in the Region of a profile's `field`; raises ProfileError."""
    if region is None:
        return None
    if not _REGION.fullmatch(region):
        raise ProfileError(
            f"{field} of the profile is no region", remedy="Write it like cn-hangzhou."
        )
    return f"sts{'-vpc' if vpc else ''}.{region}.aliyuncs.com"


def required(section: Section, field: str) -> str:
    """A required text of the profile; raises ProfileError, which names the field."""
    found = optional(section, field)
    if found is None:
        raise ProfileError(f"the profile has no {field}", remedy=f"Set {field} in it.")
    return found


def arn(section: Section, field: str, *, kind: str) -> str:
    """A required ARN of the profile, which becomes part of requests and messages."""
    found = required(section, field)
    if not re.fullmatch(rf"acs:ram::[0-9]{{1,20}}:{kind}/[A-Za-z0-9._-]{{1,64}}", found):
        raise ProfileError(
            f"{field} of the profile is no ARN",
            remedy=f"Write it like acs:ram::1234567890123456:{kind}/name.",
        )
    return found


def session_name(section: Section, field: str) -> str | None:
    """An optional session name of the profile, which becomes part of requests and messages."""
    found = optional(section, field)
    if found is not None and not re.fullmatch(r"[A-Za-z0-9@._-]{2,64}", found):
        raise ProfileError(
            f"{field} of the profile is no session name",
            remedy="Write 2 to 64 letters, digits, or @ . _ - into it.",
        )
    return found


def optional(section: Section, field: str) -> str | None:
    """An optional text of the profile; None for an empty one."""
    value = section.get(field)
    return value.strip() if isinstance(value, str) and value.strip() else None
