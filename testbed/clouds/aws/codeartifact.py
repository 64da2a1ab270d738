"""AWS CodeArtifact: domains, authorization tokens, and the endpoints of the repositories.

GetAuthorizationToken, its parameters, bounds and error names: botocore's model codeartifact
2018-09-22. [R] Permissions and the condition: CodeArtifact user guide, "Provision an IAM user". [R]
The message of a missing permission: tmokmss/deploy-time-build#8. [R] That of a missing domain:
aws/aws-cdk#19792. [R] The user name `aws`, paths and hosts: the guide's pages about pip and npm.
[R] pip reports 401 for a token that is not valid: actions/setup-python#733. [R] The bodies of such
responses, the order of the checks, and the resource of sts:GetServiceBearerToken are guesses. [U]
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from testbed.clouds.aws import json_protocol, packages
from testbed.clouds.aws.registry_tokens import encrypted_token
from testbed.clouds.errors import CloudError
from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.registry_tokens import RegistryToken, RegistryTokens
    from testbed.clouds.wire import Entry, Request

SERVICE = "codeartifact"
REPOSITORIES = "codeartifact-repositories"
_PATH = "/v1/authorization-token"
_SHORTEST_SECONDS, _LONGEST_SECONDS = 900, 43_200
_DOMAIN = re.compile(r"[a-z][a-z0-9\-]{0,48}[a-z0-9]")
_ACCOUNT = re.compile(r"[0-9]{12}")
_HOST = re.compile(
    r"(?P<domain>[a-z][a-z0-9-]*)-(?P<owner>\d{12})\.d\.codeartifact\.(?P<region>[^.]+)"
)
_CONTEXT = {"sts:awsservicename": "codeartifact.amazonaws.com"}
_USER = "aws"


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain, which belongs to one account and Region, and the names of its repositories."""

    name: str
    owner: str
    region: str
    repositories: frozenset[str]

    @property
    def arn(self) -> str:
        """The ARN of the domain."""
        return f"arn:aws:codeartifact:{self.region}:{self.owner}:domain/{self.name}"

    def repository_arn(self, repository: str) -> str:
        """The ARN of a repository."""
        where = f"arn:aws:codeartifact:{self.region}:{self.owner}"
        return f"{where}:repository/{self.name}/{repository}"


class Domains:
    """The domains of all accounts."""

    def __init__(self) -> None:
        self._domains: dict[tuple[str, str, str], Domain] = {}

    def create(self, *, name: str, owner: str, region: str, repositories: list[str]) -> None:
        """Create a domain with repositories, or replace it."""
        domain = Domain(name, owner, region, frozenset(repositories))
        self._domains[name, owner, region] = domain

    def find(self, *, name: str, owner: str, region: str) -> Domain | None:
        """The domain; None if there is none."""
        return self._domains.get((name, owner, region))


class CodeArtifact:
    """The regional endpoint of the API."""

    name = SERVICE

    def __init__(
        self, *, domains: Domains, tokens: RegistryTokens, authentication: Authentication
    ) -> None:
        self._domains = domains
        self._tokens = tokens
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The only action, or method and path."""
        if (request.method, request.path) == ("POST", _PATH):
            return "GetAuthorizationToken"
        return f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        region = request.host.split(".")[1]
        principal = self._authentication.verify(request, service=SERVICE, region=region)
        entry.principal = principal.arn
        if action != "GetAuthorizationToken":
            raise CloudError("UnknownOperationException", "Unknown operation", status=404)
        given = dict(parse_qsl(request.query, keep_blank_values=True))
        entry.parameters.update(given)
        name, owner = given.get("domain", ""), given.get("domain-owner", principal.account)
        seconds = _checked_seconds(given, name=name, owner=owner)
        arn = Domain(name, owner, region, frozenset()).arn
        self._authentication.authorize(
            principal,
            action="codeartifact:GetAuthorizationToken",
            resource=arn,
            source_ip=request.source_ip,
        )
        self._authentication.authorize(
            principal,
            action="sts:GetServiceBearerToken",
            resource="*",
            source_ip=request.source_ip,
            context={**_CONTEXT, "sts:durationseconds": str(seconds)},
        )
        if self._domains.find(name=name, owner=owner, region=region) is None:
            raise CloudError(
                "ResourceNotFoundException",
                f"Domain not found. Domain '{name}' owned by account '{owner}' does not exist.",
                status=404,
            )
        now = self._tokens.now()
        expires_at = now + seconds if seconds else principal.expires_at or now + _LONGEST_SECONDS
        token = self._tokens.issue(
            encrypted_token(issued_at=now, expires_at=expires_at),
            access_key_id=principal.access_key_id,
            scope=(name, owner, region),
            expires_at=expires_at,
        )
        return json_response({"authorizationToken": token.value, "expiration": token.expires_at})

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error in the format of a JSON service."""
        del request
        return json_protocol.error(error)


