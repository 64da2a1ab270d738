"""The manifests that `keywright create` prints, checked by the rules of `keywright lint`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any, Final

from keywright.api.grant import WorkloadKind
from keywright.api.names import API_VERSION, GRANT_KIND
from keywright.cli.created_keys import key_of
from keywright.cli.created_objects import CreatedObject, head, present, role_of
from keywright.cli.created_options import InputError, check_options, restarted
from keywright.cli.created_sources import source_objects
from keywright.cli.lint import parse_operator
from keywright.cli.linting.engine import lint
from keywright.cli.manifest_reader import read_bytes
from keywright.cli.manifests import ReadResult
from keywright.cli.yaml_output import commented, dump_yaml, printable

# Rules about an object alone, and about a grant with its source.
_CHECKED: Final = ("KW1", "KW203", "KW301", "KW303", "KW304")
_RESOURCES: Final = {
    WorkloadKind.DEPLOYMENT: ("apps", "deployments"),
    WorkloadKind.STATEFUL_SET: ("apps", "statefulsets"),
    WorkloadKind.DAEMON_SET: ("apps", "daemonsets"),
    WorkloadKind.ROLLOUT: ("argoproj.io", "rollouts"),
}


def created(options: argparse.Namespace) -> list[CreatedObject]:
    """Return the objects for the options.

    Raises:
        InputError: the API server or the operator would refuse an object, or an option is missing.
    """
    operator = parse_operator(options.operator)
    check_options(options, operator=operator)
    match options.part:
        case "source":
            objects = list(source_objects(options, name=options.name, namespace=options.namespace))
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
    yield from source_objects(options, name=options.source, namespace=namespace)
    yield from _grant(options, name=options.grant, namespace=namespace)


def _grant(options: argparse.Namespace, *, name: str, namespace: str) -> Iterator[CreatedObject]:
    reference = present(name=options.source, namespace=getattr(options, "source_namespace", None))
    targets = restarted(options)
    secret = present(name=options.secret_name, formats=options.formats or None)
    spec = present(
        sourceRef=reference,
        **key_of(options, namespace),
        secret=secret or None,
        rollout={"restart": [{"kind": k.value, "name": n} for k, n in targets]}
        if targets
        else None,
    )
    body = {**head(API_VERSION, GRANT_KIND, name, namespace), "spec": spec}
    written = options.secret_name or name
    yield CreatedObject(body, (f"Writes Secret {written}. Show it: keywright render -f FILE",))
    for workload in dict.fromkeys(name for _, name in targets):
        kinds = [kind for kind, name in targets if name == workload]
        rules = [_restart_rule(kind, workload) for kind in kinds]
        what = " and ".join(f"{kind.value} {workload}" for kind in kinds)
        comment = f"Lets the operator restart {what}, and no other workload."
        role = f"keywright-rollout-{workload}"
        yield from role_of(options, role, namespace, rules, comment=comment)


def _restart_rule(kind: WorkloadKind, workload: str) -> dict[str, Any]:
    group, resource = _RESOURCES[kind]
    return {
        "apiGroups": [group],
        "resources": [resource],
        "resourceNames": [workload],
        "verbs": ["get", "patch"],
    }
