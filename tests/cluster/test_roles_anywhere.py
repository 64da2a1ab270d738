"""IAM Roles Anywhere: the identity is a certificate in a Secret, such as cert-manager writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from testbed.client_certificates import ClientAuthority, pem_of, usage
from testbed.operators import OperatorProcess
from testbed.readers import http_converse
from testbed.world import World
from tests.cluster import sdk
from tests.cluster.anywhere import SECRET, Anywhere
from tests.cluster.canaries import said
from tests.cluster.chains import FAR, roles
from tests.cluster.eventually import eventually
from tests.cluster.tenants import GRANT, SOURCE, Document, Tenant, condition
from tests.cluster.test_doctor import hops
from tests.cluster.test_sts_credentials import credentials_of
from tests.cluster.worlds import MakeWorld

_SESSION_SECONDS = 12
_RENEWALS = 20
_RENEWALS_OF_A_CERTIFICATE, _CERTIFICATES = 5, 4


@pytest.fixture
def anywhere(tenant: Tenant) -> Anywhere:
    """A tenant without a source yet."""
    return Anywhere(tenant)


def _works(tenant: Tenant, *, name: str = GRANT) -> bool:
    """Whether Bedrock accepts the key in the grant's Secret."""
    environment = tenant.world.aws.client_environment()
    return http_converse.call(tenant.data(name), cloud_environment=environment).ok


def _who(tenant: Tenant, *, name: str = GRANT) -> str:
    """Who boto3 is in a pod with the Secret as its environment."""
    return sdk.who({**tenant.world.aws.client_environment(), **tenant.data(name)})


# ---- what works


@pytest.mark.parametrize("key", ["RSA", "P-256"])
def test_a_certificate_opens_sessions(anywhere: Anywhere, key: str) -> None:
    """Sessions are named by the serial number, last an hour, sign keys, and are given out."""
    tenant, pair = anywhere.tenant, anywhere.issue(key=key)
    anywhere.put(pair)
    anywhere.apply()
    tenant.apply_grant(bedrockShortTermKey={"duration": "12h"})
    tenant.world.api.apply(credentials_of(tenant, name="session"))
    status = tenant.ready()
    assert _works(tenant)
    ends, issued = (datetime.fromisoformat(status[name]) for name in ("expiresAt", "issuedAt"))
    assert timedelta(minutes=55) < ends - issued < timedelta(minutes=61)
    tenant.ready(name="session")
    serial = f"{pair.certificate.serial_number:x}"
    who = _who(tenant, name="session")
    assert f":assumed-role/{anywhere.role}/" in who
    assert who.rpartition("/")[2].lstrip("0") == serial
    source = tenant.source_reported("Ready")
    assert source["identity"] == who
    assert source["accountId"] == "123456789012"
    assert SECRET not in condition(source, "Ready")["message"]


def test_duration_and_name_are_those_of_the_source(anywhere: Anywhere) -> None:
    """The name only for a profile that accepts one; a grant may ask for another duration."""
    tenant = anywhere.tenant
    anywhere.profile_arn = tenant.world.aws.create_profile(
        role_arns=[anywhere.role_arn], duration_seconds=43200, accept_role_session_name=True
    )
    anywhere.put(anywhere.issue())
    anywhere.apply(sessionName="mine", sessionDuration="2h")
    tenant.apply_grant(bedrockShortTermKey={"duration": "12h"})
    tenant.world.api.apply(credentials_of(tenant, name="session", duration="30m"))
    status, limited = tenant.ready(), tenant.ready(name="session")

    def lifetime(found: Document) -> timedelta:
        ends, issued = (datetime.fromisoformat(found[n]) for n in ("expiresAt", "issuedAt"))
        return ends - issued

    assert timedelta(minutes=115) < lifetime(status) < timedelta(minutes=121)
    assert lifetime(limited) < timedelta(minutes=31)
    assert _who(tenant, name="session").endswith("/mine")


def test_a_chain_starts_from_a_certificate(anywhere: Anywhere) -> None:
    """The source identity goes along, so that each role must allow sts:SetSourceIdentity."""
    tenant = anywhere.tenant
    (far,) = roles(tenant, count=1, first=anywhere.role_arn)
    anywhere.put(anywhere.issue())
    anywhere.apply(hops=[{"roleArn": far}])
    tenant.apply_grant()
    assert "ends within an hour" in condition(tenant.ready(), "Ready")["message"]
    assert f"::{FAR}:" in tenant.source_reported("Ready")["identity"]
    assert _works(tenant)
    sessions = [each for each in tenant.world.aws.sessions() if each.role_arn == far]
    assert {each.source_identity for each in sessions} == {"CN=chat"}


