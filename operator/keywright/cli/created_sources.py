"""The source that `keywright create` prints, with what lets the operator use it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlsplit

from keywright.api.names import API_VERSION, SOURCE_KIND
from keywright.api.partitions import service_host
from keywright.cli.created_objects import CreatedObject, head, present, role_of
from keywright.cli.created_options import InputError

_HOSTS: Final = {
    "anthropic": "api.anthropic.com",
    "openai": "auth.openai.com",
    "openrouter": "openrouter.ai",
}
"""The hosts of the token endpoints, as in `clouds.token_exchange.requests`."""


def source_objects(
    options: argparse.Namespace, *, name: str, namespace: str
) -> Iterator[CreatedObject]:
    """The source, and for a ServiceAccount token that account and the right to its tokens.

    Raises:
        InputError: an option is missing.
    """
    account = options.service_account or name
    if _has_token(options):
        yield CreatedObject(
            {
                **head("v1", "ServiceAccount", account, namespace),
                "automountServiceAccountToken": False,
            },
            ("The identity in the cloud; no pod runs as this ServiceAccount.",),
        )
    spec = _spec(options, account, namespace)
    if getattr(options, "allowed", None):
        spec["allowedNamespaces"] = {"names": options.allowed}
    body = {**head(API_VERSION, SOURCE_KIND, name, namespace), "spec": spec}
    yield CreatedObject(body, tuple(_comment(options)))
    if _has_token(options):
        rule = {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": [account],
            "verbs": ["create"],
        }
        comment = f"Lets the operator request tokens of {account}, and of no other ServiceAccount."
        role = f"keywright-token-{account}"
        yield from role_of(options, role, namespace, [rule], comment=comment)


def _has_token(options: argparse.Namespace) -> bool:
    """Whether the identity is a ServiceAccount, and not what a Secret contains."""
    secrets = (options.access_key_secret, options.bearer_secret, options.certificate_secret)
    return not any(secrets)


def _spec(options: argparse.Namespace, account: str, namespace: str) -> dict[str, Any]:
    if options.exchange is not None:
        return {"tokenExchange": _exchange(options, account)}
    if options.region is None:
        raise InputError("--region is missing: set the Region of the source")
    if options.cloud == "aws":
        return {"aws": _aws(options, account, namespace)}
    return {"alibabaCloud": _alibaba(options, account, namespace)}


def _comment(options: argparse.Namespace) -> Iterator[str]:
    """How to print the policies, and which host the operator calls."""
    if options.bearer_secret is not None:
        yield "The Secret is written by a grant, or has the label keywright.dev/allow-reference."
        return
    facts = "" if options.certificate_secret is not None else " --issuer ISSUER"
    if options.access_key_secret is not None:
        facts = " --account ACCOUNT --user USER"
    yield f"Print its policies: keywright explain -f FILE{facts}"
    yield f"The operator's pods need egress to {_host(options)}, port 443."
    if options.exchange == "generic":
        yield f"The operator needs the option --allow-token-endpoint={options.endpoint}"


def _host(options: argparse.Namespace) -> str:
    if options.exchange is not None:
        return _HOSTS.get(options.exchange) or urlsplit(options.endpoint).netloc
    if options.certificate_secret is not None:
        return service_host("rolesanywhere", region=options.region)
    if options.cloud == "aws":
        return service_host("sts", region=options.region)
    return f"sts.{options.region}.aliyuncs.com"


def _aws(options: argparse.Namespace, account: str, namespace: str) -> dict[str, Any]:
    if options.access_key_secret is not None:
        identity: dict[str, Any] = {"accessKey": {"secretRef": {"name": options.access_key_secret}}}
    elif options.certificate_secret is not None:
        identity = {
            "rolesAnywhere": present(
                trustAnchorArn=_required(options, "trust_anchor_arn"),
                profileArn=_required(options, "profile_arn"),
                roleArn=_role_arn(options, namespace),
                secretRef={"name": options.certificate_secret},
                sessionDuration=options.session_duration,
            )
        }
    else:
        identity = {
            "webIdentity": present(
                serviceAccountRef={"name": account},
                roleArn=_role_arn(options, namespace),
                sessionDuration=options.session_duration,
            )
        }
    hops = [{"roleArn": arn.replace("{namespace}", namespace)} for arn in options.roles]
    return present(region=options.region, **identity, assumeRoles=hops or None)


def _alibaba(options: argparse.Namespace, account: str, namespace: str) -> dict[str, Any]:
    secret, arn = options.access_key_secret, options.role_arn
    if options.bearer_secret is not None:
        identity: dict[str, Any] = {"bearer": {"secretRef": {"name": options.bearer_secret}}}
    elif secret is not None and arn is None:
        identity = {"accessKey": {"secretRef": {"name": secret}}}
    elif secret is not None:
        identity = {
            "ramRoleArn": present(
                secretRef={"name": secret},
                roleArn=_role_arn(options, namespace),
                roleSessionExpiration=options.session_duration,
            )
        }
    else:
        if options.oidc_provider_arn is None:
            raise InputError("--oidc-provider-arn is missing: RRSA needs the OIDC provider")
        identity = {
            "oidcRoleArn": present(
                serviceAccountRef={"name": account},
                oidcProviderArn=options.oidc_provider_arn,
                roleArn=_role_arn(options, namespace),
                roleSessionExpiration=options.session_duration,
            )
        }
    hops = [{"roleArn": each.replace("{namespace}", namespace)} for each in options.roles]
    return present(regionId=options.region, **identity, assumeRoles=hops or None)


def _exchange(options: argparse.Namespace, account: str) -> dict[str, Any]:
    audiences = None if options.audience is None else [options.audience]
    return present(
        serviceAccountRef=present(name=account, audiences=audiences),
        tokenExpiration=options.token_expiration,
        **{options.exchange: _vendor(options)},
    )


def _vendor(options: argparse.Namespace) -> dict[str, Any]:
    match options.exchange:
        case "anthropic":
            return present(
                federationRuleId=_required(options, "federation_rule"),
                organizationId=_required(options, "organization"),
                serviceAccountId=_required(options, "vendor_account"),
                workspaceId=options.workspace,
            )
        case "openai":
            return {
                "identityProviderId": _required(options, "identity_provider"),
                "serviceAccountId": _required(options, "vendor_account"),
            }
        case "openrouter":
            return {"federationPolicyId": _required(options, "federation_policy")}
        case _:
            _required(options, "audience")
            return present(
                endpoint=_required(options, "endpoint"),
                parameters=dict(map(_parameter, options.parameters)) or None,
            )


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--parameter {text}: write it as NAME=VALUE")
    return name, value


def _required(options: argparse.Namespace, name: str) -> str:
    text: str | None = getattr(options, name)
    if text is None:
        chosen = "--certificate-secret"
        if options.exchange is not None:
            chosen = f"--exchange {options.exchange}"
        raise InputError(f"--{name.replace('_', '-')} is missing: {chosen} needs it")
    return text


def _role_arn(options: argparse.Namespace, namespace: str) -> str:
    if options.role_arn is None:
        raise InputError("--role-arn is missing: set it, or --access-key-secret")
    text: str = options.role_arn
    return text.replace("{namespace}", namespace)
