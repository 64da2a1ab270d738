"""One call of a service of AWS that issues a key, and its refusals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keywright.api.errors import Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.clouds.aws.clients import AwsContext, account_of
from keywright.clouds.aws.error_codes import ErrorRow, code_and_message, retry_after
from keywright.clouds.aws.sts.errors import failure_from_session
from keywright.clouds.interfaces import Session
from keywright.clouds.rate_limit import pace_key

NO_ENDPOINT = ""
"""The code in `refusals` for a host that has no address, or does not answer."""


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """A service by its name in boto3, and what its refusals mean, by error code.

    `title` is the name of the service in messages. Other codes are those of any service.
    """

    service: str
    title: str
    refusals: Mapping[str, ErrorRow]

    async def run(
        self,
        call: Callable[[Any], Mapping[str, Any]],
        *,
        grant: ApiKeyGrant,
        source: CredentialSource,
        session: Session,
        region: str,
        context: AwsContext,
    ) -> Mapping[str, Any]:
        """Return the response to `call(client)`, signed with the session; raises Failure."""
        try:
            return await context.calls.run(
                self.service,
                call,
                region=region,
                tenant=grant.namespace,
                source=source,
                session=session,
                pace=pace_key(source, account=account_of(session)),
            )
        except Exception as error:
            # `from None`: the exception for a damaged response may quote the token.
            raise self._failure(error) from None

    def _failure(self, error: Exception) -> Failure:
        if isinstance(error, Failure):
            return error
        code, message = code_and_message(error)
        if not code and not message.startswith("EndpointConnectionError"):
            return failure_from_session(error)
        row = self.refusals.get(code)
        if row is None:
            return failure_from_session(error)
        failure = row.failure(code or "no answer", message, service=self.title)
        failure.retry_after = retry_after(error)
        return failure