_LISTING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "bedrock:ListFoundationModels", "Resource": "*"}],
}


def test_a_policy_of_a_grant_needs_a_scoped_session(anywhere: Anywhere) -> None:
    """CreateSession takes no session policy: what would not be limited is not issued."""
    tenant = anywhere.tenant
    anywhere.put(anywhere.issue())
    anywhere.apply()
    tenant.world.api.apply(credentials_of(tenant, policy=_LISTING))
    message = condition(tenant.reported("Stalled", reason="InvalidSpec"), "Stalled")["message"]
    assert "spec.sessionCredentials.policy" in message
    assert "set scopedSession" in message
    assert not tenant.has_secret()
    tenant.edit_grant(sessionCredentials={"scopedSession": True})
    tenant.ready()
    assert _who(tenant)


def test_the_profile_limits_its_sessions(anywhere: Anywhere) -> None:
    """By its session policy, which the cloud enforces: the key does not work."""
    tenant = anywhere.tenant
    anywhere.profile_arn = tenant.world.aws.create_profile(
        role_arns=[anywhere.role_arn], session_policy=_LISTING
    )
    anywhere.put(anywhere.issue())
    anywhere.apply()
    tenant.apply_grant()
    tenant.ready()
    assert not _works(tenant)


# ---- renewals


@pytest.fixture
def short_lived(make_world: MakeWorld) -> Iterator[tuple[World, OperatorProcess]]:
    """A world with short sessions, and an operator."""
    with make_world() as world:
        world.aws.limit_sessions(seconds=_SESSION_SECONDS)
        operator = world.operator(arguments=["--log-level=debug"])
        operator.start()
        yield world, operator


@pytest.mark.timeout(600)
def test_sessions_are_renewed_also_with_a_renewed_certificate(
    short_lived: tuple[World, OperatorProcess],
) -> None:
    """boto3, which reads the Secret as a pod, is never refused; no private key is reported."""
    world, operator = short_lived
    tenant = Tenant(world)
    tenant.prepare()
    anywhere = Anywhere(tenant)
    anywhere.put(anywhere.issue(key="RSA"))
    anywhere.apply()
    tenant.world.api.apply(credentials_of(tenant))
    revision = 0
    while revision <= _RENEWALS:
        revision = _renewed(tenant, after=revision)
        assert f":assumed-role/{anywhere.role}/" in _who(tenant)
        if len(anywhere.pairs) <= revision // _RENEWALS_OF_A_CERTIFICATE < _CERTIFICATES:
            # As cert-manager renews: a new key, and a new certificate.
            anywhere.put(anywhere.issue(key="RSA" if len(anywhere.pairs) % 2 else "P-256"))
    used = list(dict.fromkeys(anywhere.sessions()))
    assert used == [str(pair.certificate.serial_number) for pair in anywhere.pairs]
    texts = said(world, operator)
    assert all(texts.values())
    lines = {line for pair in anywhere.pairs for line in pair.secrets}
    assert len(lines) > len(anywhere.pairs)
    assert [place for place, text in texts.items() for line in lines if line in text] == []


def _renewed(tenant: Tenant, *, after: int) -> int:
    """The revision of a key that is newer; on a slow machine, some may have been missed."""
    status = tenant.reported(
        "Ready", seconds=120, and_=lambda body: int(body.get("revision", 0)) > after
    )
    return int(status["revision"])


def test_a_replaced_certificate_is_used_at_once(anywhere: Anywhere) -> None:
    """The source is verified with it within seconds; valid keys are not issued again."""
    tenant = anywhere.tenant
    anywhere.put(anywhere.issue())
    anywhere.apply()
    tenant.apply_grant()
    tenant.ready()
    before = tenant.source_reported("Ready")["identity"]
    pair = anywhere.issue()
    anywhere.put(pair)
    eventually(lambda: tenant.source_status()["identity"] != before, seconds=20)
    assert anywhere.sessions()[-1] == str(pair.certificate.serial_number)
    assert tenant.status()["revision"] == 1


def test_a_certificate_that_ends_soon_is_reported(anywhere: Anywhere) -> None:
    """While sessions can still be opened; the warning goes with its renewal."""
    tenant = anywhere.tenant
    anywhere.put(anywhere.issue(ends=datetime.now(UTC) + timedelta(minutes=30)))
    anywhere.apply()
    message = condition(tenant.source_reported("Ready"), "Ready")["message"]
    assert f"certificate in Secret {SECRET} expires at" in message
    assert "renew it" in message
    last = hops(tenant, "source")[-1]
    assert last["result"] != "failed"
    anywhere.put(anywhere.issue())
    eventually(
        lambda: SECRET not in condition(tenant.source_status(), "Ready")["message"], seconds=20
    )


