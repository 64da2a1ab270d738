"""Where a key is never sent, whatever a grant says."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from typing_extensions import override
from yarl import URL

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import Probe
from keywright.api.key_spec import ProbeMode
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.aws.probes import ProbeContext, probe_bedrock, probe_http
from keywright.clouds.http import HttpClient, HttpResponse
from keywright.secrets.credential import Credential
from tests.unit.replace import replace

CREDENTIAL = Credential(
    values={"apiKey": Sensitive("planted")},
    region="us-west-2",
    account_id=None,
    key_id="k",
    issued_at=datetime(2026, 1, 1, tzinfo=UTC),
    expires_at=None,
)


class Hosts(HttpClient):
    """Notes the hosts that are asked, and accepts everything."""

    def __init__(self) -> None:
        super().__init__()
        self.requested: list[str] = []

    @override
    async def request(self, method: str, url: str, **_: Any) -> HttpResponse:
        self.requested.append(str(URL(url).host))
        return HttpResponse(200, b"{}")


@pytest.fixture
async def context() -> AsyncIterator[ProbeContext]:
    """Real ones."""
    made = ProbeContext(calls=BotoClients(), http=HttpClient())
    yield made
    await made.http.close()
    made.calls.close()


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]"),  # noqa: S104  the point
        *("169.254.169.254", "[fe80::1]", "localhost"),
    ],
)
async def test_the_operators_own_machine_and_link_are_never_asked(
    context: ProbeContext, host: str
) -> None:
    """Loopback, link-local (metadata) and unspecified: reported at once, without the key."""
    probe = Probe(mode=ProbeMode.HTTP, url=f"https://{host}:1/health")
    with pytest.raises(Failure, match="never connects to") as refused:
        await probe_http(probe, credential=CREDENTIAL, context=context)
    assert refused.value.kind is FailureClass.CONFIGURATION
    assert refused.value.field == "spec.probe.url"
    assert "planted" not in refused.value.message_with_remedy()


async def test_a_host_that_is_not_there_is_told_by_name(context: ProbeContext) -> None:
    """A passing failure, without the key."""
    probe = Probe(mode=ProbeMode.HTTP, url="https://no-such-host.invalid/")
    with pytest.raises(Failure, match=r"no-such-host\.invalid") as failed:
        await probe_http(probe, credential=CREDENTIAL, context=context)
    assert failed.value.kind is FailureClass.TRANSIENT
    assert "planted" not in failed.value.message_with_remedy()


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("us-west-2", "amazonaws.com"), ("eusc-de-east-1", "amazonaws.eu")],
)
@pytest.mark.parametrize("model", [None, "amazon.nova-lite-v1:0"])
async def test_bedrock_is_tried_at_the_host_of_its_partition(
    region: str, suffix: str, model: str | None
) -> None:
    """Case 02: else the probe never succeeds, and the key is never published."""
    calls = BotoClients()
    scripted = Hosts()
    probe = Probe(mode=ProbeMode.BEDROCK, model_id=model)
    await probe_bedrock(
        probe,
        credential=replace(CREDENTIAL, region=region),
        context=ProbeContext(calls=calls, http=scripted),
    )
    calls.close()
    service = "bedrock" if model is None else "bedrock-runtime"
    assert scripted.requested == [f"{service}.{region}.{suffix}"]
