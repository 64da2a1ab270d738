"""Validation of an ApiKeyGrant, except for its templates, which `secrets.rendering` validates."""

import re
from collections.abc import Iterator

from keywright.api import checks
from keywright.api.alibaba_source import AlibabaSource
from keywright.api.aws_source import AwsSource
from keywright.api.checks import DAY, MINUTE
from keywright.api.errors import FieldError
from keywright.api.formats import FORMATS_OF_PROVIDER, PREVIOUS_KEY_ENTRY, Format, Variable
from keywright.api.grant import ApiKeyGrant, GrantSpec, Probe, Renewal, Rollout, SecretSpec
from keywright.api.key_spec import ProbeMode
from keywright.api.keys import Key, KeyKind
from keywright.api.names import MANAGED_BY_LABEL, RESERVED_PREFIX
from keywright.api.source import CredentialSource
from keywright.api.times import window_problems

_KINDS = [kind.value for kind in KeyKind]
REFUSED_TYPES = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
"""Types of Secrets that Kubernetes creates credentials from, or accepts as credentials."""
_MOUNT_PATH = re.compile(r"/[-._a-zA-Z0-9/]*")
_GLOBAL_STS = "//sts.amazonaws.com"
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def grant_problems(spec: GrantSpec) -> list[FieldError]:
    """Return all errors of the spec; empty if it is valid."""
    return list(_spec(spec))


def validate_with_source(grant: ApiKeyGrant, *, source: CredentialSource) -> list[FieldError]:
    """Return why this grant cannot be issued from this source; empty if it can."""
    return list(_pair(grant, source=source))


def _spec(spec: GrantSpec) -> Iterator[FieldError]:
    keys = spec.keys
    if len(keys) != 1:
        chosen = [key.kind for key in keys]
        yield from checks.exactly_one("spec", chosen=chosen, choices=_KINDS)
        return
    (key,) = keys
    yield from key.field_errors()
    yield from _secret(spec.secret)
    yield from _layout(spec.secret, key=key)
    yield from _renewal(spec.renewal)
    yield from _probe(spec.probe, key=key)
    yield from _rollout(spec.rollout)


def _secret(secret: SecretSpec) -> Iterator[FieldError]:
    if secret.type in REFUSED_TYPES:
        yield FieldError(
            "spec.secret.type",
            f"Kubernetes makes credentials of its own from a Secret of type {secret.type}:"
            " use Opaque",
        )
    if MANAGED_BY_LABEL in secret.labels:
        yield FieldError(
            f"spec.secret.labels[{MANAGED_BY_LABEL}]", "is the operator's own: remove it"
        )
    if not _MOUNT_PATH.fullmatch(secret.mount_path):
        yield FieldError(
            "spec.secret.mountPath", "must be an absolute path, such as /var/run/keywright"
        )
    for key in secret.data:
        if not _DATA_KEY.fullmatch(key) or key == "." or key.startswith(".."):
            yield FieldError(
                f"spec.secret.data[{key}]",
                "no key of a Secret: use letters, digits, '-', '_' and '.'",
            )
    if secret.name is not None:
        yield from checks.object_name("spec.secret.name", secret.name)


def _layout(secret: SecretSpec, *, key: Key) -> Iterator[FieldError]:
    if secret.formats == () and not secret.data:
        yield FieldError(
            "spec.secret.formats", "an empty list leaves no key: name a format, or set data"
        )
    written = key.default_formats if secret.formats is None else secret.formats
    if secret.include_previous and (key.is_bulk_import or Format.API_GATEWAY_ENV not in written):
        yield FieldError(
            "spec.secret.includePrevious",
            f"only {Format.API_GATEWAY_ENV} with one key has it: remove it, or use"
            f" ${{{Variable.PREVIOUS_API_KEY}}} in spec.secret.data",
        )
    if secret.include_previous and PREVIOUS_KEY_ENTRY in secret.data:
        yield FieldError(
            f"spec.secret.data[{PREVIOUS_KEY_ENTRY}]",
            "spec.secret.includePrevious writes this key: drop one of the two",
        )
    for form in secret.formats or ():
        if form not in key.own_formats:
            fitting = ", ".join(sorted(key.own_formats))
            yield FieldError(
                "spec.secret.formats", f"{key.kind} cannot fill {form}: choose from {fitting}"
            )
    for group, names in (("labels", secret.labels), ("annotations", secret.annotations)):
        for name in names:
            if name.startswith(RESERVED_PREFIX):
                yield FieldError(
                    f"spec.secret.{group}[{name}]", f"{RESERVED_PREFIX} is ours: use another prefix"
                )


def _renewal(renewal: Renewal) -> Iterator[FieldError]:
    yield from checks.duration_or_percent("spec.renewal.before", renewal.before)
    for index, window in enumerate(renewal.windows):
        field = f"spec.renewal.windows[{index}]"
        yield from checks.duration(f"{field}.duration", window.duration)
        yield from window_problems(field, window)


