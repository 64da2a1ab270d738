"""A world with vendors that exchange tokens, and a namespace that each of them trusts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from testbed.documents import documents
from testbed.operators import OperatorProcess
from testbed.readers import vendor_sdks
from testbed.readers.answers import Answer
from testbed.readers.clients import ANTHROPIC_API, OPENAI_API
from testbed.world import EXAMPLES, Vendor, World
from tests.cluster.tenants import Document, Tenant, condition, merged
from tests.cluster.worlds import MakeWorld

ROOT = "CredentialSource spec.tokenExchange"
ENDPOINT = "https://sts.example.com/oauth/token"
RULE, POLICY = "fdrl_01AbCdEf23GhIjKl", "4b2f7d1e-8c3a-4e5f-9a6b-1c2d3e4f5a6b"
ORGANIZATION = "0a1b2c3d-4e5f-6789-abcd-ef0123456789"
SERVICE_ACCOUNT, WORKSPACE = "svac_01AbCdEf23GhIjKl", "wrkspc_01AbCdEf23GhIj"
PROVIDER, OPENAI_ACCOUNT = "idp_01AbCdEf23GhIjKl", "sa_01AbCdEf23GhIjKl"
TRUSTS: Mapping[str, str] = {
    "anthropic": RULE,
    "openai": PROVIDER,
    "openrouter": POLICY,
    "generic": ENDPOINT,
}
"""The ID of the rule, mapping or policy of each vendor."""
HOSTS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "openai": "openai-auth",
    "openrouter": "openrouter",
    "generic": "generic",
}
"""The service of each token endpoint in the emulator."""
AUDIENCES: Mapping[str, str] = {
    "anthropic": "https://api.anthropic.com",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai",
    "generic": "https://sts.example.com",
}
_READERS: Mapping[str, str] = {
    "anthropic": ANTHROPIC_API,
    "openai": OPENAI_API,
    "openrouter": OPENAI_API,
}


@dataclass(frozen=True)
class Exchanges:
    """A world with the vendors, and an operator that may use one generic endpoint."""

    world: World
    operator: OperatorProcess


@pytest.fixture(scope="session")
def exchanges(make_world: MakeWorld) -> Iterator[Exchanges]:
    """At the end, the log contains no token and no traceback."""
    with make_world(providers=[Vendor.TOKENS]) as world:
        operator = world.operator(
            arguments=["--log-level=debug", f"--allow-token-endpoint={ENDPOINT}"]
        )
        operator.start()
        yield Exchanges(world, operator)
        log = operator.log.read_text()
        assert "Traceback (most recent call last)" not in log
        assert "unexpected error" not in log
        assert [secret for secret in world.vendors.secrets() if secret in log] == []


@pytest.fixture
def exchange_tenant(
    exchanges: Exchanges, request: pytest.FixtureRequest
) -> Iterator[ExchangeTenant]:
    """A prepared namespace, which goes with the test as do faults of the vendors."""
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:40].strip("-")
    made = ExchangeTenant(exchanges.world, name=name)
    made.prepare()
    yield made
    vendors = exchanges.world.vendors
    vendors.clear_faults()
    vendors.answer_with(None)
    vendors.limit_sessions(seconds=None)
    vendors.set_clock(offset_seconds=0)
    exchanges.world.api.delete(f"/api/v1/namespaces/{made.namespace}")


class ExchangeTenant(Tenant):
    """A namespace with the ServiceAccount of an example; each vendor trusts its tokens."""

    vendor = "anthropic"

    def prepare(self) -> None:
        """Namespace, ServiceAccounts and the rights of all examples, and the trusts."""
        self.apply_namespace()
        for vendor in TRUSTS:
            for file in ("serviceaccount.yaml", "token-access.yaml"):
                for document in self._example(vendor, file):
                    self.world.api.apply(document)
            self.trust(vendor)

    def trust(self, vendor: str, **changed: Any) -> None:
        """Let the vendor trust the tokens of this namespace, or otherwise by these fields."""
        account = self.account(vendor)
        fields: Document = {
            "issuer": self.world.cluster.issuer,
            "subject": f"system:serviceaccount:{self.namespace}:{account}",
            "audience": AUDIENCES[vendor],
            "claims": {},
            "seconds": 3600,
            "max_jwt_seconds": 3600,
            "enabled": True,
            "parameters": {},
            "grant_type": "TokenExchange",
            "workspaces": [WORKSPACE],
            "organization": ORGANIZATION,
            "account": {"anthropic": SERVICE_ACCOUNT, "openai": OPENAI_ACCOUNT}.get(vendor, "key"),
        }
        self.world.vendors.put_trust(vendor, TRUSTS[vendor], **{**fields, **changed})

    def account(self, vendor: str) -> str:
        """The ServiceAccount of the vendor's example."""
        (source,) = self._example(vendor, "credentialsource.yaml")
        name: str = source["spec"]["tokenExchange"]["serviceAccountRef"]["name"]
        return name

    def _example(self, vendor: str, file: str) -> list[Document]:
        found = documents((EXAMPLES / f"token-exchange-{vendor}" / file).read_text())
        for document in found:
            document["metadata"]["namespace"] = self.namespace
        return found

    def exchange_source(self, vendor: str, **exchange: Any) -> Document:
        """The source of the example, with other fields of `tokenExchange`."""
        (body,) = self._example(vendor, "credentialsource.yaml")
        body["metadata"]["name"] = vendor
        return merged(body, {"spec": {"tokenExchange": exchange}})

    def token_grant(self, vendor: str, **spec: Any) -> Document:
        """The grant of the example, of the source of the vendor, with other fields."""
        (body,) = self._example(vendor, "apikeygrant.yaml")
        body["metadata"]["name"] = vendor
        return merged(body, {"spec": {"sourceRef": {"name": vendor}, **spec}})

    def apply_exchange(self, vendor: str, *, exchange: Document | None = None, **spec: Any) -> None:
        """Apply source and grant."""
        self.world.api.apply(self.exchange_source(vendor, **(exchange or {})))
        self.world.api.apply(self.token_grant(vendor, **spec))

    def become_exchanged(
        self, vendor: str, *, exchange: Document | None = None, **spec: Any
    ) -> Document:
        """Source and grant, applied; the status once the grant is Ready."""
        self.apply_exchange(vendor, exchange=exchange, **spec)
        return self.ready(name=vendor)

    def ask(self, vendor: str, **changed: str) -> Answer:
        """One prompt of the vendor's SDK, in a pod with the Secret."""
        data = {name: value for name, value in self.data(vendor).items() if name.isupper()}
        return vendor_sdks.call(
            _READERS[vendor],
            {**data, **changed},
            cloud_environment=self.world.vendors.client_environment(),
        )

    def whoami(self, bearer: str) -> Document:
        """The subject of a token, as the service of the generic endpoint reports it."""
        vendors = self.world.vendors
        answer = requests.get(
            ENDPOINT.replace("/oauth/token", "/whoami"),
            headers={"Authorization": bearer},
            proxies={"https": f"http://127.0.0.1:{vendors.proxy_port}"},
            verify=str(vendors.ca_file),
            timeout=10,
        )
        found: Document = answer.json()
        return found

    def refused(
        self, vendor: str, *, reason: str, exchange: Document | None = None, **spec: Any
    ) -> str:
        """What source and grant say once they are not Ready, for this reason."""
        self.apply_exchange(vendor, exchange=exchange, **spec)
        messages = {
            condition(status, "Ready")["message"]
            for status in (
                self.source_reported("Ready", status="False", reason=reason, name=vendor),
                self.reported("Ready", status="False", reason=reason, name=vendor),
            )
        }
        assert not self.has_secret(vendor)
        (message,) = messages
        return str(message)
