"""Probe a new key before it is published; between two probes the grant's record has the key.

A key that is lost with the process is issued again. The create journal recovers a managed one: its
intent is still in the status.
"""

from __future__ import annotations

from datetime import datetime

from keywright.api.errors import FailureClass
from keywright.api.key_spec import ProbeMode
from keywright.clouds.classified import unexpected
from keywright.clouds.interfaces import IssuedKey
from keywright.controller.context import Context, Result
from keywright.controller.key_records import UnprobedKey
from keywright.controller.records import GrantRecord
from keywright.planning.backoff import next_try, probe_timed_out
from keywright.planning.state import GrantState, IssueReason
from keywright.planning.steps import ProbePending


def held_key(record: GrantRecord, identity: str | None, *, now: datetime) -> UnprobedKey | None:
    """The key that waits for its probe, if it still has that identity; None without a source."""
    held = record.pending_probe
    if held is None or identity is None or record.source_key_changed:
        return None
    ends = held.issued_key.credential.expires_at
    if ends is not None and ends <= now:
        return None
    return held if held.key_identity == identity else None


async def probe_key(
    context: Context,
    state: GrantState,
    issued_key: IssuedKey,
    *,
    cause: IssueReason,
    since: datetime | None,
) -> Result | None:
    """None if the key may be published; otherwise the key, and when it is probed again.

    `since`: the time of the first probe; None for now.

    Raises:
        Failure: the probe timed out, or is misconfigured.
    """
    grant, source = state.grant, state.source
    assert grant is not None
    assert source is not None
    probe = grant.spec.probe
    if probe.mode is ProbeMode.NONE:
        return None
    since = context.clock() if since is None else since
    try:
        cloud_provider = context.grant_providers[source.provider]
        await cloud_provider.probe(grant, issued_key.credential, source=source)
    except Exception as error:
        answer = unexpected(error, what="the probe")
        again_at = next_try(since=since, probe=probe, now=context.clock())
        if again_at is None or answer.kind is FailureClass.CONFIGURATION:
            raise probe_timed_out(answer, probe=probe) from None
        assert state.key_identity is not None
        return Result(
            ProbePending(answer, again_at),
            pending_probe=UnprobedKey(issued_key, state.key_identity, cause=cause, since=since),
        )
    return None
