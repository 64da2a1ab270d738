"""Requests to Model Studio are those of the vendor's SDK: method, path, query, form, signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from alibabacloud_modelstudio20260210 import models
from alibabacloud_modelstudio20260210.client import Client
from alibabacloud_tea_openapi.utils import Utils
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.request import DaraRequest
from darabonba.runtime import RuntimeOptions
from typing_extensions import override

from keywright.api.errors import Failure, FailureClass
from keywright.api.model_studio_keys import ModelStudioKey
from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time
from keywright.clouds.alibaba.acs3 import ALGORITHM, ApiRequest, signed_headers
from keywright.clouds.alibaba.api_calls import ApiCalls, ApiError, Call
from keywright.clouds.alibaba.context import DEFAULT_LIMITS, limits_of
from keywright.clouds.alibaba.modelstudio.client import (
    Auth,
    ListedKey,
    ModelScope,
    ModelStudioApi,
    Permissions,
    has_permissions,
)
from keywright.clouds.alibaba.modelstudio.errors import failure_from_api
from keywright.clouds.alibaba.modelstudio.keys import ModelStudioKeys
from keywright.clouds.http import HttpClient, HttpResponse, Timeouts
from keywright.clouds.interfaces import Session
from keywright.planning.state import KeyFault
from tests.unit.api.samples import grant
from tests.unit.clouds.alibaba.contexts import Scripted, alibaba
from tests.unit.fakes.clock import NOON, FakeClock
from tests.unit.replace import replace

_SESSION = Session(
    access_key_id="STS.NUplanted",
    secret_access_key=Sensitive("planted-secret"),
    session_token=Sensitive("CAIS/planted+token=="),
    issued_at=NOON,
    expires_at=None,
    identity="acs:ram::1234567890123456:assumed-role/chat/chat",
)
_KEY = {
    "rotateEvery": "7d",
    "workspaceId": "llm-1a2b",
    "accessIps": ["203.0.113.7", "2001:db8::/32"],
    "accessibleModels": ["qwen-plus", "qwen-max"],
}
_DESCRIPTION = "keywright chat/key 0.1.2 20270101T000000Z.1"


def _key(**spec: Any) -> ModelStudioKey:
    return msgspec.convert(spec, ModelStudioKey)


class _RecordingSdk(Client):  # type: ignore[misc]  # the SDK has no types
    """The SDK, which records what it would send."""

    def __init__(self) -> None:
        super().__init__(Config(access_key_id="a", access_key_secret="b", region_id="cn-beijing"))
        self.sent: list[tuple[Params, OpenApiRequest]] = []

    @override
    def call_api(self, params: Any, request: Any, runtime: Any) -> dict[str, Any]:
        self.sent.append((params, request))
        return {"headers": {}, "statusCode": 200, "body": {}}

    @property
    def host(self) -> str:
        """The host of the region."""
        return str(self._endpoint)


class _RecordingHttp(HttpClient):
    """An HTTP client that records requests, and returns the next response."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.limits: list[Timeouts] = []
        self.answers = [
            HttpResponse(200, msgspec.json.encode({"success": True} | answer)) for answer in answers
        ]
        self.sent: list[tuple[str, str, str | None, dict[str, str]]] = []

    @override
    async def request(self, method: str, url: str, **options: Any) -> HttpResponse:
        self.limits.append(options["limits"])
        self.sent.append((method, url, options["body"], options["headers"]))
        return self.answers.pop(0)


def _api(http: Any) -> ModelStudioApi:
    source = alibaba(accessKey={"secretRef": {"name": "key"}})
    call = Call(by=_SESSION, source=source, tenant="chat", limits=limits_of(source))
    calls = ApiCalls(http, clock=FakeClock())
    return ModelStudioApi(calls, call, region="cn-beijing", identity=_SESSION.identity)


def _custom() -> models.CreateApiKeyRequestAuth:
    return models.CreateApiKeyRequestAuth(
        type="Custom",
        access_ips=_KEY["accessIps"],
        model_access_scope=models.CreateApiKeyRequestAuthModelAccessScope(
            allow_all_models=False, accessible_models=_KEY["accessibleModels"]
        ),
    )


