"""The hops of a grant: its spec, its source, its Secret, a key (signed, not stored), a probe."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from keywright.api.errors import ApiError, Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.grant_checks import validate_with_source
from keywright.api.key_spec import ProbeMode
from keywright.api.parsing import parse_grant
from keywright.api.source import CredentialSource
from keywright.api.times import format_time_or_dash
from keywright.cli.cluster_client import METADATA, ClusterClient, source_path
from keywright.cli.doctor_source import Tools, invalid_spec, read_source, source_hops
from keywright.cli.errors import ForbiddenError
from keywright.cli.hop import Hop, Result, failed, has_failed
from keywright.cli.missing_source import similar_source
from keywright.planning.sources import source_failure
from keywright.secrets.ownership import (
    ManagedSecret,
    Ownership,
    classify,
    managed_secret_from,
)
from keywright.secrets.rendering import check_region, validate


def read_grant(body: dict[str, Any]) -> tuple[ApiKeyGrant | None, Hop]:
    """The grant, and the hop of its spec."""
    title = f"ApiKeyGrant {body['metadata']['name']} is valid"
    parsed = parse_grant(body)
    if not isinstance(parsed, ApiKeyGrant):
        return None, invalid_spec(title, parsed)
    errors = validate(parsed)
    return (None, invalid_spec(title, errors)) if errors else (parsed, Hop("doctor-spec", title))


def find_source(
    grant: ApiKeyGrant, client: ClusterClient
) -> tuple[CredentialSource | None, list[Hop]]:
    """The source of a grant if its namespace may use it, and the hops to there."""
    namespace, name = grant.source_key
    title = f"namespace {grant.namespace} may use source {namespace}/{name}"
    body = client.find(source_path(namespace, name))
    source, spec = (None, None) if body is None else read_source(body)
    if spec is not None and spec.result is Result.FAILED:
        return None, [spec]
    labels: dict[str, str] = {}
    if source is not None and source.selects_namespaces and namespace != grant.namespace:
        found = client.get(f"/api/v1/namespaces/{grant.namespace}")
        labels = found["metadata"].get("labels") or {}
    failure = source_failure(
        grant.source_key,
        value=source,
        deleting=source is not None and source.deleting,
        asking=grant.namespace,
        permitted=source is not None and source.allows(grant.namespace, labels=labels),
    )
    if failure is not None or source is None or spec is None:
        assert failure is not None
        hop = failed("doctor-source", title, failure)
        return None, [hop if body is not None else _with_suggestion(hop, grant, client)]
    hops = [spec, Hop("doctor-source", title)]
    of_source = grant.with_formats_for(source.traits)
    errors = [
        *validate_with_source(of_source, source=source),
        *check_region(of_source, region=of_source.region(source)),
    ]
    if errors:
        hops.append(invalid_spec("the grant fits its source", errors))
    return source, hops


def _with_suggestion(hop: Hop, grant: ApiKeyGrant, client: ClusterClient) -> Hop:
    """The hop of a missing source, with the most similar source that the grant may use."""
    try:
        similar = similar_source(grant.source_key, client, namespace=grant.namespace)
    except (ForbiddenError, ApiError):
        return hop
    return replace(hop, cure=f"{hop.cure} Did you mean {similar}?") if similar else hop


async def grant_hops(
    grant: ApiKeyGrant, source: CredentialSource, tools: Tools
) -> AsyncIterator[Hop]:
    """Yield the hops of a grant from the source's identity to a probe of a key."""
    grant = grant.with_formats_for(source.traits)
    hops: list[Hop] = []
    async for hop in source_hops(source, tools):
        hops.append(hop)
        yield hop
    if has_failed(hops) or any(
        hop.id == "doctor-session" and hop.result is Result.SKIPPED for hop in hops
    ):
        return
    secret = _secret(grant, tools.client)
    yield secret
    if secret.result is Result.FAILED:
        return
    async for hop in _key(grant, source, tools):
        yield hop


def _secret(grant: ApiKeyGrant, client: ClusterClient) -> Hop:
    title = f"Secret {grant.secret_name} is absent, or belongs to this grant"
    path = f"/api/v1/namespaces/{grant.namespace}/secrets/{grant.secret_name}"
    try:
        found = client.find(path, accept=METADATA)
    except ForbiddenError:
        return Hop("doctor-secret", title, Result.SKIPPED, facts=("You may not read Secrets.",))
    if found is None or grant.spec.secret.adopt:
        return Hop("doctor-secret", title)
    secret = managed_secret_from(found["metadata"])
    owner = classify(grant, secret)
    if owner is Ownership.OWNED:
        return Hop("doctor-secret", title)
    other = owner is Ownership.OWNED_BY_OTHER
    return Hop(
        "doctor-secret",
        title,
        Result.FAILED,
        facts=(_belongs_to(secret) if other else "It exists, and no grant owns it.",),
        cure=(
            "Set spec.secret.name to a name of its own."
            if other
            else "Set spec.secret.name to another name, delete the Secret, or take it over with"
            " spec.secret.adopt: true."
        ),
    )


def _belongs_to(secret: ManagedSecret) -> str:
    owner = secret.owner_annotation
    which = "another grant" if owner is None else f"ApiKeyGrant {owner.namespace}/{owner.name}"
    return f"It belongs to {which}."


async def _key(grant: ApiKeyGrant, source: CredentialSource, tools: Tools) -> AsyncIterator[Hop]:
    if grant.managed is not None:
        yield Hop(
            "doctor-key",
            f"a {grant.kind.value} is neither created nor listed",
            Result.SKIPPED,
            facts=("It exists in the cloud, and a listing repairs its tags: see the last hop.",),
        )
        return
    title = f"a {grant.kind.value} (not stored)"
    try:
        issued = await tools.provider.mint(grant, source=source)
    except Failure as failure:
        yield failed("doctor-key", title, failure)
        return
    credential = issued.credential
    until = f"valid until {format_time_or_dash(credential.expires_at)}"
    yield Hop("doctor-key", title, facts=(until, *((issued.warning,) if issued.warning else ())))
    mode = grant.spec.probe.mode
    if mode is ProbeMode.NONE:
        return
    title = f"the key works: probe {mode.value}"
    try:
        await tools.provider.probe(grant, credential, source=source)
    except Failure as failure:
        yield failed("doctor-probe", title, failure)
    else:
        yield Hop("doctor-probe", title)
