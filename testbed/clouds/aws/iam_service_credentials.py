"""The actions of IAM on service-specific credentials, in the wire format of botocore's model."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from testbed.clouds.aws import iam_pages, refusals
from testbed.clouds.aws.service_credentials import PREFIXES

if TYPE_CHECKING:
    from testbed.clouds.aws.iam_users import Users
    from testbed.clouds.aws.service_credentials import ServiceCredential, ServiceCredentials
    from testbed.clouds.clock import Clock

# Services whose credentials AWS supports as well; users here have none of them.
_OTHER_SERVICES = frozenset({"cassandra.amazonaws.com", "codecommit.amazonaws.com"})
_SHORTEST_DAYS, _LONGEST_DAYS = 1, 36600
_ID = re.compile(r"\w{20,128}", re.ASCII)


class ServiceCredentialActions:
    """Implements the actions of IAM; each gets the account and the call's parameters."""

    def __init__(self, *, users: Users, credentials: ServiceCredentials, clock: Clock) -> None:
        self._users = users
        self._credentials = credentials
        self._clock = clock

    def create(self, account: str, parameters: dict[str, str]) -> dict[str, Any]:
        """CreateServiceSpecificCredential: the only response, besides Reset's, with the secret."""
        days = _days(parameters.get("CredentialAgeDays"))
        user = self._users.find(account, parameters.get("UserName", ""))
        made = self._credentials.create(
            account=account,
            user_id=user.id,
            user_name=user.name,
            service=_service(parameters.get("ServiceName", "")),
            age_days=days,
        )
        return {"ServiceSpecificCredential": self._to_api(made, secret=True)}

    def list(self, account: str, parameters: dict[str, str]) -> dict[str, Any]:
        """ListServiceSpecificCredentials, of a user or with AllUsers of the account, in pages."""
        user_id = None
        if parameters.get("AllUsers") != "true":
            user_id = self._users.find(account, parameters.get("UserName", "")).id
        service = parameters.get("ServiceName")
        if service is not None and service not in _OTHER_SERVICES:
            _service(service)
        found = [
            self._to_api(item, secret=False)
            for item in self._credentials.listed(account=account, user_id=user_id)
            if service in {None, item.service}
        ]
        return iam_pages.page(found, parameters, field="ServiceSpecificCredentials")

    def update(self, account: str, parameters: dict[str, str]) -> None:
        """UpdateServiceSpecificCredential: Active or Inactive."""
        found = self._find(account, parameters)
        status = parameters.get("Status", "")
        if status not in {"Active", "Inactive"}:
            raise refusals.constraint_without_value(
                "status", "satisfy enum value set: [Active, Inactive]"
            )
        self._credentials.set_active(found, active=status == "Active")

    def reset(self, account: str, parameters: dict[str, str]) -> dict[str, Any]:
        """ResetServiceSpecificCredential: a new secret under the same ID replaces the old one."""
        changed = self._credentials.reset(self._find(account, parameters))
        return {"ServiceSpecificCredential": self._to_api(changed, secret=True)}

    def delete(self, account: str, parameters: dict[str, str]) -> None:
        """DeleteServiceSpecificCredential."""
        self._credentials.delete(self._find(account, parameters))

    def _find(self, account: str, parameters: dict[str, str]) -> ServiceCredential:
        credential_id = parameters.get("ServiceSpecificCredentialId", "")
        if not _ID.fullmatch(credential_id):
            raise refusals.constraint_without_value(
                "serviceSpecificCredentialId", r"satisfy regular expression pattern: [\w]+"
            )
        user = self._users.find(account, parameters.get("UserName", ""))
        return self._credentials.find(account=account, user_id=user.id, credential_id=credential_id)

    def _to_api(self, credential: ServiceCredential, *, secret: bool) -> dict[str, Any]:
        content = {
            "CreateDate": _date(credential.created_at),
            "ServiceName": credential.service,
            "ServiceCredentialAlias": credential.alias,
            "ServiceSpecificCredentialId": credential.id,
            "UserName": credential.user_name,
            "Status": credential.status(self._clock.now()),
        }
        if credential.expires_at is not None:
            content["ExpirationDate"] = _date(credential.expires_at)
        if secret:
            content["ServiceCredentialSecret"] = credential.secret
        return content


def _date(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(seconds), datetime.UTC)


def _days(text: str | None) -> int | None:
    if text is None:
        return None
    days = int(text) if re.fullmatch(r"-?\d+", text) else 0
    if days < _SHORTEST_DAYS:
        raise refusals.constraint(
            "credentialAgeDays", text, f"have value greater than or equal to {_SHORTEST_DAYS}"
        )
    if days > _LONGEST_DAYS:
        raise refusals.constraint(
            "credentialAgeDays", text, f"have value less than or equal to {_LONGEST_DAYS}"
        )
    return days


def _service(name: str) -> str:
    """The services with API keys. The message is LocalStack's [R]."""
    if name not in PREFIXES:
        raise refusals.no_such_entity(
            f"No such service {name} is supported for Service Specific Credentials"
        )
    return name
