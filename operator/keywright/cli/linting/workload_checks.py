"""Checks of workloads: the keys that they read, and how they get the next key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from keywright.api.formats import CREDENTIAL_PROCESS_FILE, Format
from keywright.api.grant import Workload, WorkloadKind
from keywright.api.schema import LabelSelector
from keywright.cli.findings import Finding
from keywright.cli.inventory import (
    WORKLOAD_KINDS,
    GrantEntry,
    WorkloadEntry,
    same_namespace,
)
from keywright.cli.linting import rules
from keywright.cli.linting.context import LintContext, finding
from keywright.cli.manifests import mapping_of
from keywright.cli.operator_rights import Access, is_allowed
from keywright.cli.secret_reads import ReadMode, SecretRead
from keywright.secrets.rendering import data_keys, validate

_RELOADERS: Final = ("reloader.stakater.com/", "secret.reloader.stakater.com/", "wave.pusher.com/")
_RESOURCES: Final = {
    WorkloadKind.DEPLOYMENT: ("apps", "deployments"),
    WorkloadKind.STATEFUL_SET: ("apps", "statefulsets"),
    WorkloadKind.DAEMON_SET: ("apps", "daemonsets"),
    WorkloadKind.ROLLOUT: ("argoproj.io", "rollouts"),
}


def check_reads(context: LintContext) -> Iterator[Finding]:
    """Each read of a Secret that a grant writes."""
    for workload in context.inventory.workloads:
        for read in workload.reads:
            grants = context.inventory.grants_of(workload, secret=read.secret)
            for grant in map(context.inventory.completed, grants[:1]):
                yield from _missing_key(workload, read, grant)
                yield from _not_restarted(workload, read, grant)
                yield from _other_mount_path(workload, read, grant)


def _missing_key(workload: WorkloadEntry, read: SecretRead, grant: GrantEntry) -> Iterator[Finding]:
    spec = grant.spec
    assert spec is not None
    if read.key is None or read.is_optional or spec.is_bulk_import or spec.spec.secret.adopt:
        return
    if validate(spec):
        return  # reported there; the layout may not even be readable
    keys = data_keys(spec)
    if read.key in keys:
        return
    yield finding(
        rules.SECRET_KEY_NOT_WRITTEN,
        workload.placed,
        read.path,
        f"Secret {read.secret} will have no key {read.key}",
        cure=(
            f"use one of {', '.join(sorted(keys))}, or add a format or an entry of"
            f" spec.secret.data to {grant.placed.label} ({grant.placed.manifest.position()})"
        ),
    )


def _not_restarted(
    workload: WorkloadEntry, read: SecretRead, grant: GrantEntry
) -> Iterator[Finding]:
    manifest = workload.placed.manifest
    follows = read.mode in {ReadMode.FILE, ReadMode.IMAGE_PULL}
    if follows or manifest.kind not in WORKLOAD_KINDS:
        return  # files and pulls follow the key; a new Job or Pod reads the new one
    spec = grant.spec
    assert spec is not None
    is_replaced = spec.expires or (spec.managed is not None and spec.managed.rotate_seconds)
    if not is_replaced or any(_selects(each, workload) for each in spec.spec.rollout.restart):
        return
    if any(name.startswith(_RELOADERS) for name in manifest.annotations):
        return
    is_fixed = read.mode is ReadMode.FIXED_FILE
    how = "with subPath, which is never updated" if is_fixed else "as environment variables"
    yield finding(
        rules.FIXED_MOUNT if is_fixed else rules.NOT_RESTARTED,
        workload.placed,
        read.path,
        f"{workload.placed.label} reads Secret {read.secret} {how}: after a renewal, its pods"
        " keep the old key",
        cure=(
            f"add {manifest.kind} {manifest.name} to spec.rollout.restart of"
            f" {grant.placed.label} ({grant.placed.manifest.position()}), or mount the Secret as a"
            " folder"
        ),
    )


def _other_mount_path(
    workload: WorkloadEntry, read: SecretRead, grant: GrantEntry
) -> Iterator[Finding]:
    """The file `config` of AwsCredentialProcess prints another file by its path."""
    spec = grant.spec
    assert spec is not None
    if Format.AWS_CREDENTIAL_PROCESS not in spec.formats or read.mode is ReadMode.ENVIRONMENT:
        return
    wanted = spec.spec.secret.mount_path.rstrip("/")
    if read.key not in {None, "config"} or not read.mount_path:
        return
    if read.mount_path.rstrip("/") == wanted or read.mode is ReadMode.FIXED_FILE:
        return
    yield finding(
        rules.OTHER_MOUNT_PATH,
        workload.placed,
        read.path,
        f"the file config prints {wanted}/{CREDENTIAL_PROCESS_FILE}, and Secret {read.secret} is"
        f" mounted at {read.mount_path}",
        cure=(
            f"mount the Secret at {wanted}, or set spec.secret.mountPath of {grant.placed.label}"
        ),
    )


def check_rollouts(context: LintContext) -> Iterator[Finding]:
    """The workloads that each grant restarts."""
    for grant in context.inventory.grants:
        if grant.spec is None:
            continue
        for index, target in enumerate(grant.spec.spec.rollout.restart):
            field = f"spec.rollout.restart[{index}]"
            yield from _target(context, grant, target, field=field)
            yield from _right(context, grant, target, field=field)


def _target(
    context: LintContext, grant: GrantEntry, target: Workload, *, field: str
) -> Iterator[Finding]:
    assert grant.spec is not None
    beside = [
        entry
        for entry in context.inventory.workloads
        if same_namespace(entry.placed.namespace, grant.placed.namespace)
        and entry.placed.manifest.kind in WORKLOAD_KINDS
        and context.inventory.together(entry.placed, grant.placed)
    ]
    chosen = context.inventory.nearest(
        [entry for entry in beside if _selects(target, entry)], grant.placed
    )
    if not chosen and beside:
        what = target.name if target.name is not None else "with these labels"
        names = sorted({entry.placed.manifest.name for entry in beside})
        yield finding(
            rules.RESTART_TARGET_MISSING,
            grant.placed,
            f"{field}.name" if target.name is not None else f"{field}.selector",
            f"there is no {target.kind} {what}",
            cure=f"correct it ({', '.join(names[:5])}), or remove the entry",
        )
    for entry in chosen:
        body = mapping_of(entry.placed.manifest.body.get("spec"))
        if "workloadRef" in body or any(
            read.secret == grant.spec.secret_name for read in entry.reads
        ):
            continue
        yield finding(
            rules.RESTART_WITHOUT_READ,
            grant.placed,
            field,
            f"{entry.placed.label} ({entry.placed.manifest.position()}) does not read Secret"
            f" {grant.spec.secret_name}",
            cure="remove the entry, or let the workload read the Secret",
        )


def _selects(target: Workload, entry: WorkloadEntry) -> bool:
    manifest = entry.placed.manifest
    if manifest.kind != target.kind.value:
        return False
    if target.name is not None:
        return manifest.name == target.name
    assert target.selector is not None
    return _matches(target.selector, entry)


def _matches(selector: LabelSelector, entry: WorkloadEntry) -> bool:
    labels = mapping_of(entry.placed.manifest.metadata.get("labels"))
    return selector.matches({name: str(value) for name, value in labels.items()})


def _right(
    context: LintContext, grant: GrantEntry, target: Workload, *, field: str
) -> Iterator[Finding]:
    group, resource = _RESOURCES[target.kind]
    verbs = {"get", "patch"} if target.name is not None else {"list", "patch"}
    access = Access(group, resource, frozenset(verbs), target.name)
    operator = context.operator
    if is_allowed(context.inventory, access, operator=operator, beside=grant.placed):
        return
    yield finding(
        rules.RESTART_NOT_ALLOWED,
        grant.placed,
        field,
        f"ServiceAccount {'/'.join(operator)} may not {' and '.join(sorted(verbs))} {resource}",
        cure="add a Role and a RoleBinding, or bind ClusterRole keywright-rollouts",
    )
