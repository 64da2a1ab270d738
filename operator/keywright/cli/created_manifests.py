"""The manifests that `keywright create` prints, checked by the rules of `keywright lint`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from keywright.api.grant import WorkloadKind
from keywright.api.names import API_VERSION, GRANT_KIND, SOURCE_KIND
from keywright.api.partitions import service_host
from keywright.cli.created_options import InputError, check_options, restarted
from keywright.cli.lint import parse_operator
from keywright.cli.linting.engine import lint
from keywright.cli.manifest_reader import read_bytes
from keywright.cli.manifests import ReadResult
from keywright.cli.yaml_output import commented, dump_yaml, printable

# Rules about an object alone, and about a grant with its source.
_CHECKED: Final = ("KW1", "KW203", "KW301", "KW303", "KW304")
_RBAC: Final = "rbac.authorization.k8s.io"
_RESOURCES: Final = {
    WorkloadKind.DEPLOYMENT: ("apps", "deployments"),
    WorkloadKind.STATEFUL_SET: ("apps", "statefulsets"),
    WorkloadKind.DAEMON_SET: ("apps", "daemonsets"),
    WorkloadKind.ROLLOUT: ("argoproj.io", "rollouts"),
}


@dataclass(frozen=True, slots=True)
class CreatedObject:
    """An object with the comment above it."""

    body: dict[str, Any]
    comment: tuple[str, ...] = ()


def created(options: argparse.Namespace) -> list[CreatedObject]:
    """Return the objects for the options.

    Raises:
        InputError: the API server or the operator would refuse an object, or an option is missing.
    """
    operator = parse_operator(options.operator)
    check_options(options, operator=operator)
    match options.part:
        case "source":
            objects = list(_source(options, name=options.name, namespace=options.namespace))
        case "grant":
            objects = list(_grant(options, name=options.name, namespace=options.namespace))
        case _:
            objects = [each for ns in options.namespaces for each in _tenant(options, ns)]
    _check(text_of(objects), operator=operator)
    return objects


def text_of(objects: Iterable[CreatedObject]) -> str:
    """The objects as YAML, each below its comment."""
    return "---\n".join(commented(each.comment) + dump_yaml(each.body) for each in objects)


def _check(text: str, *, operator: tuple[str, str]) -> None:
    read = ReadResult()
    read_bytes(text.encode(), file="output", into=read)
    found = [
        f"{each.message}: {each.cure}"
        for each in lint(read, operator=operator).findings
        if each.rule.id.startswith(_CHECKED)
    ]
    if found:
        raise InputError(printable("; ".join(found)))


def _tenant(options: argparse.Namespace, namespace: str) -> Iterator[CreatedObject]:
    """A namespace with a source and a grant."""
    yield CreatedObject({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    yield from _source(options, name=options.source, namespace=namespace)
    yield from _grant(options, name=options.grant, namespace=namespace)


def _source(options: argparse.Namespace, *, name: str, namespace: str) -> Iterator[CreatedObject]:
    account = options.service_account or name
    with_token = options.access_key_secret is None
    if with_token:
        yield CreatedObject(
            {
                **_head("v1", "ServiceAccount", account, namespace),
                "automountServiceAccountToken": False,
            },
            ("The identity in the cloud; no pod runs as this ServiceAccount.",),
        )
    is_aws = options.cloud == "aws"
    make = _aws if is_aws else _alibaba
    spec = {"aws" if is_aws else "alibabaCloud": make(options, account, namespace)}
    if getattr(options, "allowed", None):
        spec["allowedNamespaces"] = {"names": options.allowed}
    yield CreatedObject(
        {**_head(API_VERSION, SOURCE_KIND, name, namespace), "spec": spec},
        (
            f"Print its policies: keywright explain -f FILE {_facts(options)}",
            f"The operator's pods need egress to {_host(options)}, port 443.",
        ),
    )
    if with_token:
        rule = {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": [account],
            "verbs": ["create"],
        }
        comment = f"Lets the operator request tokens of {account}, and of no other ServiceAccount."
        role = f"keywright-token-{account}"
        yield from _role(options, role, namespace, [rule], comment=comment)


def _host(options: argparse.Namespace) -> str:
    if options.cloud == "aws":
        return service_host("sts", region=options.region)
    return f"sts.{options.region}.aliyuncs.com"


def _facts(options: argparse.Namespace) -> str:
    """The options of `explain` that the source needs."""
    static = options.access_key_secret is not None
    return "--account ACCOUNT --user USER" if static else "--issuer ISSUER"


def _aws(options: argparse.Namespace, account: str, namespace: str) -> dict[str, Any]:
    if options.access_key_secret is not None:
        identity: dict[str, Any] = {"accessKey": {"secretRef": {"name": options.access_key_secret}}}
    else:
        identity = {
            "webIdentity": _present(
                serviceAccountRef={"name": account},
                roleArn=_role_arn(options, namespace),
                sessionDuration=options.session_duration,
            )
        }
    hops = [{"roleArn": arn.replace("{namespace}", namespace)} for arn in options.roles]
    return _present(region=options.region, **identity, assumeRoles=hops or None)


def _alibaba(options: argparse.Namespace, account: str, namespace: str) -> dict[str, Any]:
    secret, arn = options.access_key_secret, options.role_arn
    if secret is not None and arn is None:
        identity: dict[str, Any] = {"accessKey": {"secretRef": {"name": secret}}}
    elif secret is not None:
        identity = {
            "ramRoleArn": _present(
                secretRef={"name": secret},
                roleArn=_role_arn(options, namespace),
                roleSessionExpiration=options.session_duration,
            )
        }
    else:
        if options.oidc_provider_arn is None:
            raise InputError("--oidc-provider-arn is missing: RRSA needs the OIDC provider")
        identity = {
            "oidcRoleArn": _present(
                serviceAccountRef={"name": account},
                oidcProviderArn=options.oidc_provider_arn,
                roleArn=_role_arn(options, namespace),
                roleSessionExpiration=options.session_duration,
            )
        }
    hops = [{"roleArn": each.replace("{namespace}", namespace)} for each in options.roles]
    return _present(regionId=options.region, **identity, assumeRoles=hops or None)


def _role_arn(options: argparse.Namespace, namespace: str) -> str:
    if options.role_arn is None:
        raise InputError("--role-arn is missing: set it, or --access-key-secret")
    text: str = options.role_arn
    return text.replace("{namespace}", namespace)


def _grant(options: argparse.Namespace, *, name: str, namespace: str) -> Iterator[CreatedObject]:
    reference = _present(name=options.source, namespace=getattr(options, "source_namespace", None))
    targets = restarted(options)
    secret = _present(name=options.secret_name, formats=options.formats or None)
    spec = _present(
        sourceRef=reference,
        **_key(options, namespace),
        secret=secret or None,
        rollout={"restart": [{"kind": k.value, "name": n} for k, n in targets]}
        if targets
        else None,
    )
    body = {**_head(API_VERSION, GRANT_KIND, name, namespace), "spec": spec}
    written = options.secret_name or name
    yield CreatedObject(body, (f"Writes Secret {written}. Show it: keywright render -f FILE",))
    for workload in dict.fromkeys(name for _, name in targets):
        kinds = [kind for kind, name in targets if name == workload]
        rules = [_restart_rule(kind, workload) for kind in kinds]
        what = " and ".join(f"{kind.value} {workload}" for kind in kinds)
        comment = f"Lets the operator restart {what}, and no other workload."
        role = f"keywright-rollout-{workload}"
        yield from _role(options, role, namespace, rules, comment=comment)


def _restart_rule(kind: WorkloadKind, workload: str) -> dict[str, Any]:
    group, resource = _RESOURCES[kind]
    return {
        "apiGroups": [group],
        "resources": [resource],
        "resourceNames": [workload],
        "verbs": ["get", "patch"],
    }


def _key(options: argparse.Namespace, namespace: str) -> dict[str, Any]:
    match options.kind:
        case "bedrock":
            return {"bedrockShortTermKey": _present(duration=options.duration)}
        case "session":
            return {"sessionCredentials": _present(duration=options.duration)}
        case "bearer":
            return {"bearerToken": {}}
        case "bedrock-long-term":
            if options.user is None:
                raise InputError("--user is missing: name the IAM user of the key")
            user = {"name": options.user.replace("{namespace}", namespace)}
            rotation = options.rotate_every or "7d"
            return {"bedrockLongTermKey": {"user": user, "rotateEvery": rotation}}
        case _:
            if options.usage_plan is None:
                raise InputError("--usage-plan is missing: name the usage plan of the key")
            plan = {"id": options.usage_plan}
            rotation = options.rotate_every or "30d"
            return {"apiGatewayKey": {"usagePlan": plan, "rotateEvery": rotation}}


def _role(
    options: argparse.Namespace,
    name: str,
    namespace: str,
    rules: list[dict[str, Any]],
    *,
    comment: str,
) -> Iterator[CreatedObject]:
    """A Role, and its RoleBinding to the operator."""
    operator_namespace, _, operator = options.operator.partition("/")
    api_version = f"{_RBAC}/v1"
    yield CreatedObject({**_head(api_version, "Role", name, namespace), "rules": rules}, (comment,))
    yield CreatedObject(
        {
            **_head(api_version, "RoleBinding", name, namespace),
            "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
            "subjects": [
                {"kind": "ServiceAccount", "name": operator, "namespace": operator_namespace}
            ],
        }
    )


def _head(api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _present(**fields: Any) -> dict[str, Any]:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