def test_an_expired_certificate_leaves_the_last_key(anywhere: Anywhere) -> None:
    """The source is not Ready, the grant is; a new certificate heals the source."""
    tenant = anywhere.tenant
    anywhere.put(anywhere.issue())
    anywhere.apply()
    tenant.apply_grant()
    tenant.ready()
    key = tenant.data()
    now = datetime.now(UTC)
    anywhere.put(anywhere.issue(begins=now - timedelta(days=2), ends=now - timedelta(days=1)))
    tenant.source_reported("Ready", status="False", reason="CertificateExpired")
    assert condition(tenant.status(), "Ready")["status"] == "True"
    assert tenant.data() == key
    anywhere.put(anywhere.issue())
    tenant.source_reported("Ready")


# ---- refusals


@dataclass(frozen=True)
class Fault:
    """How a fault is planted and repaired, and what is reported of it."""

    plant: Callable[[Anywhere], None]
    reason: str
    says: tuple[str, ...]
    fix: Callable[[Anywhere], None] = lambda found: found.put(found.issue())


def _pair(**options: Any) -> Callable[[Anywhere], None]:
    return lambda found: found.put(found.issue(**options))


def _none(found: Anywhere) -> None:
    del found


def _without_key(found: Anywhere) -> None:
    found.tenant.create_secret(name=SECRET, **{"tls.crt": found.issue().data["tls.crt"]})


def _other_key(found: Anywhere) -> None:
    found.put(found.issue(), **{"tls.key": found.issue().key_pem})


def _ca_first(found: Anywhere) -> None:
    pair = found.issue()
    found.put(pair, **{"tls.crt": pem_of(*pair.chain, pair.certificate)})


def _without_intermediate(found: Anywhere) -> None:
    pair = found.issue()
    found.put(pair, **{"tls.crt": pem_of(pair.certificate)})


def _other_ca(found: Anywhere) -> None:
    found.put(ClientAuthority().issue("chat"))


def _disabled(attribute: str) -> Callable[[Anywhere], None]:
    def plant(found: Anywhere) -> None:
        found.put(found.issue())
        found.tenant.world.aws.enable_anywhere(getattr(found, attribute), enabled=False)

    return plant


def _enabled(attribute: str) -> Callable[[Anywhere], None]:
    return lambda found: found.tenant.world.aws.enable_anywhere(
        getattr(found, attribute), enabled=True
    )


def _not_listed(found: Anywhere) -> None:
    found.put(found.issue())
    found.tenant.world.aws.list_roles_of_profile(found.profile_arn, role_arns=[])


def _listed(found: Anywhere) -> None:
    found.tenant.world.aws.list_roles_of_profile(found.profile_arn, role_arns=[found.role_arn])


def _not_trusted(found: Anywhere) -> None:
    found.put(found.issue())
    found.tenant.world.aws.put_trust_policy(
        name=found.role, trust_policy=found.trust_policy(common_name="another")
    )


def _trusted(found: Anywhere) -> None:
    found.tenant.world.aws.put_trust_policy(
        name=found.role, trust_policy=found.trust_policy(common_name="chat")
    )


def _revoked(found: Anywhere) -> None:
    pair = found.issue()
    found.put(pair)
    found.tenant.world.aws.revoke_certificate(
        found.anchor_arn, serial_number=pair.certificate.serial_number
    )


def _too_long(found: Anywhere) -> None:
    found.put(found.issue())
    found.apply(sessionDuration="12h")


def _named(found: Anywhere) -> None:
    found.put(found.issue())
    found.apply(sessionName="mine")


def _elsewhere(attribute: str) -> Callable[[Anywhere], None]:
    field = attribute.replace("anchor_arn", "trustAnchorArn").replace("profile_arn", "profileArn")

    def plant(found: Anywhere) -> None:
        found.put(found.issue())
        arn: str = getattr(found, attribute)
        found.apply(hops=None, name=SOURCE, **{field: f"{arn[:-12]}000000000000"})

    return plant


