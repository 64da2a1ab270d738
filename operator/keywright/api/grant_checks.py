"""What makes an ApiKeyGrant unusable, short of its templates, which `secrets.layout` checks."""

import re
from collections.abc import Iterator
from ipaddress import ip_network

from keywright.api import checks
from keywright.api.alibaba_source import AlibabaBearer, AlibabaSource
from keywright.api.api_gateway_key import ApiGatewayKey, UsagePlan
from keywright.api.aws_source import AwsSource
from keywright.api.checks import DAY, HOUR, MINUTE
from keywright.api.errors import FieldError
from keywright.api.grant import ApiKeyGrant, GrantSpec, Probe, ProbeMode, Renewal, Rollout
from keywright.api.key_spec import KeyKind
from keywright.api.keys import (
    BearerToken,
    BedrockLongTermKey,
    BedrockShortTermKey,
    Key,
    SessionCredentials,
)
from keywright.api.names import MANAGED_BY_LABEL, RESERVED_PREFIX, imitates_mark
from keywright.api.secret_spec import (
    FORMATS_OF_PROVIDER,
    SecretSpec,
)
from keywright.api.source import CredentialSource, Provider
from keywright.api.times import parse_time
from keywright.api.windows import window_problems

_KINDS = [kind.value for kind in KeyKind]
REFUSED_TYPES = frozenset({"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"})
"""Types of Secrets that Kubernetes itself makes credentials from, or takes them from."""
_MOUNT_PATH = re.compile(r"/[-._a-zA-Z0-9/]*")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def grant_problems(spec: GrantSpec) -> list[FieldError]:
    """Everything that is wrong with the spec; empty when it can be carried out."""
    return list(_spec(spec))


def validate_with_source(grant: ApiKeyGrant, *, source: CredentialSource) -> list[FieldError]:
    """Why this grant cannot be served from this source; empty when it can."""
    return list(_pair(grant, source=source))


def _spec(spec: GrantSpec) -> Iterator[FieldError]:
    keys = spec.keys
    if len(keys) != 1:
        chosen = [key.kind.value for key in keys]
        yield from checks.exactly_one("spec", chosen=chosen, choices=_KINDS)
        return
    (key,) = keys
    match key:
        case BedrockShortTermKey(duration=duration):
            yield from checks.duration(
                "spec.bedrockShortTermKey.duration", duration, least=MINUTE, most=12 * HOUR
            )
        case BedrockLongTermKey() as long_term:
            yield from _long_term(long_term)
        case SessionCredentials(duration=duration, policy=policy):
            yield from checks.session_policy("spec.sessionCredentials.policy", policy)
            yield from checks.duration(
                "spec.sessionCredentials.duration", duration, least=15 * MINUTE, most=12 * HOUR
            )
        case ApiGatewayKey() as gateway:
            yield from _api_gateway(gateway)
        case BearerToken():
            pass
    yield from _secret(spec.secret)
    yield from _layout(spec.secret, key=key)
    yield from _renewal(spec.renewal)
    yield from _probe(spec.probe, kind=key.kind)
    yield from _rollout(spec.rollout)


def _long_term(key: BedrockLongTermKey) -> Iterator[FieldError]:
    field = "spec.bedrockLongTermKey"
    yield from checks.own_tags(f"{field}.user.tags", key.user.tags)
    if key.expires_after_days is None and key.rotate_every is None:
        yield FieldError(
            f"{field}.rotateEvery", "set it, or expiresAfterDays: a key must end somehow"
        )
    yield from checks.duration(f"{field}.rotateEvery", key.rotate_every, least=HOUR)
    yield from checks.duration(f"{field}.overlap", key.overlap)
    yield from checks.shorter(
        f"{field}.overlap", key.overlap, than_field="rotateEvery", than=key.rotate_every
    )
    if key.expires_after_days is not None:
        lifetime = f"{key.expires_after_days}d"
        for name, text in (("rotateEvery", key.rotate_every), ("overlap", key.overlap)):
            yield from checks.shorter(
                f"{field}.{name}", text, than_field="expiresAfterDays", than=lifetime
            )
    for name, policy in key.inline_policies.items():
        yield from checks.policy(f"{field}.inlinePolicies[{name}]", policy)
    for cidr in key.allowed_source_cidrs:
        try:
            ip_network(cidr)
        except ValueError as error:
            yield FieldError(f"{field}.allowedSourceCidrs", f"{error}: write it like 10.0.0.0/8")
    if key.not_after is not None:
        try:
            parse_time(key.not_after)
        except ValueError:
            yield FieldError(
                f"{field}.notAfter", f"{key.not_after!r} is no time: write 2027-01-01T00:00:00Z"
            )


