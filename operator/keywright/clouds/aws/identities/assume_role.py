"""AssumeRole: one hop of a chain, with the session of the previous hop.

A session that assumes a role is role chaining, and AWS limits the resulting session to an hour; a
longer duration is rejected, so it is never requested.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keywright.api.aws_source import AwsHop
from keywright.api.durations import parse_duration
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import AwsContext, account_of, aws_of
from keywright.clouds.aws.sts.errors import failure_from_hop
from keywright.clouds.aws.sts.sessions import DEFAULT_DURATION, limits, session_name, session_of
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds
from keywright.clouds.rate_limit import pace_key

CHAINED_SECONDS = 3600


async def assume_chained_role(
    number: int,
    *,
    by: Session,
    source: CredentialSource,
    ask: SessionOptions,
    context: AwsContext,
) -> Session:
    """Open a session of `assumeRoles[number]`, assumed by the session `by`.

    Raises:
        Failure: the external ID cannot be read, or STS refuses.
    """
    aws = aws_of(source)
    hop = aws.assume_roles[number]
    field = f"CredentialSource spec.aws.assumeRoles[{number}]"
    request = _request(hop, source=source, ask=ask, chained=by.session_token is not None)
    external_id = await _external_id(hop, source=source, field=field, context=context)
    if external_id is not None:
        request["ExternalId"] = external_id
    issued_at = whole_seconds(context.clock())
    try:
        answer = await context.calls.run(
            "sts",
            lambda client: client.assume_role(**request),
            region=aws.region,
            tenant=source.namespace,
            source=source,
            endpoint=aws.sts_endpoint,
            session=by,
            pace=pace_key(source, account=account_of(by)),
        )
        chained = by.session_token is not None
        session = session_of(answer, issued_at=issued_at)
        return replace(session, chained=chained, warning=by.warning)
    except Exception as error:
        # `from None`: botocore's exception contains the request.
        raise failure_from_hop(
            error, aws=aws, number=number, caller=by.identity, field=field
        ) from None


def _request(
    hop: AwsHop, *, source: CredentialSource, ask: SessionOptions, chained: bool
) -> dict[str, Any]:
    seconds = ask.seconds or int(parse_duration(hop.session_duration or DEFAULT_DURATION))
    request: dict[str, Any] = {
        "RoleArn": hop.role_arn,
        "RoleSessionName": session_name(source),
        "DurationSeconds": min(seconds, CHAINED_SECONDS) if chained else seconds,
        **limits(hop, ask=ask),
    }
    if hop.session_tags:
        request["Tags"] = [
            {"Key": key, "Value": value} for key, value in sorted(hop.session_tags.items())
        ]
    if hop.transitive_tag_keys:
        request["TransitiveTagKeys"] = list(hop.transitive_tag_keys)
    if hop.source_identity:
        request["SourceIdentity"] = hop.source_identity
    return request


async def _external_id(
    hop: AwsHop, *, source: CredentialSource, field: str, context: AwsContext
) -> str | None:
    if hop.external_id_from is None:
        return hop.external_id
    reference = hop.external_id_from.secret_key_ref
    found = await context.secrets.value(
        namespace=source.namespace,
        name=reference.name,
        key=reference.key,
        field=f"{field}.externalIdFrom.secretKeyRef",
    )
    # Without a trailing newline, which editors often add.
    return found.reveal().strip()