def _probe(probe: Probe, *, key: Key) -> Iterator[FieldError]:
    if probe.mode is ProbeMode.NONE:
        return
    if probe.mode is ProbeMode.HTTP and probe.url is None:
        yield FieldError("spec.probe.url", "set it: mode Http asks this URL")
    if probe.mode not in key.probe_modes:
        yield FieldError(
            "spec.probe.mode", f"{probe.mode} cannot try {key.kind}: use another or None"
        )
    yield from key.probe_errors(probe.mode)
    yield from checks.duration("spec.probe.timeout", probe.timeout, most=10 * MINUTE)


def _rollout(rollout: Rollout) -> Iterator[FieldError]:
    for index, workload in enumerate(rollout.restart):
        if (workload.name is None) == (workload.selector is None):
            yield FieldError(
                f"spec.rollout.restart[{index}]", "set exactly one of name and selector"
            )
    yield from checks.duration("spec.rollout.minInterval", rollout.min_interval, most=DAY)


def _pair(grant: ApiKeyGrant, *, source: CredentialSource) -> Iterator[FieldError]:
    name = f"{source.namespace}/{source.name}"
    provider = source.provider
    if needed := grant.key.required_source(source):
        yield FieldError(
            "spec.sourceRef", f"{grant.kind} cannot come from {name}: name a source {needed}"
        )
    probe = grant.spec.probe
    formats = grant.with_formats_for(source.traits).formats
    for form in formats:
        if form not in FORMATS_OF_PROVIDER[provider]:
            yield FieldError(
                "spec.secret.formats",
                f"{form} is not for {provider}, the cloud of source {name}: choose another format",
            )
    key = grant.key
    if needed:
        return
    yield from key.source_errors(
        source.traits, formats=formats, probe=(probe.mode, probe.model_id is not None)
    )
    if not key.needs_session:
        return
    if source.spec.aws is not None:
        yield from _session_of_aws(key, aws=source.spec.aws, name=name)
    if source.spec.alibaba_cloud is not None:
        yield from _session_of_alibaba(key, alibaba=source.spec.alibaba_cloud, name=name)


def _session_of_aws(key: Key, *, aws: AwsSource, name: str) -> Iterator[FieldError]:
    """Require a role for an AWS session, and only one set of session policies.

    A session may do what any one of its policies allows: adding those of the grant to those of the
    source would widen what the source's author allows.
    """
    requested = key.session_policies
    field = f"spec.{key.kind}.{requested[0]}" if requested else f"spec.{key.kind}"
    (way,) = aws.identity.key_identity()
    if not aws.session_asks:
        yield FieldError(
            f"spec.{key.kind}" if key.is_session else field,
            f"source {name} has aws.{way} and assumes no role, and AWS has no session for that:"
            " set assumeRoles in the source",
        )
        return
    policy = key.session_policy
    if policy is not None:
        # The spec does not tell which STS receives it; for that of AWS, some letters are escaped.
        place = f"spec.{key.kind}.policy"
        if not any(checks.session_policy(place, policy)):
            yield from checks.session_policy(place, policy, latin=True)
    place, own = aws.session_policies
    if key.is_scoped:
        yield from _scoping(key, aws=aws, name=name)
    elif requested and "policy" not in aws.session_asks:
        yield FieldError(
            field,
            f"source {name} has aws.{way} and assumes no role, and AWS has no session policies for"
            " that: remove it here, set scopedSession, or set assumeRoles in the source",
        )
    elif requested and own:
        yield FieldError(
            field,
            f"source {name} limits its sessions by {place}.{own[0]} already, and AWS allows what"
            " either of the two allows: remove it here, set scopedSession, or name a source without"
            " session policies",
        )


def _scoping(key: Key, *, aws: AwsSource, name: str) -> Iterator[FieldError]:
    """Require a regional endpoint: "GetScopedCredentials is not available on the global one"."""
    if aws.sts_endpoint is not None and _GLOBAL_STS in aws.sts_endpoint:
        yield FieldError(
            f"spec.{key.kind}.scopedSession",
            f"source {name} uses the global endpoint of STS, which has no GetScopedCredentials:"
            " remove spec.aws.stsEndpoint from the source",
        )


def _session_of_alibaba(key: Key, *, alibaba: AlibabaSource, name: str) -> Iterator[FieldError]:
    """Allow options only for a role session, which accepts one policy."""
    if "policyArns" in key.session_policies:
        yield FieldError(
            f"spec.{key.kind}.policyArns",
            "session policies by ARN are AWS's alone: use policy",
        )
    if key.is_scoped:
        yield FieldError(
            f"spec.{key.kind}.scopedSession", "is for sources with aws only: remove it"
        )
    requested = [field for field in ("duration", "policy") if field in key.session_options]
    unsupported = [field for field in requested if field not in alibaba.session_asks]
    if unsupported:
        yield FieldError(
            f"spec.{key.kind}.{unsupported[0]}",
            f"source {name} assumes no role, and only a role's session takes one: remove it, or set"
            " assumeRoles in the source",
        )
    place, own = alibaba.session_policy
    if "policy" in key.session_policies and own is not None:
        yield FieldError(
            f"spec.{key.kind}.policy",
            f"source {name} limits its sessions by alibabaCloud.{place} already, and STS takes one"
            " policy: remove it here, or name a source without one",
        )
