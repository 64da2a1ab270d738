"""Tries an API Gateway key where it will be used: a deployed method that asks for one.

A key that its usage plan does not know yet is answered 403 (Forbidden), for minutes after it was
added (Amazon API Gateway Developer Guide, "Set up API keys"). Any other answer of the API has
passed the key; one of a server in trouble (500 and above) tells nothing.
"""

from __future__ import annotations

from keywright.api.grant import Probe
from keywright.clouds.aws.probes.request import ProbeContext, rejected, send
from keywright.secrets.credential import API_KEY, Credential

_FORBIDDEN = 403
_IN_TROUBLE = 500


async def probe_http(probe: Probe, *, credential: Credential, context: ProbeContext) -> None:
    """Raises Failure while the API refuses the key."""
    assert probe.url is not None
    place = probe.url.partition("?")[0]
    answer = await send(
        context,
        "GET",
        probe.url,
        by=place,
        headers={"x-api-key": credential.values[API_KEY].reveal()},
    )
    if answer.status == _FORBIDDEN or answer.status >= _IN_TROUBLE:
        raise rejected(
            answer,
            by=place,
            remedy="See that its stage is in the usage plan, and that the method asks for a key.",
        )
