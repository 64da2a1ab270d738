"""Every exception, at every boundary to a cloud, becomes a failure with a class and a reason."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError
from typing_extensions import override

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant, Probe
from keywright.api.key_spec import ProbeMode
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.context import AlibabaContext as AlibabaEdges
from keywright.clouds.alibaba.provider import Alibaba
from keywright.clouds.alibaba.sts.client import Endpoint, StsCalls, TemporaryCredentials
from keywright.clouds.alibaba.sts.rpc import Parameters, Signer
from keywright.clouds.aws.clients import AwsContext as AwsEdges
from keywright.clouds.aws.clients import BotoClients, Sign
from keywright.clouds.aws.provider import MANAGED_KEYS, Aws
from keywright.clouds.classified import ClassifiedKeys
from keywright.clouds.http import HttpClient, HttpResponse, Timeouts
from keywright.clouds.interfaces import NO_EVIDENCE, Intent, Session
from keywright.cluster.objects import ResourceClient
from keywright.cluster.service_accounts import ServiceAccounts
from keywright.cluster.source_secrets import SecretCache
from keywright.secrets.credential import Credential
from tests.unit.api.samples import grant, source
from tests.unit.clouds.alibaba.contexts import (
    KEY,
    PROVIDER,
    ROLE,
    Own,
    Scripted,
    alibaba,
)
from tests.unit.clouds.alibaba.contexts import Tokens as AlibabaTokens
from tests.unit.clouds.aws.contexts import Secrets, bare
from tests.unit.exceptions import every_exception, instances
from tests.unit.fakes.clock import NOON, FakeClock
from tests.unit.fakes.kubernetes import KubernetesInMemory
from tests.unit.fakes.provider import session
from tests.unit.replace import replace

_Answer = TypeVar("_Answer")
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_ACCESS_KEY = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "planted"}
_LONG = {"user": {"name": "bedrock-chat"}, "rotateEvery": "7d"}
_GATEWAY = {"usagePlan": {"id": "plan"}}
_KEY_ID = "123456789012/us-west-2/key"
_INTENT = Intent(name="one", value=Sensitive("planted"))


class _Raising:
    """A boto3 client whose every operation raises."""

    class exceptions:  # noqa: N801  as boto3 calls it
        """As boto3 has them."""

        ClientError = ClientError

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def operation(*_: object, **__: object) -> Any:
            raise self._error

        return operation


class _Calls(BotoClients):
    """Raises within the call, in place of the thread."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.first: dict[str, Any] | None = None

    @override
    async def run(
        self,
        service: str,
        call: Callable[[Any], _Answer],
        *,
        region: str,
        tenant: str,
        endpoint: str | None = None,
        session: Session | None = None,
        sign: Sign | None = None,
        pace: str | None = None,
        attempts: int = 3,
        source: CredentialSource | None = None,
    ) -> _Answer:
        return call(_Raising(self.error))


class _Http(HttpClient):
    """Raises in place of every request."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    @override
    async def request(
        self,
        method: str,
        url: str,
        *,
        limits: Timeouts,
        reach: Reach,
        tenant: str,
        body: str | None = None,
        content_type: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        raise self.error


class _Sts(StsCalls):
    """STS of Alibaba Cloud, whose every action raises."""

    def __init__(self, error: Exception) -> None:
        super().__init__(HttpClient(), clock=FakeClock())
        self._error = error

    @override
    async def assume_role(
        self, requested: Parameters, *, by: Session, at: Endpoint
    ) -> TemporaryCredentials:
        raise self._error

    @override
    async def assume_role_with_oidc(
        self, requested: Parameters, *, at: Endpoint
    ) -> TemporaryCredentials:
        raise self._error

    @override
    async def generate_session_access_key(
        self, requested: Parameters, *, signer: Signer, at: Endpoint
    ) -> TemporaryCredentials:
        raise self._error

    @override
    async def caller(self, by: Session, *, at: Endpoint) -> tuple[str, str]:
        raise self._error


@dataclass(frozen=True)
class _Chain:
    """A credential chain of the operator's own that raises."""

    error: Exception

    async def session(self, *, now: object) -> Session | None:
        """Never."""
        del now
        raise self.error