def _api_gateway(key: ApiGatewayKey) -> Iterator[FieldError]:
    field = "spec.apiGatewayKey"
    yield from checks.own_tags(f"{field}.tags", key.tags)
    if imitates_mark(key.description or ""):
        yield FieldError(
            f"{field}.description", f"{RESERVED_PREFIX} in it is the operator's own: remove it"
        )
    yield from _plan(f"{field}.usagePlan", key.usage_plan)
    for index, plan in enumerate(key.additional_usage_plans):
        yield from _plan(f"{field}.additionalUsagePlans[{index}]", plan)
    yield from _stages_of_new_plans(key)
    sources = {"valueFrom": key.value_from, "csvFrom": key.csv_from}
    yield from checks.at_most_one(field, chosen=[n for n, s in sources.items() if s is not None])
    if key.imports is not None and key.rotate_every is not None:
        yield FieldError(
            f"{field}.rotateEvery", "an imported value is replaced by changing its Secret"
        )
    in_file = {"keyName": key.key_name, "description": key.description}
    for name, text in in_file.items():
        if key.csv_from is not None and text is not None:
            yield FieldError(
                f"{field}.{name}", "the file of csvFrom has it for each key: remove it"
            )
    yield from checks.duration(f"{field}.rotateEvery", key.rotate_every, least=HOUR)
    yield from checks.duration(f"{field}.overlap", key.overlap)
    yield from checks.duration(f"{field}.propagation", key.propagation, most=HOUR)
    yield from checks.shorter(
        f"{field}.overlap", key.overlap, than_field="rotateEvery", than=key.rotate_every
    )


def _stages_of_new_plans(key: ApiGatewayKey) -> Iterator[FieldError]:
    """A key has one plan for a stage; those of existing plans are known to API Gateway alone."""
    seen: dict[tuple[str, str], str] = {}
    names: set[str] = set()
    for field, plan in key.usage_plans:
        if plan.create is None:
            continue
        if plan.create.name in names:
            yield FieldError(
                f"{field}.create.name", "another plan of this key has it: choose another"
            )
        names.add(plan.create.name)
        for stage in plan.create.api_stages:
            place = (stage.api_id, stage.stage)
            if place in seen:
                yield FieldError(
                    f"{field}.create.apiStages",
                    f"{':'.join(place)} is in {seen[place]} as well, and a key has one plan for a"
                    " stage: remove it here or there",
                )
            seen.setdefault(place, field)


def _plan(field: str, plan: UsagePlan) -> Iterator[FieldError]:
    choices = {"id": plan.id, "name": plan.name, "create": plan.create}
    chosen = [name for name, choice in choices.items() if choice is not None]
    yield from checks.exactly_one(field, chosen=chosen, choices=list(choices))


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
    for form in secret.formats or ():
        if form not in key.formats:
            fitting = ", ".join(sorted(key.formats))
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


