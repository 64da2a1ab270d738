"""A URI that returns credentials, and renews them by itself.

A tenant chooses it and the operator requests it, from inside the cluster's network. So it must be
in the list of the operator's flags, redirects are not followed, no name may resolve to the
operator's own host or its metadata service, and neither a long nor a slow response blocks anything.
"""

from __future__ import annotations

from keywright.api.alibaba_source import CredentialsUri
from keywright.api.errors import Failure, FailureClass
from keywright.api.source import CredentialSource
from keywright.clouds.addresses import Reach
from keywright.clouds.alibaba.context import (
    ROOT,
    AlibabaContext,
    limits_of,
    reject_session_options,
    session_of,
    verify_identity,
)
from keywright.clouds.alibaba.credentials import parse_credentials
from keywright.clouds.alibaba.sts.errors import RequestContext
from keywright.clouds.http import TransportError
from keywright.clouds.interfaces import Session, SessionOptions, whole_seconds

_FIELD = f"{ROOT}.credentialsUri.uri"


async def open_session(
    identity: CredentialsUri,
    *,
    source: CredentialSource,
    ask: SessionOptions,
    context: AlibabaContext,
) -> Session:
    """Request the credentials from the URI.

    Raises:
        Failure: the URI is not in the list, its response is invalid, or the cloud does not accept
            the credentials in it.
    """
    reject_session_options(ask, way="credentialsUri")
    if not context.uris.allow(identity.uri):
        raise Failure(
            "this operator's flags do not allow that URI.",
            kind=FailureClass.CONFIGURATION,
            reason="UriNotAllowed",
            field=_FIELD,
            remedy=(
                "Start the operator with --allow-credentials-uri for it, or use another identity."
            ),
        )
    issued_at = whole_seconds(context.clock())
    try:
        answer = await context.http.request(
            "GET",
            identity.uri,
            limits=limits_of(source),
            reach=Reach.LISTED,
            tenant=source.namespace,
        )
    except TransportError as error:
        raise _unfit(f"gives no answer: {error}") from None
    if 300 <= answer.status < 400:
        raise _unfit(f"redirects (HTTP {answer.status}), and no redirect is followed")
    if answer.status != 200:
        raise _unfit(f"answers with HTTP {answer.status}")
    issued = parse_credentials(answer.body)
    if issued is None:
        raise _unfit("answers with something else than credentials")
    session = session_of(issued, issued_at=issued_at, field=_FIELD)
    return await verify_identity(
        session, source=source, asking=RequestContext(fields={"": _FIELD}), context=context
    )


def _unfit(what: str) -> Failure:
    return Failure(
        f"the URI {what}.",
        kind=FailureClass.TRANSIENT,
        reason="CredentialsUriFailed",
        field=_FIELD,
        remedy=(
            "It must answer with HTTP 200 and a JSON object of Code Success, AccessKeyId,"
            " AccessKeySecret, SecurityToken and Expiration."
        ),
    )
