"""The host names of the emulated AWS."""

from __future__ import annotations

import re

from testbed.clouds.aws import codeartifact, ecr

# SERVICE.amazonaws.com for the global endpoints, SERVICE.REGION.amazonaws.com for most others
_REGION = r"[a-z]{2}(-[a-z]+)+-\d"
_HOSTS = (
    re.compile(r"(?P<service>sts|iam)\.amazonaws\.com"),
    re.compile(
        r"(?P<service>sts|bedrock|bedrock-runtime|apigateway|monitoring|logs|rolesanywhere|xray"
        r"|codeartifact)"
        rf"\.{_REGION}\.amazonaws\.com"
    ),
    # not a host of AWS: an endpoint that the operator has to allow
    re.compile(r"(?P<service>sts)\.private\.amazonaws\.com"),
    re.compile(
        rf"(?P<service>bedrock-mantle|aws-external-anthropic|eks-auth)\.{_REGION}\.api\.aws"
    ),
    re.compile(rf"api\.(?P<service>ecr)\.{_REGION}\.amazonaws\.com"),
    re.compile(rf"[a-z0-9]+\.(?P<service>execute-api)\.{_REGION}\.amazonaws\.com"),
)
# the hosts of package repositories and container registries, with the names of their services
_REGISTRIES = {
    codeartifact.REPOSITORIES: re.compile(
        rf"[a-z][a-z0-9-]*-\d{{12}}\.d\.codeartifact\.{_REGION}\.amazonaws\.com"
    ),
    ecr.REGISTRIES: re.compile(rf"\d{{12}}\.dkr\.ecr\.{_REGION}\.amazonaws\.com"),
}
# the domains of the proxy
DOMAINS = ("amazonaws.com", "api.aws")


def service_of(host: str) -> str | None:
    """The name of the service of a host, None if there is none."""
    for name, pattern in _REGISTRIES.items():
        if pattern.fullmatch(host):
            return name
    named = next(filter(None, (pattern.fullmatch(host) for pattern in _HOSTS)), None)
    return None if named is None else named["service"]