def _probe(probe: Probe, *, kind: KeyKind) -> Iterator[FieldError]:
    match probe.mode:
        case ProbeMode.NONE:
            return
        case ProbeMode.HTTP:
            fits = kind is KeyKind.API_GATEWAY_KEY
            if probe.url is None:
                yield FieldError("spec.probe.url", "set it: mode Http asks this URL")
        case ProbeMode.BEDROCK:
            fits = kind in (KeyKind.BEDROCK_SHORT_TERM_KEY, KeyKind.BEDROCK_LONG_TERM_KEY)
        case ProbeMode.IDENTITY:
            fits = kind is KeyKind.SESSION_CREDENTIALS
    if not fits:
        yield FieldError("spec.probe.mode", f"{probe.mode} cannot try {kind}: use another or None")
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
    match grant.kind:
        case KeyKind.SESSION_CREDENTIALS:
            fits = not isinstance(source.identity, AlibabaBearer)
            needed = "with an access key or a session"
        case KeyKind.BEARER_TOKEN:
            fits = isinstance(source.identity, AlibabaBearer)
            needed = "with alibabaCloud.bearer"
        case KeyKind.BEDROCK_SHORT_TERM_KEY | KeyKind.BEDROCK_LONG_TERM_KEY:
            fits, needed = provider is Provider.AWS, "with aws"
        case KeyKind.API_GATEWAY_KEY:
            fits, needed = provider is Provider.AWS, "with aws"
    if not fits:
        yield FieldError(
            "spec.sourceRef", f"{grant.kind} cannot come from {name}: name a source {needed}"
        )
    for form in grant.with_formats_for(provider).formats:
        if form not in FORMATS_OF_PROVIDER[provider]:
            yield FieldError(
                "spec.secret.formats",
                f"{form} is not for {provider}, the cloud of source {name}: choose another format",
            )
    key = grant.spec.session_credentials
    if key is not None and source.spec.aws is not None:
        yield from _session_of_aws(key, aws=source.spec.aws, name=name)
    if key is not None and source.spec.alibaba_cloud is not None:
        yield from _session_of_alibaba(key, alibaba=source.spec.alibaba_cloud, name=name)


def _session_of_aws(key: SessionCredentials, *, aws: AwsSource, name: str) -> Iterator[FieldError]:
    """A session of AWS is that of a role, and has one set of session policies.

    A session may do what any one of its policies allows: those of a grant beside those of its
    source would widen what the source's author allows.
    """
    if not aws.assume_roles and aws.web_identity is None:
        way = "accessKey" if aws.access_key is not None else "ambient"
        yield FieldError(
            "spec.sessionCredentials",
            f"source {name} has aws.{way} and assumes no role, and AWS has no session for that:"
            " set assumeRoles in the source",
        )
        return
    requested = [
        field for field, set_ in (("policy", key.policy), ("policyArns", key.policy_arns)) if set_
    ]
    place, own = aws.session_policies
    if requested and own:
        yield FieldError(
            f"spec.sessionCredentials.{requested[0]}",
            f"source {name} limits its sessions by {place}.{own[0]} already, and AWS allows what"
            " either of the two allows: remove it here, or name a source without session policies",
        )


def _session_of_alibaba(
    key: SessionCredentials, *, alibaba: AlibabaSource, name: str
) -> Iterator[FieldError]:
    """Only a role's session can be asked for something, and it takes one policy."""
    if key.policy_arns:
        yield FieldError(
            "spec.sessionCredentials.policyArns",
            "session policies by ARN are AWS's alone: use policy",
        )
    requested = [
        field for field, set_ in (("duration", key.duration), ("policy", key.policy)) if set_
    ]
    unsupported = [field for field in requested if field not in alibaba.session_asks]
    if unsupported:
        yield FieldError(
            f"spec.sessionCredentials.{unsupported[0]}",
            f"source {name} assumes no role, and only a role's session takes one: remove it, or set"
            " assumeRoles in the source",
        )
    place, own = alibaba.session_policy
    if key.policy is not None and own is not None:
        yield FieldError(
            "spec.sessionCredentials.policy",
            f"source {name} limits its sessions by alibabaCloud.{place} already, and STS takes one"
            " policy: remove it here, or name a source without one",
        )