_ONCE = RuntimeOptions()
_MADE = {"apiKey": {"apiKeyId": 7, "apiKeyValue": "sk-planted"}}
_ONE = {"apiKey": {"apiKeyId": 7, "gmtCreate": 1}}


@pytest.mark.parametrize(
    ("ours", "theirs", "answer"),
    [
        (
            lambda api: api.create(_key(**_KEY), description=_DESCRIPTION),
            lambda sdk: sdk.create_api_key_with_options(
                models.CreateApiKeyRequest(
                    auth=_custom(), description=_DESCRIPTION, workspace_id="llm-1a2b"
                ),
                {},
                _ONCE,
            ),
            _MADE,
        ),
        (
            lambda api: api.create(_key(rotateEvery="7d"), description=_DESCRIPTION),
            lambda sdk: sdk.create_api_key_with_options(
                models.CreateApiKeyRequest(
                    auth=models.CreateApiKeyRequestAuth(type="All"), description=_DESCRIPTION
                ),
                {},
                _ONCE,
            ),
            _MADE,
        ),
        (
            lambda api: api.list_keys(workspace_id="llm-1a2b"),
            lambda sdk: sdk.list_api_keys_with_options(
                models.ListApiKeysRequest(max_results=20, workspace_id="llm-1a2b"), {}, _ONCE
            ),
            {"apiKeys": []},
        ),
        (
            lambda api: api.find("7"),
            lambda sdk: sdk.get_api_key_with_options("7", {}, _ONCE),
            _ONE,
        ),
        (
            lambda api: api.update("7", Permissions.of(_key(**_KEY)), description=_DESCRIPTION),
            lambda sdk: sdk.update_api_key_with_options(
                "7",
                models.UpdateApiKeyRequest(
                    description=_DESCRIPTION,
                    auth=models.UpdateApiKeyRequestAuth().from_map(_custom().to_map()),
                ),
                {},
                _ONCE,
            ),
            {},
        ),
        (
            lambda api: api.disable("7"),
            lambda sdk: sdk.disable_api_key_with_options(
                "7", models.DisableApiKeyRequest(), {}, _ONCE
            ),
            {},
        ),
        (
            lambda api: api.delete("7"),
            lambda sdk: sdk.delete_api_key_with_options("7", {}, _ONCE),
            {},
        ),
    ],
    ids=["create", "create-all", "list", "get", "update", "disable", "delete"],
)
async def test_a_request_is_that_of_the_sdk(
    ours: Callable[[ModelStudioApi], Any], theirs: Callable[[_RecordingSdk], Any], answer: Any
) -> None:
    """With the same action, version, method, host, path, query and fields of the form."""
    http, sdk = _RecordingHttp(answer), _RecordingSdk()
    await ours(_api(http))
    theirs(sdk)
    ((method, url, body, headers),) = http.sent
    ((params, request),) = sdk.sent
    parts = urlsplit(url)
    assert (method, parts.path) == (params.method, params.pathname)
    assert parts.hostname == sdk.host
    assert headers["x-acs-action"] == params.action
    assert headers["x-acs-version"] == params.version
    query = {name: str(value) for name, value in (request.query or {}).items()}
    assert dict(parse_qsl(parts.query, keep_blank_values=True)) == query
    fields = Utils.query(request.body or {})
    assert dict(parse_qsl(body or "", keep_blank_values=True)) == fields


@pytest.mark.parametrize("body", [True, False])
def test_a_signature_is_that_of_the_sdk(*, body: bool) -> None:
    """Byte for byte, for the same time and nonce, with and without a form."""
    request = ApiRequest(
        action="CreateApiKey",
        version="2026-02-10",
        method="POST" if body else "GET",
        host="modelstudio.cn-beijing.aliyuncs.com",
        path="/modelstudio/apikeys",
        query={"workspaceId": "llm-1a2b", "description": "a b~c/d:é"},
        fields={"auth.type": "All"} if body else {},
    )
    headers = signed_headers(request, by=_SESSION, now=NOON, nonce="nonce")
    theirs = DaraRequest()
    theirs.method, theirs.pathname = request.method, request.path
    theirs.query = dict(request.query)
    theirs.headers = {name: value for name, value in headers.items() if name != "authorization"} | {
        "host": request.host
    }
    expected = Utils.get_authorization(
        theirs,
        ALGORITHM,
        headers["x-acs-content-sha256"],
        _SESSION.access_key_id,
        _SESSION.secret_access_key.reveal(),
    )
    assert headers["authorization"] == expected
    assert headers["x-acs-date"] == format_time(NOON)


