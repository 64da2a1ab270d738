"""Checks of what objects refer to: sources, namespaces, Secrets, and rights of the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from keywright.api.alibaba_source import AlibabaBearer, AlibabaSts
from keywright.api.grant_checks import validate_with_source
from keywright.api.names import (
    ANNOTATION_EKS_ROLE_ARN,
    ANNOTATION_RRSA_ROLE_NAME,
    REFERENCE_LABEL,
)
from keywright.api.source import CredentialSource
from keywright.cli.findings import Finding
from keywright.cli.inventory import GrantEntry, SourceEntry
from keywright.cli.kustomizations import Placed
from keywright.cli.linting import rules
from keywright.cli.linting.context import LintContext, finding, split_cure
from keywright.cli.manifests import mapping_of
from keywright.cli.operator_rights import Access, is_allowed
from keywright.secrets.rendering import check_region

_TEMPLATE_OF_SECRET: Final = {
    "Secret": (),
    "SealedSecret": ("spec", "template"),
    "ExternalSecret": ("spec", "target", "template"),
}


def check_sources(context: LintContext) -> Iterator[Finding]:
    """The source of each grant: that it exists, allows the namespace, and suits the key."""
    for entry in context.inventory.grants:
        if entry.spec is None:
            continue
        source = context.inventory.source_of(entry)
        if source is None:
            yield from _missing_source(context, entry)
        elif source.spec is not None:
            yield from _access(context, entry, source)
            yield from _suitability(entry, source)


def _missing_source(context: LintContext, entry: GrantEntry) -> Iterator[Finding]:
    assert entry.spec is not None
    reference = entry.spec.spec.source_ref
    other = reference.namespace not in {None, entry.placed.namespace}
    if other and not context.inventory.knows_namespace(reference.namespace):
        return  # of another repository
    namespace = reference.namespace or entry.placed.namespace
    where = f" in namespace {namespace}" if namespace else ""
    known = sorted(
        {
            each.placed.manifest.name
            for each in context.inventory.sources
            if context.inventory.together(each.placed, entry.placed)
        }
    )
    cure = f"use one of {', '.join(known)}" if known else "add the source"
    if len(known) > 5:
        cure = "correct the name, or add the source"
    yield finding(
        rules.SOURCE_NOT_FOUND,
        entry.placed,
        "spec.sourceRef.name",
        f"there is no CredentialSource {reference.name}{where}",
        cure=cure,
    )


def _access(context: LintContext, entry: GrantEntry, source: SourceEntry) -> Iterator[Finding]:
    namespace, home = entry.placed.namespace, source.placed.namespace
    if namespace is None or home is None or namespace == home:
        return
    assert source.spec is not None
    if source.spec.selects_namespaces:
        labels = context.inventory.labels_of_namespace(namespace, beside=entry.placed)
        if not labels or any(source.spec.allows(namespace, labels=each) for each in labels):
            return
        cure = f"add the labels of the selector{_labels_of(source.spec)} to Namespace {namespace}"
    elif source.spec.allows(namespace, labels={}):
        return
    else:
        cure = f"add {namespace} to spec.allowedNamespaces.names of the source"
    yield finding(
        rules.NAMESPACE_NOT_ALLOWED,
        entry.placed,
        "spec.sourceRef.namespace",
        f"{source.placed.label} does not allow namespace {namespace}",
        cure=cure,
    )


def _labels_of(source: CredentialSource) -> str:
    """The labels that the selector names, in parentheses; empty if it has expressions alone."""
    allowed = source.spec.allowed_namespaces
    if allowed is None or allowed.selector is None or not allowed.selector.match_labels:
        return ""
    labels = ", ".join(f"{key}={value}" for key, value in allowed.selector.match_labels.items())
    return f" ({labels})"


def _suitability(entry: GrantEntry, source: SourceEntry) -> Iterator[Finding]:
    assert entry.spec is not None
    assert source.spec is not None
    grant = entry.spec.with_formats_for(source.spec.traits)
    errors = validate_with_source(grant, source=source.spec)
    for error in errors or check_region(grant, region=grant.region(source.spec)):
        message, cure = split_cure(error.message)
        yield finding(
            rules.SOURCE_UNSUITABLE,
            entry.placed,
            error.field,
            f"{error.field}: {message}",
            cure=cure,
        )


def check_secrets(context: LintContext) -> Iterator[Finding]:
    """Secrets that two grants, or a grant and another manifest, define."""
    for name, entries in context.inventory.grants_by_secret.items():
        yield from _shared(context, name, entries)
        for entry in entries:
            yield from _defined_elsewhere(context, entry, name)


def _shared(context: LintContext, name: str, entries: list[GrantEntry]) -> Iterator[Finding]:
    earlier: dict[str | None, dict[tuple[str, str], GrantEntry]] = {}
    for entry in entries:
        grant, unit = entry.placed.manifest.name, entry.placed.unit
        known = earlier.setdefault(entry.placed.namespace, {})
        other = next(
            (
                each
                for (_, other_grant), each in known.items()
                if other_grant != grant and context.inventory.together(each.placed, entry.placed)
            ),
            None,
        )
        known.setdefault((unit, grant), entry)
        if other is None:
            continue
        yield finding(
            rules.SECRET_SHARED,
            entry.placed,
            "spec.secret.name",
            f"{other.placed.label} ({other.placed.manifest.position()}) writes Secret {name} too",
            cure="set another spec.secret.name in one of the two",
        )


def _defined_elsewhere(context: LintContext, entry: GrantEntry, name: str) -> Iterator[Finding]:
    assert entry.spec is not None
    if entry.spec.spec.secret.adopt:
        return
    for writer in context.inventory.writers_of(name, beside=entry.placed):
        yield finding(
            rules.SECRET_DEFINED_ELSEWHERE,
            entry.placed,
            "spec.secret.name",
            f"{writer.label} ({writer.manifest.position()}) defines Secret {name} too",
            cure="remove one of the two, or set another spec.secret.name",
        )


def check_tokens(context: LintContext) -> Iterator[Finding]:
    """The right to the token of each source, and the role that the token is for."""
    for entry in context.inventory.sources:
        account = entry.token_account
        if account is None:
            continue
        field, reference = account
        access = Access("", "serviceaccounts/token", frozenset({"create"}), reference.name)
        operator = context.operator
        if not is_allowed(context.inventory, access, operator=operator, beside=entry.placed):
            yield finding(
                rules.TOKEN_NOT_ALLOWED,
                entry.placed,
                f"{field}.serviceAccountRef.name",
                f"ServiceAccount {'/'.join(operator)} may not create tokens of {reference.name}",
                cure=(
                    "add a Role and a RoleBinding for serviceaccounts/token, as"
                    " `keywright create source` prints them"
                ),
            )
        yield from _role(context, entry)


def _role(context: LintContext, entry: SourceEntry) -> Iterator[Finding]:
    """Neither the source nor the annotation of its ServiceAccount names a role."""
    assert entry.spec is not None
    aws, alibaba = entry.spec.spec.aws, entry.spec.spec.alibaba_cloud
    if aws is not None and aws.web_identity is not None and aws.web_identity.role_arn is None:
        field, annotation = "spec.aws.webIdentity", ANNOTATION_EKS_ROLE_ARN
    elif (
        alibaba is not None
        and alibaba.oidc_role_arn is not None
        and alibaba.oidc_role_arn.role_arn is None
    ):
        field, annotation = "spec.alibabaCloud.oidcRoleArn", ANNOTATION_RRSA_ROLE_NAME
    else:
        return
    account = entry.token_account
    assert account is not None
    found = context.inventory.named("ServiceAccount", name=account[1].name, beside=entry.placed)
    if found is not None and not found.manifest.annotations.get(annotation):
        yield finding(
            rules.ROLE_NOT_NAMED,
            entry.placed,
            field,
            f"{field}.roleArn is not set, and {found.label} has no annotation {annotation}",
            cure=f"set {field}.roleArn, or the annotation",
        )


def check_referenced_secrets(context: LintContext) -> Iterator[Finding]:
    """Secrets among the manifests that sources and grants read values of."""
    for source in context.inventory.sources:
        if source.spec is None:
            continue
        for name, keys in source.spec.secret_keys.items():
            yield from _keys(context, source.placed, name, keys, field="spec")
        for field, name in _copied_by_source(source):
            yield from _consent(context, source.placed, name, field=field)
    for grant in context.inventory.grants:
        if grant.spec is None or grant.spec.imports is None:
            continue
        field, reference = grant.spec.imports
        yield from _keys(context, grant.placed, reference.name, {reference.key}, field=field)
        yield from _consent(context, grant.placed, reference.name, field=field)


def _copied_by_source(entry: SourceEntry) -> Iterator[tuple[str, str]]:
    """The Secrets of which the source copies a value, each with its field."""
    assert entry.spec is not None
    aws, alibaba = entry.spec.spec.aws, entry.spec.spec.alibaba_cloud
    if aws is not None:
        for index, hop in enumerate(aws.assume_roles):
            if hop.external_id_from is not None:
                field = f"spec.aws.assumeRoles[{index}].externalIdFrom.secretKeyRef.name"
                yield field, hop.external_id_from.secret_key_ref.name
    elif alibaba is not None and isinstance(alibaba.identity, AlibabaBearer):
        yield "spec.alibabaCloud.bearer.secretRef.name", alibaba.identity.secret_ref.name
    elif alibaba is not None and isinstance(alibaba.identity, AlibabaSts):
        yield "spec.alibabaCloud.sts.secretRef.name", alibaba.identity.secret_ref.name


def _consent(context: LintContext, placed: Placed, name: str, *, field: str) -> Iterator[Finding]:
    for secret in context.inventory.writers_of(name, beside=placed):
        if secret.manifest.kind not in _TEMPLATE_OF_SECRET:
            continue
        template: Mapping[str, Any] = secret.manifest.body
        for step in _TEMPLATE_OF_SECRET[secret.manifest.kind]:
            template = mapping_of(template.get(step))
        labels = mapping_of(mapping_of(template.get("metadata")).get("labels"))
        if str(labels.get(REFERENCE_LABEL, "")) != "true":
            yield finding(
                rules.COPY_NOT_ALLOWED,
                placed,
                field,
                f"Secret {name} ({secret.manifest.position()}) does not allow that its values"
                " are copied",
                cure=f'add the label {REFERENCE_LABEL}: "true" to the Secret',
            )


def _keys(
    context: LintContext, placed: Placed, name: str, keys: Iterable[str], *, field: str
) -> Iterator[Finding]:
    secret = context.inventory.named("Secret", name=name, beside=placed)
    if secret is None:
        return
    body = secret.manifest.body
    present = {*mapping_of(body.get("data")), *mapping_of(body.get("stringData"))}
    for key in sorted(set(keys) - present) if present else ():
        yield finding(
            rules.SECRET_KEY_MISSING,
            placed,
            field,
            f"Secret {name} ({secret.manifest.position()}) has no key {key}",
            cure=f"add the key {key} to the Secret",
        )