def _context(error: Exception, **secrets: Mapping[str, str]) -> AwsEdges:
    return AwsEdges(
        tokens=AlibabaTokens(),
        secrets=Secrets(secrets),
        calls=_Calls(error),
        clock=FakeClock(),
        ambient=_Chain(error),
    )


def _aws(error: Exception, **secrets: Mapping[str, str]) -> Aws:
    return Aws(_context(error, **secrets), http=_Http(error))


def _kept(error: Exception, made: ApiKeyGrant) -> ClassifiedKeys:
    """The keys of a grant, as the vendor gives them out; every operation of the cloud raises."""
    return ClassifiedKeys(
        MANAGED_KEYS[made.kind].keys(
            key=made.key,
            grant=made,
            source=source(),
            session=session(issued_at=NOON),
            context=_context(error),
            evidence=NO_EVIDENCE,
        )
    )


Boundary = Callable[[Exception], Awaitable[object]]


def _verify_aws(secrets: Mapping[str, Mapping[str, str]] | None = None, **spec: Any) -> Boundary:
    return lambda error: _aws(error, **(secrets or {})).verify(source(**spec))


def _verify_alibaba(*, by_http: bool, own: bool = False, **spec: Any) -> Boundary:
    async def verify(error: Exception) -> object:
        scripted = Scripted(
            secrets={"key": KEY | {"config.json": "{}", "key.pem": "planted"}},
            uris=("https://credentials.example.com/",),
            own=_Chain(error) if own else Own(bare(token="planted")),
        )
        context: AlibabaEdges = scripted.context
        context = (
            replace(context, http=_Http(error)) if by_http else replace(context, sts=_Sts(error))
        )
        return await Alibaba(context).verify(alibaba(**spec))

    return verify


def _probe(mode: ProbeMode, *, kind: str, of: object, **spec: Any) -> Boundary:
    credential = Credential(
        values={
            "apiKey": Sensitive("planted"),
            "accessKeyId": Sensitive("ASIA1"),
            "secretAccessKey": Sensitive("planted"),
            "sessionToken": Sensitive("planted"),
        },
        region="us-west-2",
        account_id="123456789012",
        key_id="key",
        issued_at=NOON,
        expires_at=None,
    )

    async def probe(error: Exception) -> object:
        made = grant(**{"bedrockShortTermKey": None, kind: of}, probe={"mode": mode.value, **spec})
        assert made.spec.probe == Probe(mode=mode, **spec)
        await _aws(error).probe(made, credential, source=source())
        return None

    return probe


def _keys(kind: str, spec: object, work: str, *arguments: object) -> Boundary:
    made = grant(bedrockShortTermKey=None, **{kind: spec})

    async def run(error: Exception) -> object:
        return await getattr(_kept(error, made), work)(*arguments)

    return run


def _kubernetes(work: str) -> Boundary:
    async def run(error: Exception) -> object:
        api = KubernetesInMemory()
        api.answers.append(("", error))
        named: Any = {"namespace": "chat", "name": "chat"}
        accounts, values = ServiceAccounts(api), SecretCache(ResourceClient(api))
        if work == "token":
            return await accounts.token(**named, audience="sts.amazonaws.com")
        if work == "annotations":
            return await accounts.annotations(**named)
        return await values.value(**named, key="key", field="field")

    return run


