"""The API keys of Model Studio: long-lived ones of a workspace, and temporary ones.

An account has 50 keys in a region, and 20 in the US; a key is shown once, and belongs to one
region and one workspace (the page "Get an API key"). A temporary key is valid for 1 to 1,800
seconds, has the permissions of its parent, and ends with it ("Generate a temporary API key"; that
a deleted parent ends it is a guess [U]).
"""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testbed.clouds.alibaba import model_studio_refusals as refusals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testbed.clouds.clock import Clock

MOST = 50
MOST_IN_US = 20
MAX_DESCRIPTION = 128
LONGEST_SECONDS = 1800


@dataclass(slots=True)
class Permissions:
    """What a key may do; empty lists allow all."""

    custom: bool = False
    addresses: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(slots=True)
class ApiKey:
    """A long-lived key."""

    id: int
    value: str = field(repr=False)
    account: str
    region: str
    workspace: str
    description: str
    created_by: str
    created_at: float
    permissions: Permissions
    enabled: bool = True

    @property
    def masked(self) -> str:
        """As a listing shows the value."""
        return f"{self.value[:5]}****{self.value[-4:]}"


@dataclass(frozen=True, slots=True)
class TemporaryKey:
    """A temporary key."""

    value: str = field(repr=False)
    parent: int
    expires_at: int


class ModelStudioKeys:
    """All keys and workspaces, by account and region."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[int, ApiKey] = {}
        self._temporary: dict[str, TemporaryKey] = {}
        self._workspaces: dict[tuple[str, str], set[str]] = {}
        self._issued: set[str] = set()
        self._next = 1001
        self.longest_seconds: float | None = None

    def default_workspace(self, account: str, region: str) -> str:
        """The default workspace, which exists from the start."""
        return f"llm-{account[-6:]}{region.replace('-', '')}"

    def create_workspace(self, *, account: str, region: str, workspace: str) -> None:
        """Create a workspace."""
        self._workspaces.setdefault((account, region), set()).add(workspace)

    def create(
        self,
        *,
        account: str,
        region: str,
        workspace: str | None,
        description: str,
        created_by: str,
        permissions: Permissions,
    ) -> ApiKey:
        """Create a key; raises CloudError."""
        default = self.default_workspace(account, region)
        chosen = workspace or default
        if chosen not in {default, *self._workspaces.get((account, region), ())}:
            raise refusals.no_workspace(chosen)
        _check(description)
        most = MOST_IN_US if region.startswith("us-") else MOST
        if len(self.of(account, region)) >= most:
            raise refusals.too_many(most)
        key = ApiKey(
            id=self._next,
            value=f"sk-{secrets.token_hex(24)}",
            account=account,
            region=region,
            workspace=chosen,
            description=description,
            created_by=created_by,
            created_at=self._clock.now(),
            permissions=permissions,
        )
        self._next += 1
        self._keys[key.id] = key
        self._issued.add(key.value)
        return key

    def of(self, account: str, region: str) -> list[ApiKey]:
        """The keys of an account in a region, newest first."""
        found = [k for k in self._keys.values() if (k.account, k.region) == (account, region)]
        return sorted(found, key=lambda key: -key.id)

    def find(self, key_id: str, *, account: str, region: str) -> ApiKey:
        """One key; raises CloudError."""
        key = self._keys.get(int(key_id)) if key_id.isdigit() else None
        if key is None or (key.account, key.region) != (account, region):
            raise refusals.no_key(key_id)
        return key

    def update(
        self, key: ApiKey, *, description: str | None, permissions: Permissions | None
    ) -> None:
        """Change what the request names."""
        if description is not None:
            _check(description)
            key.description = description
        if permissions is not None:
            key.permissions = permissions

    def delete(self, key: ApiKey) -> None:
        """Delete a key, and with it its temporary ones."""
        del self._keys[key.id]

    def make_temporary(self, parent: ApiKey, *, seconds: int) -> TemporaryKey:
        """Issue a temporary key."""
        if self.longest_seconds is not None:
            seconds = min(seconds, max(1, int(self.longest_seconds)))
        made = TemporaryKey(
            value=f"st-{secrets.token_hex(24)}",
            parent=parent.id,
            expires_at=int(self._clock.now()) + seconds,
        )
        self._temporary[made.value] = made
        self._issued.add(made.value)
        return made

    def authenticate(self, value: str, *, region: str, source_ip: str) -> ApiKey:
        """The enabled long-lived key of a bearer token, itself or temporary; raises CloudError."""
        temporary = self._temporary.get(value)
        if temporary is not None:
            if temporary.expires_at <= self._clock.now():
                raise refusals.invalid_key()
            key = self._keys.get(temporary.parent)
        else:
            key = next((each for each in self._keys.values() if each.value == value), None)
        if key is None or not key.enabled or key.region != region:
            raise refusals.invalid_key()
        allowed = key.permissions.addresses
        if allowed and not any(
            ipaddress.ip_address(source_ip) in ipaddress.ip_network(each, strict=False)
            for each in allowed
        ):
            raise refusals.address_denied()
        return key

    def is_temporary(self, value: str) -> bool:
        """Whether the value is that of a temporary key."""
        return value in self._temporary

    def set_enabled(self, *, key_id: int, enabled: bool) -> None:
        """Enable or disable a key, as in the console."""
        self._keys[key_id].enabled = enabled

    def describe(self, *, key_id: int, description: str) -> None:
        """Edit a description, as in the console."""
        self._keys[key_id].description = description

    def forget(self, *, key_id: int) -> None:
        """Delete a key, as in the console."""
        del self._keys[key_id]

    def limit(self, *, seconds: float | None) -> None:
        """Limit the lifetime of temporary keys, whatever is requested."""
        self.longest_seconds = seconds

    def all(self) -> list[dict[str, object]]:
        """All keys, without their values."""
        return [
            {
                "id": key.id,
                "account": key.account,
                "region": key.region,
                "workspace": key.workspace,
                "description": key.description,
                "enabled": key.enabled,
                "custom": key.permissions.custom,
                "addresses": list(key.permissions.addresses),
                "models": list(key.permissions.models),
            }
            for key in self._keys.values()
        ]

    def secrets(self) -> Iterator[str]:
        """The values of all keys ever issued."""
        yield from self._issued


def permissions_of(
    *, kind: str, addresses: Sequence[str], models: Sequence[str], all_models: str
) -> Permissions:
    """The permissions in a request; raises CloudError."""
    if kind not in {"All", "Custom"}:
        raise refusals.invalid("auth.type")
    if kind == "All":
        return Permissions()
    for address in addresses:
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            raise refusals.invalid("auth.accessIps") from None
    if all_models.lower() not in {"true", "false", ""}:
        raise refusals.invalid("auth.modelAccessScope.allowAllModels")
    for model in models:
        if model not in refusals.MODELS:
            raise refusals.no_model(model)
    limited = tuple(models) if all_models.lower() == "false" else ()
    return Permissions(custom=True, addresses=tuple(addresses), models=limited)


def _check(description: str) -> None:
    if not 1 <= len(description) <= MAX_DESCRIPTION:
        raise refusals.invalid("description")