_EXPIRED = {
    "begins": datetime.now(UTC) - timedelta(days=2),
    "ends": datetime.now(UTC) - timedelta(days=1),
}
FAULTS: dict[str, Fault] = {
    "no Secret": Fault(_none, "SecretNotFound", ("secretRef", f"Secret {SECRET}")),
    "no key in it": Fault(_without_key, "CertificateIncomplete", ("tls.key", "cert-manager")),
    "expired": Fault(_pair(**_EXPIRED), "CertificateExpired", ("expired at", "Renew it")),
    "not valid yet": Fault(
        _pair(begins=datetime.now(UTC) + timedelta(days=1)),
        "CertificateNotYetValid",
        ("is not valid before", "clocks"),
    ),
    "key of another certificate": Fault(
        _other_key, "CertificateKeyMismatch", ("does not belong", "intermediate")
    ),
    "certificate of a CA": Fault(_pair(is_ca=True), "InvalidCertificate", ("that of a CA", "isCA")),
    "CA before the client": Fault(_ca_first, "InvalidCertificate", ("that of a CA",)),
    "no digital signature": Fault(
        _pair(key_usage=usage(digital_signature=False)),
        "InvalidCertificate",
        ("Digital Signature", "usage"),
    ),
    "Ed25519": Fault(_pair(key="Ed25519"), "InvalidPrivateKey", ("RSA key of 2048", "P-256")),
    "no intermediate": Fault(
        _without_intermediate,
        "CertificateNotTrusted",
        ("Untrusted signing certificate", "intermediate", "trustAnchorArn"),
    ),
    "another CA": Fault(
        _other_ca, "CertificateNotTrusted", ("Untrusted signing certificate", "CA of the trust")
    ),
    "revoked": Fault(_revoked, "CertificateRevoked", ("Certificate revoked", "serial number")),
    "trust anchor disabled": Fault(
        _disabled("anchor_arn"),
        "AccessDenied",
        ("Trust anchor is disabled", "are enabled"),
        _enabled("anchor_arn"),
    ),
    "profile disabled": Fault(
        _disabled("profile_arn"),
        "AccessDenied",
        ("Profile is disabled", "are enabled"),
        _enabled("profile_arn"),
    ),
    "no such trust anchor": Fault(
        _elsewhere("anchor_arn"),
        "ResourceNotFound",
        ("trustAnchorArn", "Region us-west-2"),
        lambda found: found.apply(),
    ),
    "no such profile": Fault(
        _elsewhere("profile_arn"),
        "ResourceNotFound",
        ("profileArn", "account 123456789012"),
        lambda found: found.apply(),
    ),
    "role not in the profile": Fault(
        _not_listed, "AccessDenied", ("Unable to assume role", "lists it"), _listed
    ),
    "trust policy": Fault(
        _not_trusted,
        "AccessDenied",
        ("Unable to assume role", "rolesanywhere.amazonaws.com", '"chat"'),
        _trusted,
    ),
    "duration": Fault(
        _too_long,
        "SessionDurationTooLong",
        ("sessionDuration", "maximum session duration"),
        lambda found: found.apply(sessionDuration="1h"),
    ),
    "session name": Fault(
        _named,
        "ValidationException",
        ("acceptRoleSessionName",),
        lambda found: found.apply(sessionName=None),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_refusal_names_cause_and_cure(anywhere: Anywhere, name: str) -> None:
    """In the status and in `keywright doctor`; once it is repaired, the grant becomes Ready."""
    tenant, fault = anywhere.tenant, FAULTS[name]
    anywhere.apply()
    fault.plant(anywhere)
    tenant.apply_grant()
    reported = tenant.source_reported("Ready", status="False", reason=fault.reason)
    message = condition(reported, "Ready")["message"]
    assert [words for words in fault.says if words not in message] == []
    assert "spec.aws.rolesAnywhere" in message
    failed = next(hop for hop in hops(tenant, "source") if hop["result"] == "failed")
    assert failed["id"] == "doctor-session"
    shown = " ".join([*failed["facts"], failed["cure"]])
    assert [words for words in fault.says if words not in shown] == []
    fault.fix(anywhere)
    assert tenant.ready(seconds=60)["revision"] == 1
    assert _works(tenant)


# ---- tenants


def test_a_certificate_of_another_namespace_is_not_used(
    new_tenant: Callable[[], Tenant],
) -> None:
    """The Secret is looked for beside the source."""
    owner, thief = Anywhere(new_tenant()), new_tenant()
    owner.put(owner.issue())
    copied = Anywhere(thief)
    copied.apply(**owner.identity)
    thief.source_reported("Ready", status="False", reason="SecretNotFound")
    assert owner.sessions() == []


def test_a_source_is_shared_with_the_namespaces_that_it_allows(
    new_tenant: Callable[[], Tenant],
) -> None:
    """The others get the issued keys, and never the certificate."""
    owner, user = new_tenant(), new_tenant()
    anywhere = Anywhere(owner)
    anywhere.put(anywhere.issue())
    anywhere.apply()
    reference = {"name": SOURCE, "namespace": owner.namespace}
    user.apply_grant(sourceRef=reference)
    user.reported("Ready", status="False")
    owner.patch(owner.source_path(), {"spec": {"allowedNamespaces": {"names": [user.namespace]}}})
    user.ready(seconds=40)
    assert _works(user)