ROLES = {"webIdentity": None, "accessKey": {"secretRef": {"name": "key"}}}
HOP = {"assumeRoles": [{"roleArn": "arn:aws:iam::123456789012:role/b"}]}
ALIBABA_KEY = {"secretRef": {"name": "key"}}
RSA = {"publicKeyId": "LTAI1", "privateKeySecretRef": {"name": "key", "key": "key.pem"}}
OIDC = {
    "serviceAccountRef": {"name": "chat"},
    "roleArn": ROLE,
    "oidcProviderArn": PROVIDER,
}
BOUNDARIES: dict[str, Boundary] = {
    "aws web identity": _verify_aws(),
    "aws access key": _verify_aws({"key": _ACCESS_KEY}, **ROLES),
    "aws ambient": _verify_aws(webIdentity=None, ambient={}),
    "aws assume role": _verify_aws({"key": _ACCESS_KEY}, **ROLES, **HOP),
    "aws short-term key": lambda error: _aws(error).mint(grant(), source=source()),
    "aws session credentials": lambda error: _aws(error).mint(
        grant(bedrockShortTermKey=None, sessionCredentials={}), source=source()
    ),
    "probe identity": _probe(ProbeMode.IDENTITY, kind="sessionCredentials", of={}),
    "probe bedrock": _probe(ProbeMode.BEDROCK, kind="bedrockShortTermKey", of={}),
    "probe http": _probe(
        ProbeMode.HTTP,
        kind="apiGatewayKey",
        of=_GATEWAY,
        url="https://a.execute-api.us-west-2.amazonaws.com/",
    ),
    "iam prepare": _keys("bedrockLongTermKey", _LONG, "prepare", frozenset()),
    "iam look": _keys("bedrockLongTermKey", _LONG, "list_keys", frozenset()),
    "iam create": _keys("bedrockLongTermKey", _LONG, "create", _INTENT),
    "iam deactivate": _keys(
        "bedrockLongTermKey", _LONG, "deactivate", ("123456789012/bedrock-chat/ACCA1",)
    ),
    "iam remove": _keys(
        "bedrockLongTermKey", _LONG, "remove", ("123456789012/bedrock-chat/ACCA1",)
    ),
    "gateway prepare": _keys("apiGatewayKey", _GATEWAY, "prepare", frozenset()),
    "gateway look": _keys("apiGatewayKey", _GATEWAY, "list_keys", frozenset()),
    "gateway create": _keys("apiGatewayKey", _GATEWAY, "create", _INTENT),
    "gateway deactivate": _keys("apiGatewayKey", _GATEWAY, "deactivate", (_KEY_ID,)),
    "gateway remove": _keys("apiGatewayKey", _GATEWAY, "remove", (_KEY_ID,)),
    "alibaba access key": _verify_alibaba(by_http=False, accessKey=ALIBABA_KEY),
    "alibaba role": _verify_alibaba(
        by_http=False, ramRoleArn={"secretRef": {"name": "key"}, "roleArn": ROLE}
    ),
    "alibaba oidc": _verify_alibaba(by_http=False, oidcRoleArn=OIDC),
    "alibaba credentials uri": _verify_alibaba(
        by_http=True, credentialsUri={"uri": "https://credentials.example.com/a"}
    ),
    "alibaba metadata": _verify_alibaba(by_http=True, ecsRamRole={"roleName": "node"}),
    "alibaba default chain": _verify_alibaba(by_http=False, own=True, defaultChain={}),
    "kubernetes token": _kubernetes("token"),
    "kubernetes annotations": _kubernetes("annotations"),
    "kubernetes secret": _kubernetes("secret"),
}


def test_the_classes_are_found() -> None:
    """By walking the modules: the ones that the issue names are among them."""
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in every_exception()}
    assert names >= {
        *("botocore.ConnectionClosedError", "botocore.ReadTimeoutError", "botocore.ClientError"),
        *("aiohttp.ClientPayloadError", "aiohttp.ServerDisconnectedError", "aiohttp.InvalidURL"),
        *("alibabacloud_credentials.CredentialException", "Tea.TeaException"),
        *("darabonba.DaraException", "kubernetes.ApiException", "kubernetes.ConfigException"),
        *("keywright.ApiUnreachableError", "keywright.TransportError", "builtins.KeyError"),
    }
    assert len(every_exception()) > 250


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_every_exception_becomes_a_failure(boundary: str) -> None:
    """It has a class and a reason for a condition, and none of its text that was not checked."""
    wrong = []
    for kind in every_exception():
        for error in instances(kind):
            try:
                await BOUNDARIES[boundary](error)
            except Failure as failure:
                reported = (failure.kind in FailureClass, bool(_REASON.fullmatch(failure.reason)))
                if reported != (True, True) or not failure.message or failure.__cause__ is not None:
                    wrong.append((kind, failure.reason))
            except Exception as other:
                wrong.append((kind, repr(other)))
            else:
                wrong.append((kind, "nothing"))
    assert wrong == []
