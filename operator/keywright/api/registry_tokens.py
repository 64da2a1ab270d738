"""Tokens for package repositories and container registries of AWS."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, TypeAlias

import msgspec
from typing_extensions import override

from keywright.api import checks
from keywright.api.checks import HOUR, MINUTE
from keywright.api.durations import parse_duration
from keywright.api.errors import FieldError
from keywright.api.formats import PACKAGE_FORMATS, REGISTRY_FORMATS, Format, Variable
from keywright.api.key_spec import COMMON_VARIABLES, KeySpec, ProbeMode
from keywright.api.partitions import service_host
from keywright.api.schema import KeyIdentity, Region
from keywright.api.source import SourceTraits

AccountId: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{12}\Z")]
"""The number of an AWS account, which becomes part of a host name."""
DomainName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,48}[a-z0-9]\Z")]
"""The name of a CodeArtifact domain, which becomes part of a host name: botocore's model."""
RepositoryName: TypeAlias = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,99}\Z")
]
"""The name of a repository, which becomes part of a URL path: botocore's model."""

_LONGEST: Final = "12h"
_MOST_ACCOUNTS: Final = 10
_ACCOUNT: Final = re.compile(r"[0-9]{12}", re.ASCII)
_EXPIRY: Final = frozenset({Variable.EXPIRES_AT, Variable.EXPIRES_AT_UNIX})
ECR_USER: Final = "AWS"
"""The user name of every login to ECR."""


class CodeArtifactToken(KeySpec, frozen=True, kw_only=True):
    """A token for the repositories of a CodeArtifact domain, valid for 15 minutes to 12 hours.

    A role session that ends does not end it, unless `bound_to_session` is set.
    """

    kind: ClassVar = "codeArtifactToken"
    formats: ClassVar = PACKAGE_FORMATS
    default_formats: ClassVar = (Format.CODE_ARTIFACT_ENV,)
    variables: ClassVar = (
        COMMON_VARIABLES
        | _EXPIRY
        | {
            Variable.API_KEY,
            Variable.USERNAME,
            Variable.CODE_ARTIFACT_HOST,
            Variable.REPOSITORY,
            Variable.DOT_ENV,
        }
    )
    environment: ClassVar = {"CODEARTIFACT_AUTH_TOKEN": Variable.API_KEY}
    probe_modes: ClassVar = frozenset({ProbeMode.SERVICE})
    is_regional: ClassVar = True

    domain: DomainName
    domain_owner: AccountId
    repository: RepositoryName
    region: Region | None = None
    duration: str | None = None
    bound_to_session: bool = False

    @property
    def duration_seconds(self) -> int:
        """The requested lifetime in seconds; 0 for that of the session, as the API has it."""
        return 0 if self.bound_to_session else int(parse_duration(self.duration or _LONGEST))

    @property
    @override
    def needs_session(self) -> bool:
        """A token that ends with a session needs one."""
        return self.bound_to_session

    @property
    @override
    def own_region(self) -> str | None:
        """The region field of the key."""
        return self.region

    @override
    def field_errors(self) -> Iterator[FieldError]:
        """The lifetime."""
        field = f"spec.{self.kind}"
        yield from checks.duration(
            f"{field}.duration", self.duration, least=15 * MINUTE, most=12 * HOUR
        )
        if self.bound_to_session and self.duration is not None:
            yield FieldError(
                f"{field}.duration", "the session determines the lifetime: remove boundToSession"
            )

    @override
    def key_identity(self) -> KeyIdentity:
        """The domain and the lifetime, and the repository: another one is probed first."""
        return {
            "domain": self.domain,
            "domainOwner": self.domain_owner,
            "repository": self.repository,
            "duration": self.duration_seconds,
        }

    def host(self, region: str) -> str:
        """The host of the domain's repositories: user guide, "Get the repository endpoint"."""
        return f"{self.domain}-{self.domain_owner}.d.{service_host('codeartifact', region=region)}"

    @override
    def own_values(self, region: str, traits: SourceTraits) -> Mapping[Variable, str]:
        """The host, the repository, and the user name that the service expects with a token."""
        del traits
        return {
            Variable.CODE_ARTIFACT_HOST: self.host(region),
            Variable.REPOSITORY: self.repository,
            Variable.USERNAME: "aws",
        }


class EcrToken(KeySpec, frozen=True, kw_only=True):
    """A login to the private registries of Amazon ECR, valid for 12 hours."""

    kind: ClassVar = "ecrToken"
    formats: ClassVar = REGISTRY_FORMATS
    default_formats: ClassVar = (Format.DOCKER_CONFIG_JSON,)
    variables: ClassVar = COMMON_VARIABLES | _EXPIRY | {Variable.API_KEY, Variable.USERNAME}
    probe_modes: ClassVar = frozenset({ProbeMode.SERVICE})
    is_regional: ClassVar = True

    region: Region | None = None
    accounts: Annotated[
        tuple[AccountId, ...], msgspec.Meta(min_length=1, max_length=_MOST_ACCOUNTS)
    ] = ()

    @property
    @override
    def own_region(self) -> str | None:
        """The region field of the key."""
        return self.region

    @override
    def own_values(self, region: str, traits: SourceTraits) -> Mapping[Variable, str]:
        """The user name that the registries expect: ECR user guide, "Registry authentication"."""
        del region, traits
        return {Variable.USERNAME: ECR_USER}

    @override
    def registries(self, region: str, account_id: str | None) -> tuple[str, ...]:
        """The registry of the caller's account, and those of the other accounts.

        ECR user guide, "Private registry"; the suffix is that of the partition.
        """
        suffix = service_host("ecr", region=region)
        # It may come from the status of the grant, and becomes part of a host name.
        own = (account_id,) if account_id and _ACCOUNT.fullmatch(account_id) else ()
        accounts = dict.fromkeys((*own, *self.accounts))
        return tuple(f"{account}.dkr.{suffix}" for account in accounts)