async def test_pages_are_read_to_the_end() -> None:
    """And a listing that does not end is refused."""
    page = {"apiKeys": [{"apiKeyId": 1, "gmtCreate": 1}], "nextToken": "2"}
    last = {"apiKeys": [{"apiKeyId": 2, "gmtCreate": 1}]}
    http = _RecordingHttp(page, last)
    assert [found.id for found in await _api(http).list_keys()] == ["1", "2"]
    assert "nextToken=2" in http.sent[1][1]
    with pytest.raises(Failure, match="does not end"):
        await _api(_RecordingHttp(*([page] * 50))).list_keys()


@pytest.mark.parametrize(
    "answer",
    [
        {"apiKey": {"apiKeyId": 7}},
        {"apiKey": {"apiKeyId": "7", "apiKeyValue": "sk-planted"}},
        {"apiKey": {"apiKeyId": -1, "apiKeyValue": "sk-planted"}},
        {"apiKey": {"apiKeyId": 7, "apiKeyValue": "planted\r\nX-Header: 1"}},
        {"apiKey": {"apiKeyId": 7, "apiKeyValue": "planted" * 1000}},
    ],
)
async def test_a_hostile_response_is_refused(answer: Any) -> None:
    """Its values are never quoted, and a create may have done something."""
    with pytest.raises(Failure) as caught:
        await _api(_RecordingHttp(answer)).create(_key(rotateEvery="7d"), description="d")
    assert caught.value.reason == "InvalidAnswer"
    assert "planted" not in str(caught.value)
    assert not caught.value.no_side_effect


async def test_an_error_with_status_200_is_an_error() -> None:
    """The service reports some errors in the body alone."""
    answer = {"success": False, "code": "Workspace.NotFound", "message": "no such workspace"}
    with pytest.raises(Failure, match=r"Workspace\.NotFound") as caught:
        await _api(_RecordingHttp(answer)).create(_key(rotateEvery="7d"), description="d")
    assert caught.value.field == "spec.modelStudioKey.workspaceId"
    assert caught.value.no_side_effect


async def test_a_region_that_is_a_bucket_is_not_called() -> None:
    """Anyone may name a bucket of OSS `modelstudio`: the security token must not reach it."""
    http = _RecordingHttp()
    api = _api(http)
    bucket = ModelStudioApi(api.calls, api.call, region="oss-cn-hangzhou", identity="")
    with pytest.raises(Failure, match="is no region of Alibaba Cloud"):
        await bucket.list_keys()
    assert http.sent == []


@pytest.mark.parametrize(
    ("auth", "spec", "same"),
    [
        (None, {}, True),
        (Auth(type="All"), {}, True),
        (Auth(type="Custom"), {}, False),
        (Auth(type="All"), {"accessIps": ["203.0.113.7"]}, False),
        (
            Auth("Custom", ["0.0.0.0/0", "::/0"], ModelScope(accessible_models=["qwen-plus"])),
            {"accessibleModels": ["qwen-plus"]},
            True,
        ),
        (
            Auth("Custom", ["203.0.113.7"], ModelScope(True, [])),  # noqa: FBT003
            {"accessIps": ["203.0.113.7"]},
            True,
        ),
        (
            Auth("Custom", ["203.0.113.7"], ModelScope(True, [])),  # noqa: FBT003
            {"accessibleModels": ["qwen-plus"]},
            False,
        ),
        (
            Auth("Custom", [], ModelScope(False, ["qwen-plus", "qwen-max"])),  # noqa: FBT003
            {"accessibleModels": ["qwen-plus"]},
            False,
        ),
    ],
)
def test_permissions_are_compared(auth: Auth | None, spec: Any, *, same: bool) -> None:
    """With what the service sets for an empty list of addresses."""
    found = ListedKey(api_key_id=1, auth=auth)
    assert has_permissions(found, _key(rotateEvery="7d", **spec)) is same