def _checked_seconds(given: dict[str, str], *, name: str, owner: str) -> int:
    """The requested lifetime in seconds; raises CloudError for any invalid parameter."""
    if not _DOMAIN.fullmatch(name) or not _ACCOUNT.fullmatch(owner):
        raise CloudError("ValidationException", "Invalid domain or domain owner.")
    text = given.get("duration", str(_LONGEST_SECONDS))
    seconds = int(text) if text.isdigit() else -1
    if seconds != 0 and not _SHORTEST_SECONDS <= seconds <= _LONGEST_SECONDS:
        raise CloudError(
            "ValidationException",
            f"Invalid value for durationSeconds: {text}. Valid values are 0 and any number between"
            f" {_SHORTEST_SECONDS} and {_LONGEST_SECONDS}.",
        )
    return seconds


class PackageRepositories:
    """The hosts of the domains, with one path for each package format."""

    name = REPOSITORIES

    def __init__(
        self, *, domains: Domains, tokens: RegistryTokens, authentication: Authentication
    ) -> None:
        self._domains = domains
        self._tokens = tokens
        self._authentication = authentication

    def action(self, request: Request) -> str:
        """The package format and the method."""
        return f"{request.method} {request.path.split('/')[1]}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """A package, its description, or the answer to a ping."""
        del action
        named = _HOST.match(request.host)
        assert named is not None
        where = named["domain"], named["owner"], named["region"]
        token = self._verified(request, where=where)
        domain = self._domains.find(name=where[0], owner=where[1], region=where[2])
        parts = request.path.split("/")
        form, repository = parts[1], parts[2] if len(parts) > 2 else ""
        holder = self._authentication.find(token.access_key_id)
        if domain is None or holder is None:
            raise _unauthorized()
        entry.principal = holder.arn
        self._authentication.pace(self.name, account=holder.account)
        self._authentication.authorize(
            holder,
            action="codeartifact:ReadFromRepository",
            resource=domain.repository_arn(repository),
            source_ip=request.source_ip,
        )
        if repository not in domain.repositories:
            raise CloudError(
                "ResourceNotFoundException", f"Repository not found: {repository}", status=404
            )
        found = packages.find(form, parts[3:], base=f"https://{request.host}/{form}/{repository}")
        if found is None:
            raise CloudError("ResourceNotFoundException", "Package not found", status=404)
        return found

    def refuse(self, request: Request, error: CloudError) -> Response:
        """The error, with the challenge that package managers react to."""
        del request
        answer = json_protocol.error(error)
        if error.status == 401:
            challenge = {"WWW-Authenticate": 'Basic realm="CodeArtifact"'}
            return Response(401, answer.body, answer.content_type, {**answer.headers, **challenge})
        return answer

    def _verified(self, request: Request, *, where: tuple[str, ...]) -> RegistryToken:
        """The token of the request, for this domain; raises CloudError."""
        kind, _, credentials = (request.header("authorization") or "").partition(" ")
        value = credentials if kind == "Bearer" else _password(credentials)
        token = self._tokens.find(value)
        if token is None or token.scope != where:
            raise _unauthorized()
        if self._tokens.is_expired(token):
            raise CloudError("UnauthorizedException", "The token has expired", status=401)
        return token


def _password(credentials: str) -> str:
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password if user == _USER else ""


def _unauthorized() -> CloudError:
    return CloudError("UnauthorizedException", "The token is not valid", status=401)
