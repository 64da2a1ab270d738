"""The roles and users of the sources among the manifests, with their policies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from keywright.api.alibaba_source import (
    AlibabaSource,
    OidcRoleArn,
    Profile,
    RamRoleArn,
    audience_of,
)
from keywright.api.aws_source import AwsHop, AwsSource, RolesAnywhere
from keywright.api.durations import parse_duration
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import SessionCredentials
from keywright.api.names import ANNOTATION_EKS_ROLE_ARN, ANNOTATION_RRSA_ROLE_NAME
from keywright.api.partitions import partition_of
from keywright.api.source import Provider
from keywright.api.token_exchange_source import TokenExchangeSource
from keywright.cli.inventory import GrantEntry, Inventory, SourceEntry
from keywright.cli.manifests import mapping_of
from keywright.cli.policies import alibaba_permissions
from keywright.cli.policies.aws_permissions import boundary_of, permissions_of
from keywright.cli.policies.model import (
    UNKNOWN_ACCOUNT,
    Holder,
    HolderKind,
    account_of,
)
from keywright.cli.policies.vendors import Trust, trust_of
from keywright.clouds.aws.place import place_of
from keywright.clouds.aws.roles_anywhere.certificate import (
    UNKNOWN_NAME,
    CertificateName,
    certificate_name,
)
from keywright.clouds.aws.roles_anywhere.errors import trust_statement
from keywright.clouds.policy_statements import statement

ISSUER: Final = "https://OIDC-ISSUER"
USER: Final = "USER-NAME"
NAMESPACE: Final = "NAMESPACE"
EXTERNAL_ID: Final = "EXTERNAL-ID"
_SET_ISSUER: Final = (
    "set --issuer to the issuer of the cluster: kubectl get --raw /.well-known/openid-configuration"
)
_OF_APPLICATION: Final = "{}: also allow what the application calls, which manifests do not say"


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """What manifests do not contain: the issuer of the cluster, and the account of static keys."""

    issuer: str = ISSUER
    account: str = UNKNOWN_ACCOUNT
    user: str = USER


@dataclass(slots=True)
class Holders:
    """The holders by their ARN; several sources may use the same role."""

    facts: CloudFacts
    found: dict[str, Holder] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    trusts: list[Trust] = field(default_factory=list)
    """What vendors must trust; no policy document expresses it."""

    def get(self, provider: Provider, kind: HolderKind, arn: str) -> Holder:
        """The holder with this ARN."""
        return self.found.setdefault(arn, Holder(provider, kind, arn))


def holders_of(inventory: Inventory, facts: CloudFacts) -> Holders:
    """Return the holders of all sources, and notes about what no policy expresses."""
    holders = Holders(facts)
    for entry in inventory.sources:
        if entry.spec is None:
            continue
        grants = [
            (grant, grant.spec)
            for grant in inventory.grants
            if grant.spec is not None and inventory.source_of(grant) is entry
        ]
        cloud = entry.spec.cloud
        match cloud:
            case AwsSource():
                _aws(holders, inventory, entry, cloud, grants)
            case AlibabaSource():
                _alibaba(holders, inventory, entry, cloud, grants)
            case TokenExchangeSource():
                _token_exchange(holders, entry, cloud, grants)
    return holders


_Grants = Iterable[tuple[GrantEntry, ApiKeyGrant]]


def _aws(
    holders: Holders,
    inventory: Inventory,
    entry: SourceEntry,
    aws: AwsSource,
    grants: _Grants,
) -> None:
    source = entry.spec
    assert source is not None
    holder = _aws_base(holders, inventory, entry, aws)
    for number, hop in enumerate(aws.assume_roles):
        role = holders.get(Provider.AWS, HolderKind.ROLE, hop.role_arn)
        _trust_hop(holder, role, hop, aws.hop_actions(number))
        holder = role
    placed = [
        (item.placed.label, grant, place_of(grant, source, account=holder.account))
        for item, grant in grants
    ]
    holder.allow(permissions_of((grant, place) for _, grant, place in placed))
    boundaries = {
        grant.managed.holder: grant.key.permissions_boundary
        for _, grant, _ in placed
        if grant.managed is not None and grant.key.permissions_boundary is not None
    }
    for name, grant, place in placed:
        holder.allow((), grant=name)
        key = grant.key
        # A grant that uses a user of another grant is limited by the boundary of that user.
        limit = None if grant.managed is None else boundaries.get(grant.managed.holder)
        if limit is not None:
            found = holders.get(Provider.AWS, HolderKind.BOUNDARY, limit)
            found.allow(boundary_of(grant, place), grant=name)
        for note in key.setup_notes:
            holder.note(f"{name}: {note}")
        if isinstance(key, SessionCredentials):
            _note_session(holder, key, name)


def _note_session(holder: Holder, key: SessionCredentials, name: str) -> None:
    if key.policy_arns:
        holder.note(f"{name}: also allow what {', '.join(key.policy_arns)} allow, as far as needed")
    elif key.policy is None:
        holder.note(_OF_APPLICATION.format(name))


def _aws_base(holders: Holders, inventory: Inventory, entry: SourceEntry, aws: AwsSource) -> Holder:
    """The first holder of a source: its role, its user, or the identity of the operator."""
    facts = holders.facts
    partition = partition_of(aws.region).id
    if aws.roles_anywhere is not None:
        return _roles_anywhere(holders, inventory, entry, aws.roles_anywhere)
    web = aws.web_identity
    if web is None:
        arn = f"arn:{partition}:iam::{facts.account}:user/{facts.user}"
        holder = holders.get(Provider.AWS, HolderKind.USER, arn)
        if aws.ambient is not None:
            holder.note("the identity is that of the operator itself (aws.ambient)")
        elif aws.access_key is not None:
            holder.note(f"the user whose access key is in Secret {aws.access_key.secret_ref.name}")
        return holder
    named = web.role_arn or _annotation(inventory, entry, ANNOTATION_EKS_ROLE_ARN)
    if named is None:
        named = f"arn:{partition}:iam::{facts.account}:role/ROLE-NAME"
        holders.notes.append(f"{entry.placed.label} names no role: set webIdentity.roleArn")
    holder = holders.get(Provider.AWS, HolderKind.ROLE, named)
    _note_placeholders(holder, facts)
    _extend(holder, web.session_duration)
    host = facts.issuer.removeprefix("https://").rstrip("/")
    subject = _subject(holder, entry, web.service_account_ref.name)
    _trust(
        holder,
        {"Federated": f"arn:{partition}:iam::{holder.account}:oidc-provider/{host}"},
        ["sts:AssumeRoleWithWebIdentity"],
        {f"{host}:aud": web.audience, f"{host}:sub": subject},
    )
    return holder


def _roles_anywhere(
    holders: Holders, inventory: Inventory, entry: SourceEntry, identity: RolesAnywhere
) -> Holder:
    """The role of a profile, which trusts the certificates of one subject and trust anchor."""
    holder = holders.get(Provider.AWS, HolderKind.ROLE, identity.role_arn)
    _extend(holder, identity.session_duration)
    secret = identity.secret_ref.name
    name = _certificate_name(inventory, entry, secret=secret)
    if name is None:
        name = UNKNOWN_NAME
        holder.note(f"{name.value} is the common name of the certificate in Secret {secret}")
    holder.note(f"profile {identity.profile_arn} must list this role")
    statement = trust_statement(identity, subject=name)
    if statement not in holder.trust:
        holder.trust.append(statement)
    return holder


def _certificate_name(
    inventory: Inventory, entry: SourceEntry, *, secret: str
) -> CertificateName | None:
    """The name in the cert-manager Certificate that writes the Secret, if it is known."""
    for placed in inventory.writers_of(secret, beside=entry.placed):
        if placed.manifest.kind == "Certificate":
            spec = mapping_of(placed.manifest.body.get("spec"))
            common_name = spec.get("commonName")
            return certificate_name(
                common_name=common_name if isinstance(common_name, str) else None,
                uris=_texts(spec.get("uris")),
                dns_names=_texts(spec.get("dnsNames")),
            )
    return None


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _subject(holder: Holder, entry: SourceEntry, account: str) -> str:
    """The `sub` of a token; the namespace is a placeholder where the manifests lack it."""
    if entry.placed.namespace is None:
        holder.note(f"{NAMESPACE} is the namespace of {entry.placed.label}")
    return f"system:serviceaccount:{entry.placed.namespace or NAMESPACE}:{account}"


def _trust_hop(before: Holder, role: Holder, hop: AwsHop, actions: list[str]) -> None:
    """Let a role be assumed by the holder before it in the chain."""
    equal: dict[str, Any] = {}
    if hop.external_id is not None:
        equal["sts:ExternalId"] = hop.external_id
    elif hop.external_id_from is not None:
        equal["sts:ExternalId"] = EXTERNAL_ID
        reference = hop.external_id_from.secret_key_ref
        role.note(f"{EXTERNAL_ID} is the value of key {reference.key} of Secret {reference.name}")
    if hop.session_tags:
        equal |= {f"aws:RequestTag/{key}": value for key, value in hop.session_tags.items()}
    if hop.source_identity is not None:
        equal["sts:SourceIdentity"] = hop.source_identity
    before.allow([statement(f"Assume{_word(role.name)}", actions, role.arn)])
    _trust(role, {"AWS": before.arn}, actions, equal)
    _extend(role, hop.session_duration)


def _alibaba(
    holders: Holders,
    inventory: Inventory,
    entry: SourceEntry,
    alibaba: AlibabaSource,
    grants: _Grants,
) -> None:
    identity = alibaba.identity
    holder: Holder | None = None
    if isinstance(identity, OidcRoleArn):
        holder = _rrsa(holders, inventory, entry, identity)
    elif isinstance(identity, RamRoleArn):
        user = _ram_user(holders, identity.role_arn)
        holder = holders.get(Provider.ALIBABA_CLOUD, HolderKind.ROLE, identity.role_arn)
        _trust_ram(user, holder, identity.external_id)
        _extend(holder, identity.role_session_expiration)
    elif alibaba.assume_roles:
        holder = _ram_user(holders, alibaba.assume_roles[0].role_arn)
    else:
        what = "its file" if isinstance(identity, Profile) else "what issues its credentials"
        holders.notes.append(f"{entry.placed.label}: the permissions depend on {what}")
    for hop in alibaba.assume_roles:
        assert holder is not None
        role = holders.get(Provider.ALIBABA_CLOUD, HolderKind.ROLE, hop.role_arn)
        _trust_ram(holder, role, hop.external_id)
        _extend(role, hop.role_session_expiration)
        holder = role
    if holder is None:
        return
    placed = [(item.placed.label, grant) for item, grant in grants]
    holder.allow(alibaba_permissions.permissions_of(grant for _, grant in placed))
    for name, grant in placed:
        holder.allow((), grant=name)
        if isinstance(grant.key, SessionCredentials) and grant.key.policy is None:
            holder.note(
                f"{name}: also allow what the application calls, which manifests do not say"
            )


def _token_exchange(
    holders: Holders, entry: SourceEntry, exchange: TokenExchangeSource, grants: _Grants
) -> None:
    namespace = entry.placed.namespace
    if namespace is None:
        holders.notes.append(f"{NAMESPACE} is the namespace of {entry.placed.label}")
    if holders.facts.issuer == ISSUER and _SET_ISSUER not in holders.notes:
        holders.notes.append(_SET_ISSUER)
    account = exchange.service_account_ref.name
    holders.trusts.append(
        trust_of(
            exchange,
            source=entry.placed.label,
            issuer=holders.facts.issuer,
            subject=f"system:serviceaccount:{namespace or NAMESPACE}:{account}",
            grants=[item.placed.label for item, _ in grants],
        )
    )


def _rrsa(
    holders: Holders, inventory: Inventory, entry: SourceEntry, identity: OidcRoleArn
) -> Holder:
    account = account_of(identity.oidc_provider_arn)
    arn = identity.role_arn
    if arn is None:
        name = _annotation(inventory, entry, ANNOTATION_RRSA_ROLE_NAME) or "ROLE-NAME"
        arn = f"acs:ram::{account}:role/{name}"
    holder = holders.get(Provider.ALIBABA_CLOUD, HolderKind.ROLE, arn)
    _note_placeholders(holder, holders.facts)
    _extend(holder, identity.role_session_expiration)
    reference = identity.service_account_ref
    _trust(
        holder,
        {"Federated": [identity.oidc_provider_arn]},
        "sts:AssumeRole",
        {
            "oidc:iss": holders.facts.issuer,
            "oidc:aud": audience_of(reference),
            "oidc:sub": _subject(holder, entry, reference.name),
        },
    )
    return holder


def _ram_user(holders: Holders, role_arn: str) -> Holder:
    """The user of a static key, in the account of the role unless the caller names another."""
    facts = holders.facts
    account = account_of(role_arn) if facts.account == UNKNOWN_ACCOUNT else facts.account
    user = holders.get(
        Provider.ALIBABA_CLOUD, HolderKind.USER, f"acs:ram::{account}:user/{facts.user}"
    )
    user.note("the user whose access key the source reads from its Secret")
    return user


def _trust_ram(before: Holder, role: Holder, external_id: str | None) -> None:
    resource = role.arn.replace("acs:ram::", "acs:ram:*:")
    allowed = {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": resource}
    before.allow([allowed])
    equal = {} if external_id is None else {"sts:ExternalId": external_id}
    _trust(role, {"RAM": [before.arn]}, "sts:AssumeRole", equal)


def _trust(
    holder: Holder, principal: dict[str, Any], actions: list[str] | str, equal: dict[str, Any]
) -> None:
    """Add a statement of a trust policy; a single action is a text, as in the vendors' guides."""
    found: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": actions[0] if isinstance(actions, list) and len(actions) == 1 else actions,
    }
    if equal:
        found["Condition"] = {"StringEquals": equal}
    if found not in holder.trust:
        holder.trust.append(found)


def _extend(holder: Holder, duration: str | None) -> None:
    if duration is not None:
        seconds = int(parse_duration(duration))
        holder.max_session_seconds = max(holder.max_session_seconds, seconds)


def _annotation(inventory: Inventory, entry: SourceEntry, name: str) -> str | None:
    account = entry.token_account
    assert account is not None
    found = inventory.named("ServiceAccount", name=account[1].name, beside=entry.placed)
    value = None if found is None else found.manifest.annotations.get(name)
    return value if isinstance(value, str) else None


def _note_placeholders(holder: Holder, facts: CloudFacts) -> None:
    if facts.issuer == ISSUER:
        holder.note(_SET_ISSUER)


def _word(name: str) -> str:
    """A name as a part of a Sid, which is of letters and digits."""
    return "".join(
        part.capitalize()
        for part in "".join(
            each if each.isalnum() and each.isascii() else " " for each in name
        ).split()
    )
