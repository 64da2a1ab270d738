"""A credential whose secret values are placeholders, to show what a Secret will contain."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from keywright.api.alibaba_source import AlibabaAccessKey
from keywright.api.formats import Variable
from keywright.api.grant import ApiKeyGrant
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource, Provider
from keywright.secrets.credential import SESSION_TOKEN, Credential

# The same on every run, so that two outputs can be compared.
_ISSUED: Final = datetime(2030, 1, 1, tzinfo=UTC)
_EXPIRES: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)
_ACCOUNT: Final = re.compile(r"^(?:arn:[a-z-]+:iam|acs:ram):[^:]*:([0-9]{12,16}):")
PREFIX: Final = "placeholder-"


PREVIOUS: Final = Sensitive(f"{PREFIX}{Variable.PREVIOUS_API_KEY}")
"""The previous value, as during an overlap."""


def placeholder_credential(grant: ApiKeyGrant, *, source: CredentialSource | None) -> Credential:
    """The credential of a grant; without its source, the region is a placeholder too."""
    values = {name: Sensitive(f"{PREFIX}{name}") for name in sorted(grant.key.values)}
    if source is not None and not _has_token(source) and SESSION_TOKEN in values:
        values[SESSION_TOKEN] = Sensitive("")
    region = f"{PREFIX}{Variable.REGION}" if source is None else grant.region(source)
    ends = grant.expires and (source is None or source.credentials_end)
    return Credential(
        values=values,
        region=grant.key.own_region or region,
        account_id=(source and _account(source)) or f"{PREFIX}{Variable.ACCOUNT_ID}",
        key_id=f"{PREFIX}{Variable.KEY_ID}",
        issued_at=_ISSUED,
        expires_at=_EXPIRES if ends else None,
        provider=Provider.AWS if source is None else source.provider,
    )


def _has_token(source: CredentialSource) -> bool:
    """A static access key of Alibaba Cloud is passed on as it is, without a token."""
    alibaba = source.spec.alibaba_cloud
    return (
        alibaba is None
        or bool(alibaba.assume_roles)
        or not isinstance(alibaba.identity, AlibabaAccessKey)
    )


def _account(source: CredentialSource) -> str | None:
    """The account of the last role that the source names."""
    aws, alibaba = source.spec.aws, source.spec.alibaba_cloud
    names: list[str | None] = []
    if aws is not None:
        names = [hop.role_arn for hop in aws.assume_roles]
        names.insert(0, aws.base_role.role_arn if aws.base_role is not None else None)
    elif alibaba is not None:
        names = [getattr(alibaba.identity, "role_arn", None)]
        names += [hop.role_arn for hop in alibaba.assume_roles]
    found = [match[1] for name in names if name and (match := _ACCOUNT.match(name))]
    return found[-1] if found else None
