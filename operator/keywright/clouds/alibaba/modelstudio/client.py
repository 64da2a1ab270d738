"""The API of Model Studio for the keys of one account in one region.

ModelStudio 2026-02-10, as in alibabacloud_modelstudio20260210 2.2.3 (client.py, models/): style
ROA, endpoint `modelstudio.<region>.aliyuncs.com`. ResetApiKey is not used: it replaces the value of
a key, so that the old one works no longer before its readers have the new one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import msgspec

from keywright.api.errors import Failure, FailureClass
from keywright.api.model_studio_keys import ModelStudioKey
from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.acs3 import ApiRequest
from keywright.clouds.alibaba.api_calls import ApiCalls, ApiError, Call
from keywright.clouds.alibaba.modelstudio.errors import failure_from_api
from keywright.clouds.answer_values import MODEL_STUDIO_KEY, invalid, moment, secret

VERSION: Final = "2026-02-10"
_PATH: Final = "/modelstudio/apikeys"
_REGION: Final = re.compile(r"[a-z]{2}(-[a-z0-9]+){1,3}")
_PAGE: Final = 20
# An account has 50 keys in a region; the service says so if there are more.
_MAX_PAGES: Final = 50
_MAX_BYTES: Final = 512 * 1024
_MAX_ID: Final = 10**19
_GONE: Final = 404
_Answer = TypeVar("_Answer", bound=msgspec.Struct)


class ModelScope(msgspec.Struct, rename="camel", frozen=True):
    """The models that a key can call."""

    allow_all_models: bool | None = None
    accessible_models: list[str] | None = None


class Auth(msgspec.Struct, rename="camel", frozen=True):
    """The permissions of a key."""

    type: str | None = None
    access_ips: list[str] | None = None
    model_access_scope: ModelScope | None = None


class ListedKey(msgspec.Struct, rename="camel", frozen=True):
    """A key as the service shows it; its value is not read, whether it is masked or not."""

    api_key_id: int
    description: str | None = None
    disabled: int | None = None
    gmt_create: int | None = None
    workspace_id: str | None = None
    auth: Auth | None = None

    @property
    def id(self) -> str:
        """The ID, as part of a path."""
        if not 0 <= self.api_key_id < _MAX_ID:
            raise invalid("apiKeyId")
        return str(self.api_key_id)

    @property
    def active(self) -> bool:
        """Whether the key is not disabled."""
        return not self.disabled

    @property
    def created_at(self) -> datetime:
        """The time of creation, in milliseconds since the epoch on the wire."""
        return moment(_time_of(self.gmt_create), what="gmtCreate")


@dataclass(frozen=True, slots=True)
class Permissions:
    """The addresses and the models of a key; none means all."""

    access_ips: tuple[str, ...] = ()
    accessible_models: tuple[str, ...] = ()

    @classmethod
    def of(cls, key: ModelStudioKey) -> Self:
        """Those of the spec."""
        return cls(key.access_ips, key.accessible_models)

    @classmethod
    def listed(cls, found: ListedKey) -> Self | None:
        """Those of a listed key; None if the listing does not say which."""
        auth = found.auth or Auth()
        if auth.type == "All":
            return cls()
        scope = auth.model_access_scope
        if auth.type != "Custom" or scope is None:
            return None
        models = () if scope.allow_all_models else tuple(scope.accessible_models or ())
        addresses = tuple(auth.access_ips or ())
        return cls(addresses, models) if addresses or models else None


class _Page(msgspec.Struct, rename="camel"):
    api_keys: list[ListedKey] | None = None
    next_token: str | None = None


class _One(msgspec.Struct, rename="camel"):
    api_key: ListedKey


class _Made(msgspec.Struct, rename="camel"):
    api_key_id: int
    api_key_value: str


class _Creation(msgspec.Struct, rename="camel"):
    api_key: _Made


@dataclass(frozen=True, slots=True)
class ModelStudioApi:
    """The calls for one region; `identity` is the caller, for messages. Each raises Failure."""

    calls: ApiCalls
    call: Call
    region: str
    identity: str

    async def list_keys(self, *, workspace_id: str | None = None) -> list[ListedKey]:
        """All keys of the account in the region, or those of one workspace."""
        query = {"maxResults": str(_PAGE)}
        if workspace_id is not None:
            query["workspaceId"] = workspace_id
        found: list[ListedKey] = []
        for _ in range(_MAX_PAGES):
            page = await self._send(_Page, "ListApiKeys", "GET", query=query)
            found += page.api_keys or ()
            if not page.next_token or not page.api_keys:
                return found
            query["nextToken"] = page.next_token
        raise invalid("listing of API keys, which does not end")

    async def find(self, key_id: str) -> ListedKey | None:
        """One key; None if it does not exist."""
        try:
            return (await self._send(_One, "GetApiKey", "GET", _path(key_id))).api_key
        except _MissingError:
            return None

    async def create(self, key: ModelStudioKey, *, description: str) -> tuple[str, Sensitive]:
        """Create a key with one request; returns its ID and its value."""
        query = {"description": description}
        if key.workspace_id is not None:
            query["workspaceId"] = key.workspace_id
        fields = dict(auth_fields(Permissions.of(key)))
        made = await self._send(_Creation, "CreateApiKey", "POST", query=query, fields=fields)
        if not 0 <= made.api_key.api_key_id < _MAX_ID:
            raise invalid("apiKeyId")
        return str(made.api_key.api_key_id), secret(made.api_key.api_key_value, MODEL_STUDIO_KEY)

    async def update(
        self, key_id: str, permissions: Permissions | None, *, description: str
    ) -> None:
        """Set the description of a key, and its permissions unless they are None."""
        query = {"description": description}
        fields = {} if permissions is None else dict(auth_fields(permissions))
        await self._change("UpdateApiKey", "PUT", _path(key_id), query=query, fields=fields)

    async def disable(self, key_id: str) -> None:
        """Disable a key; a deleted one is not an error."""
        await self._change("DisableApiKey", "PUT", f"{_path(key_id)}/disable")

    async def delete(self, key_id: str) -> None:
        """Delete a key; a deleted one is not an error."""
        await self._change("DeleteApiKey", "DELETE", _path(key_id))

    async def _change(self, action: str, method: str, path: str, **request: Any) -> None:
        try:
            await self._send(_Nothing, action, method, path, **request)
        except _MissingError:
            return

    async def _send(
        self,
        type_: type[_Answer],
        action: str,
        method: str,
        path: str = _PATH,
        *,
        query: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> _Answer:
        if not _REGION.fullmatch(self.region):
            # Part of a host name: oss-cn-hangzhou would be the host of a bucket.
            raise _no_region(self.region)
        request = ApiRequest(
            action=action,
            version=VERSION,
            method=method,
            host=f"modelstudio.{self.region}.aliyuncs.com",
            path=path,
            query=query or {},
            fields=fields or {},
        )
        limits = replace(self.call.limits, most_bytes=_MAX_BYTES)
        try:
            body = await self.calls.send(request, call=replace(self.call, limits=limits))
            return msgspec.json.decode(body, type=type_)
        except ApiError as error:
            if error.status == _GONE and path != _PATH:
                raise _MissingError from None
            raise failure_from_api(
                error, action=action, region=self.region, identity=self.identity
            ) from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            # `from None`, and without its message: it may quote the key.
            raise invalid(f"body of {action}") from None


class _Nothing(msgspec.Struct):
    """A response without content."""


class _MissingError(Exception):
    """The key does not exist."""


def auth_fields(wanted: Permissions) -> Iterator[tuple[str, str]]:
    """The permissions as fields of a form: objects and lists are flattened, from 1 on.

    As alibabacloud_tea_openapi 0.4.6 writes them (utils.py, `_object_handler`).
    """
    if not wanted.access_ips and not wanted.accessible_models:
        yield "auth.type", "All"
        return
    yield "auth.type", "Custom"
    for number, address in enumerate(wanted.access_ips, start=1):
        yield f"auth.accessIps.{number}", address
    yield "auth.modelAccessScope.allowAllModels", str(not wanted.accessible_models)
    for number, model in enumerate(wanted.accessible_models, start=1):
        yield f"auth.modelAccessScope.accessibleModels.{number}", model


def has_permissions(found: ListedKey, key: ModelStudioKey) -> bool:
    """Whether a key has the permissions of the spec; an unset list of addresses allows all."""
    auth = found.auth or Auth()
    if not key.access_ips and not key.accessible_models:
        return auth.type in {None, "All"}
    scope = auth.model_access_scope or ModelScope()
    addresses = set(auth.access_ips or ()) - _EVERYWHERE
    models = set(scope.accessible_models or ()) if not scope.allow_all_models else set()
    return (
        auth.type == "Custom"
        and addresses == set(key.access_ips) - _EVERYWHERE
        and models == set(key.accessible_models)
    )


# What the service sets for an empty list (CreateApiKeyRequestAuth).
_EVERYWHERE: Final = frozenset({"0.0.0.0/0", "::/0"})


def _path(key_id: str) -> str:
    return f"{_PATH}/{quote(key_id, safe='')}"


def _time_of(milliseconds: int | None) -> datetime | None:
    try:
        return datetime.fromtimestamp((milliseconds or 0) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _no_region(region: str) -> Failure:
    return Failure(
        f"{region} is no region of Alibaba Cloud.",
        kind=FailureClass.CONFIGURATION,
        reason="InvalidRegion",
        field="spec.modelStudioKey.region",
        remedy="Set the region of the workspace, such as cn-beijing.",
        no_side_effect=True,
    )