@pytest.mark.parametrize(
    ("code", "message", "status", "kind", "field"),
    [
        ("Throttling.User", "m", 400, FailureClass.THROTTLED, "spec.modelStudioKey"),
        ("NoPermission", "m", 403, FailureClass.DENIED, "CredentialSource spec.alibabaCloud"),
        ("Forbidden.RAM", "m", 403, FailureClass.DENIED, "CredentialSource spec.alibabaCloud"),
        ("ApiKey.LimitExceeded", "m", 400, FailureClass.QUOTA, "spec.modelStudioKey"),
        (
            "InvalidParameter",
            "auth.accessIps is invalid",
            400,
            FailureClass.CONFIGURATION,
            "spec.modelStudioKey.accessIps",
        ),
        ("SomethingNew", "m", 400, FailureClass.CONFIGURATION, "spec.modelStudioKey"),
        (
            "SignatureDoesNotMatch",
            "m",
            400,
            FailureClass.DENIED,
            "CredentialSource spec.alibabaCloud",
        ),
        ("InternalError", "m", 500, FailureClass.TRANSIENT, "spec.modelStudioKey.region"),
        ("", "did not answer in time", 0, FailureClass.TRANSIENT, "spec.modelStudioKey.region"),
    ],
)
def test_a_refusal_has_class_and_field(
    code: str, message: str, status: int, kind: FailureClass, field: str
) -> None:
    """And a remedy; only an error below 500 proves that nothing was created."""
    error = ApiError(code, message, status=status)
    failure = failure_from_api(error, action="CreateApiKey", region="cn-beijing", identity="")
    assert (failure.kind, failure.field) == (kind, field)
    assert failure.remedy
    assert failure.no_side_effect is (0 < status < 500)


@pytest.mark.parametrize(
    ("auth", "same"),
    [
        (Auth("All"), Permissions()),
        (
            Auth("Custom", ["203.0.113.7"], ModelScope(allow_all_models=True)),
            Permissions(("203.0.113.7",)),
        ),
        (
            Auth("Custom", None, ModelScope(accessible_models=["qwen-plus"])),
            Permissions((), ("qwen-plus",)),
        ),
        (Auth("Custom", None, None), None),
        (Auth(), None),
        (None, None),
    ],
)
def test_a_new_mark_leaves_the_permissions_as_they_are(
    auth: Auth | None, same: Permissions | None
) -> None:
    """The spec that is left of a deleted grant may lack them; what is unclear is not sent."""
    assert Permissions.listed(ListedKey(1, auth=auth)) == same


async def test_a_listing_that_sources_share_has_the_timeouts_of_none_of_them() -> None:
    """One millisecond is valid, and would fail the lookups of others; its own requests have it."""
    http = _RecordingHttp({"apiKeys": []}, {"apiKeys": []})
    key = _key(rotateEvery="7d", region="cn-beijing")
    source = alibaba(accessKey={"secretRef": {"name": "key"}}, connectTimeout="1ms")
    context = replace(Scripted().context, api=ApiCalls(http, clock=FakeClock()))
    spec = {"bedrockShortTermKey": None, "modelStudioKey": {"rotateEvery": "7d"}}
    keys = ModelStudioKeys(key, grant(**spec), source, _SESSION, context)
    key_id = "1234567890123456/cn-beijing/7"
    assert await keys.find_fault(key_id, frozenset({key_id}), 1) is KeyFault.MISSING
    await keys.list_keys(frozenset())
    shared, own = [(limits.connect_seconds, limits.read_seconds) for limits in http.limits]
    assert shared == (DEFAULT_LIMITS.connect_seconds, DEFAULT_LIMITS.read_seconds) == (10, 5)
    assert own == (0.001, 5)
