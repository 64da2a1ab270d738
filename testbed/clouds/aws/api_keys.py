"""The bearer keys of a service, of either kind: the owner and the kind of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testbed.clouds.aws import refusals, service_credentials

if TYPE_CHECKING:
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.bearer import ShortTermKeys
    from testbed.clouds.aws.principals import Principal
    from testbed.clouds.aws.service_credentials import ServiceCredentials

SHORT_TERM, LONG_TERM = "SHORT_TERM", "LONG_TERM"


class ApiKeys:
    """Verifies a bearer token of any kind, for the service with that name in IAM."""

    def __init__(
        self,
        *,
        service: str,
        short_term: ShortTermKeys,
        long_term: ServiceCredentials,
        authentication: Authentication,
    ) -> None:
        self._service = service
        self._short_term = short_term
        self._long_term = long_term
        self._authentication = authentication

    def verify(self, key: str, *, region: str) -> tuple[Principal, str]:
        """The owner and the kind; a long-term key works in every region [K]."""
        if not key.startswith(service_credentials.PREFIXES[self._service]):
            return self._short_term.verify(key, region=region), SHORT_TERM
        credential = self._long_term.verify(key, service=self._service)
        principal = self._authentication.user(
            account=credential.account,
            name=credential.user_name,
            user_id=credential.user_id,
            credential_id=credential.id,
        )
        if principal is None:
            raise refusals.bearer_token_invalid()
        return principal, LONG_TERM
