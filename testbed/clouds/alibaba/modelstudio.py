"""The management API of Model Studio: API keys, ModelStudio 2026-02-10, style ROA.

Paths, parameters and responses are those of alibabacloud_modelstudio20260210 2.2.3; RAM actions
`modelstudio:<Action>` on `*` (the RAM page of the API).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from testbed.clouds.alibaba import model_studio_refusals as refusals
from testbed.clouds.alibaba import refusals as common
from testbed.clouds.alibaba.answers import error as error_document
from testbed.clouds.alibaba.model_studio_keys import Permissions, permissions_of
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.clouds.alibaba.authentication import Authentication
    from testbed.clouds.alibaba.model_studio_keys import ApiKey, ModelStudioKeys
    from testbed.clouds.alibaba.principals import Principal
    from testbed.clouds.errors import CloudError
    from testbed.clouds.wire import Entry, Request, Response

_VERSION = "2026-02-10"
_ROUTES = (
    ("CreateApiKey", "POST", re.compile(r"/modelstudio/apikeys")),
    ("ListApiKeys", "GET", re.compile(r"/modelstudio/apikeys")),
    ("GetApiKey", "GET", re.compile(r"/modelstudio/apikeys/([^/]+)")),
    ("UpdateApiKey", "PUT", re.compile(r"/modelstudio/apikeys/([^/]+)")),
    ("DeleteApiKey", "DELETE", re.compile(r"/modelstudio/apikeys/([^/]+)")),
    ("DisableApiKey", "PUT", re.compile(r"/modelstudio/apikeys/([^/]+)/disable")),
    ("EnableApiKey", "PUT", re.compile(r"/modelstudio/apikeys/([^/]+)/enable")),
)
_MOST_RESULTS = 100


class ModelStudio:
    """The regional endpoints, `modelstudio.<region>.aliyuncs.com`."""

    name = "modelstudio"

    def __init__(self, *, keys: ModelStudioKeys, authentication: Authentication) -> None:
        self._keys = keys
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The action of method and path, not that of the header."""
        return next(
            (
                name
                for name, method, path in _ROUTES
                if method == request.method and path.fullmatch(request.path)
            ),
            f"{request.method} {request.path}",
        )

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        named = request.header("x-acs-action")
        if named != action or request.header("x-acs-version") != _VERSION:
            raise common.unknown_action()
        principal = self._authentication.verify(request)
        entry.principal = principal.arn
        if not principal.may(
            f"modelstudio:{action}", resource="*", context=self._authentication.context(request)
        ):
            raise refusals.no_permission(action)
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        form = _form(request)
        entry.parameters.update({**query, **form})
        region = request.host.split(".")[1]
        if action == "CreateApiKey":
            return self._create(query, form, principal=principal, region=region)
        if action == "ListApiKeys":
            return self._list(query, account=principal.account, region=region)
        key = self._keys.find(request.path.split("/")[3], account=principal.account, region=region)
        match action:
            case "GetApiKey":
                return _result(apiKey=_shown(key))
            case "UpdateApiKey":
                permissions = _permissions(form) if form else None
                description = query.get("description")
                self._keys.update(key, description=description, permissions=permissions)
            case "DeleteApiKey":
                self._keys.delete(key)
            case _:
                key.enabled = action == "EnableApiKey"
        return _result()

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error document."""
        return error_document(request, error)

    def _create(
        self,
        query: Mapping[str, str],
        form: Mapping[str, str],
        *,
        principal: Principal,
        region: str,
    ) -> Response:
        key = self._keys.create(
            account=principal.account,
            region=region,
            workspace=query.get("workspaceId"),
            description=query.get("description", ""),
            created_by=principal.principal_id,
            permissions=_permissions(form),
        )
        shown = _shown(key) | {"apiKeyValue": key.value}
        for name in ("auth", "disabled", "workspaceName"):
            del shown[name]
        return _result(apiKey=shown)

    def _list(self, query: Mapping[str, str], *, account: str, region: str) -> Response:
        try:
            size, start = int(query.get("maxResults", "20")), int(query.get("nextToken", "0"))
        except ValueError:
            raise refusals.invalid("nextToken") from None
        if not 1 <= size <= _MOST_RESULTS:
            raise refusals.invalid("maxResults")
        found = [
            key
            for key in self._keys.of(account, region)
            if query.get("description", "") in key.description
            and query.get("workspaceId", key.workspace) == key.workspace
            and query.get("apiKeyId", str(key.id)) == str(key.id)
        ]
        page = found[start : start + size]
        more = {"nextToken": str(start + size)} if start + size < len(found) else {}
        return _result(
            apiKeys=[_shown(key) for key in page],
            maxResults=size,
            totalCount=len(found),
            **more,
        )


def _form(request: Request) -> dict[str, str]:
    if (request.header("content-type") or "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    return {}


def _permissions(form: Mapping[str, str]) -> Permissions:
    def listed(name: str) -> list[str]:
        found = {key: value for key, value in form.items() if key.startswith(f"{name}.")}
        return [found[key] for key in sorted(found, key=lambda key: int(key.rpartition(".")[2]))]

    return permissions_of(
        kind=form.get("auth.type", "All"),
        addresses=listed("auth.accessIps"),
        models=listed("auth.modelAccessScope.accessibleModels"),
        all_models=form.get("auth.modelAccessScope.allowAllModels", ""),
    )


def _shown(key: ApiKey) -> dict[str, Any]:
    permissions = key.permissions
    auth: dict[str, Any] = {"type": "All"}
    if permissions.custom:
        auth = {
            "type": "Custom",
            "accessIps": list(permissions.addresses) or ["0.0.0.0/0", "::/0"],
            "modelAccessScope": {
                "allowAllModels": not permissions.models,
                "accessibleModels": list(permissions.models),
            },
        }
    return {
        "apiKeyId": key.id,
        "apiKeyValue": key.masked,
        "auth": auth,
        "createdBy": key.created_by,
        "description": key.description,
        "disabled": int(not key.enabled),
        "gmtCreate": int(key.created_at * 1000),
        "workspaceId": key.workspace,
        "workspaceName": key.workspace,
    }


def _result(**content: Any) -> Response:
    common_part = {"success": True, "code": "Success", "httpStatusCode": 200, "requestId": "r"}
    return json_response({**common_part, **content})
