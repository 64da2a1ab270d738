"""IAM Roles Anywhere: the certificate, the signature, the request, and what AWS answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from iam_rolesanywhere_session import IAMRolesAnywhereSigner
from typing_extensions import override

from keywright.api.aws_source import RolesAnywhere
from keywright.api.errors import Failure, FailureClass
from keywright.api.sensitive import Sensitive
from keywright.clouds.aws.identities import roles_anywhere
from keywright.clouds.aws.roles_anywhere.certificate import (
    UNKNOWN_NAME,
    CertificateName,
    ClientCertificate,
    certificate_name,
    load_certificate,
)
from keywright.clouds.aws.roles_anywhere.errors import failure_from_anywhere, trust_statement
from keywright.clouds.aws.roles_anywhere.signing import sign_request
from keywright.clouds.aws.sts.sessions import explain_short_session
from keywright.clouds.interfaces import DEFAULT_OPTIONS, Session, SessionOptions
from testbed.client_certificates import ClientPair, pem_of, usage
from tests.unit.api.samples import source
from tests.unit.clouds.aws.anywhere import ACCOUNT, IDENTITY, authority, client, intermediate
from tests.unit.clouds.aws.contexts import ScriptedSts, bare, context
from tests.unit.clouds.aws.hostile_certificates import HOSTILE, hostile
from tests.unit.fakes.clock import NOON

_URL = "https://rolesanywhere.eu-central-1.amazonaws.com/sessions"
_NOW = datetime.now(UTC)
_TYPE = "application/x-amz-json-1.0"


def loaded(pair: ClientPair, **data: str) -> ClientCertificate:
    """The certificate of a Secret that has other data in part."""
    found = {**pair.data, **data}
    return load_certificate(
        found["tls.crt"],
        Sensitive(found["tls.key"]),
        secret="client",
        field="CredentialSource spec.aws.rolesAnywhere.secretRef",
        now=_NOW,
    )


# ---- the signature


def _request() -> AWSRequest:
    return AWSRequest(
        method="POST",
        url=_URL,
        data=b'{"durationSeconds": 900}',
        headers={"Content-Type": _TYPE},
    )


@pytest.mark.parametrize("key", ["RSA", "P-256", "P-384"])
def test_a_request_is_signed_as_the_signer_of_aws_labs_does(key: str) -> None:
    """Header by header; a signature with RSA is equal, and one with EC verifies."""
    pair = client(key)
    signer = IAMRolesAnywhereSigner(
        certificate=pem_of(pair.certificate).encode(),
        private_key=pair.key_pem.encode(),
        certificate_chain=pem_of(*pair.chain).encode(),
        region="eu-central-1",
    )
    theirs = _request()
    signer.add_auth(theirs)
    signed_at = datetime.strptime(f"{theirs.headers['X-Amz-Date']}+0000", "%Y%m%dT%H%M%SZ%z")
    ours = _request()
    sign_request(ours, certificate=loaded(pair), region="eu-central-1", clock=lambda: signed_at)
    for name in ("X-Amz-Date", "X-Amz-X509", "X-Amz-X509-Chain", "Content-Type"):
        assert ours.headers.get_all(name) == theirs.headers.get_all(name)
    mine, their = (str(each.headers["Authorization"]) for each in (ours, theirs))
    assert mine.rpartition("=")[0] == their.rpartition("=")[0]
    if key == "RSA":
        assert mine == their
    del theirs.headers["Authorization"]
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs)).encode()
    _verify(pair, bytes.fromhex(mine.rpartition("=")[2]), text)


def _verify(pair: ClientPair, signature: bytes, text: bytes) -> None:
    public = pair.certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(signature, text, ec.ECDSA(hashes.SHA256()))


def test_a_certificate_without_a_chain_sends_none() -> None:
    """Its issuer is the CA of the trust anchor."""
    request = _request()
    alone = loaded(authority().issue("chat"))
    sign_request(request, certificate=alone, region="eu-central-1", clock=lambda: _NOW)
    assert "X-Amz-X509-Chain" not in request.headers


# ---- the certificate


@pytest.mark.parametrize(
    "form", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]
)
@pytest.mark.parametrize("key", ["RSA", "P-256"])
def test_every_form_of_a_key_is_read(key: str, form: serialization.PrivateFormat) -> None:
    """PKCS #1, PKCS #8 and SEC 1, as cert-manager and OpenSSL write them."""
    pair = client(key)
    text = pair.key.private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    ).decode()
    found = loaded(pair, **{"tls.key": text})
    assert (found.name, len(found.chain)) == (CertificateName("x509Subject/CN", "chat"), 1)
    assert int(found.serial, 16) == pair.certificate.serial_number


def _with_password(pair: ClientPair) -> str:
    return pair.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"planted"),
    ).decode()


# `openssl req -x509 -sha1`: the library does not sign with SHA-1 any more.
_SHA1 = """-----BEGIN CERTIFICATE-----
MIIBgTCCASegAwIBAgIUWW9iym7jIDeh9ClAR7AFmu956W0wCQYHKoZIzj0EATAP
MQ0wCwYDVQQDDARjaGF0MCAXDTI2MTEyODA3MDEwM1oYDzIxMjYxMTA0MDcwMTAz
WjAPMQ0wCwYDVQQDDARjaGF0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEttsx
rwD535B2ETQZpG3PAAWdbuwhBKbhxIEpdXtbqth9KF4uANDyG/SdULIm6xFSdXFM
gCuaMc5bCPvORsD0t6NgMF4wHQYDVR0OBBYEFMr7+4uwy5xhk8fGTri29LP6eKwX
MB8GA1UdIwQYMBaAFMr7+4uwy5xhk8fGTri29LP6eKwXMA4GA1UdDwEB/wQEAwIH
gDAMBgNVHRMBAf8EAjAAMAkGByqGSM49BAEDSQAwRgIhAMEMPtFoqFDDme0epP4J
BIdxsRfUjTSGTWKVDETrA1QTAiEAjBsV/wovLLaW4tQ6SpBItyc/YZjKaSi6rHnY
1mmwvys=
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    ("data", "reason", "words"),
    [
        ({"tls.crt": "planted"}, "InvalidCertificate", "no X.509 certificate in PEM"),
        ({"tls.crt": "x" * 70_000}, "InvalidCertificate", "64 KiB"),
        ({"tls.crt": client().data["tls.crt"] * 8}, "InvalidCertificate", "more than 10"),
        ({"tls.crt": client().data["tls.crt"].replace("M", "N")}, "InvalidCertificate", "PEM"),
        ({"tls.crt": _SHA1}, "InvalidCertificate", "AWS rejects MD5 and SHA-1"),
        (
            {"tls.crt": pem_of(intermediate().certificate, client().certificate)},
            "InvalidCertificate",
            "is that of a CA",
        ),
        ({"tls.key": "planted"}, "InvalidPrivateKey", "no private key in PEM"),
        ({"tls.key": _with_password(client())}, "InvalidPrivateKey", "password"),
        ({"tls.key": client("P-384").key_pem}, "CertificateKeyMismatch", "does not belong"),
        ({"tls.key": client("RSA").key_pem}, "CertificateKeyMismatch", "does not belong"),
    ],
)
def test_what_aws_would_refuse_is_not_sent(data: dict[str, str], reason: str, words: str) -> None:
    """The failure names the Secret, what is wrong, and the remedy."""
    with pytest.raises(Failure, match=words) as caught:
        loaded(client(), **data)
    failure = caught.value
    assert (failure.reason, failure.kind) == (reason, FailureClass.CONFIGURATION)
    assert "Secret client" in str(failure)
    assert failure.remedy


@pytest.mark.parametrize("name", [*HOSTILE, "valid from the year 0", "a subject that is no text"])
def test_a_hostile_certificate_is_invalid_and_no_more(name: str) -> None:
    """Whatever its parser raises, and when; it is not retried, and no internal error."""
    with pytest.raises(Failure) as caught:
        loaded(client(), **{"tls.crt": hostile(client().certificate, name)})
    failure = caught.value
    assert (failure.reason, failure.kind) == ("InvalidCertificate", FailureClass.CONFIGURATION)


@pytest.mark.parametrize(
    ("common_name", "uris", "dns_names", "tag", "value"),
    [
        ("chat", ["spiffe://a/b"], ["a.example"], "x509Subject/CN", "chat"),
        (None, ["spiffe://a/b", "spiffe://c"], ["a.example"], "x509SAN/URI", "spiffe://a/b"),
        (None, [], ["a.example"], "x509SAN/DNS", "a.example"),
        ("${aws:username}", [], ["a.example"], "x509SAN/DNS", "a.example"),
    ],
)
def test_a_trust_policy_names_one_subject(
    common_name: str | None, uris: list[str], dns_names: list[str], tag: str, value: str
) -> None:
    """By a name without variables and patterns of policies."""
    found = certificate_name(common_name=common_name, uris=uris, dns_names=dns_names)
    assert found == CertificateName(tag, value)


@pytest.mark.parametrize("common_name", [None, "", "*", "${aws:PrincipalTag/x509Subject/CN}"])
def test_a_trust_policy_is_never_without_a_subject(common_name: str | None) -> None:
    """A placeholder is better than a policy for every certificate of the CA."""
    assert certificate_name(common_name=common_name) is None
    statement = trust_statement(msgspec.convert(IDENTITY, RolesAnywhere), subject=UNKNOWN_NAME)
    assert statement["Condition"]["StringEquals"] == {
        "aws:PrincipalTag/x509Subject/CN": "COMMON-NAME"
    }


@pytest.mark.parametrize(
    ("options", "reason", "kind"),
    [
        ({"is_ca": True}, "InvalidCertificate", FailureClass.CONFIGURATION),
        (
            {"key_usage": usage(digital_signature=False)},
            "InvalidCertificate",
            FailureClass.CONFIGURATION,
        ),
        ({"key": "Ed25519"}, "InvalidPrivateKey", FailureClass.CONFIGURATION),
        ({"key": "secp256k1"}, "InvalidPrivateKey", FailureClass.CONFIGURATION),
        ({"key": "RSA of 1024 bits"}, "InvalidPrivateKey", FailureClass.CONFIGURATION),
        (
            {"begins": _NOW - timedelta(days=2), "ends": _NOW - timedelta(seconds=1)},
            "CertificateExpired",
            FailureClass.CONFIGURATION,
        ),
        ({"begins": _NOW + timedelta(hours=1)}, "CertificateNotYetValid", FailureClass.TRANSIENT),
    ],
)
def test_a_certificate_must_be_of_a_client_and_valid(
    options: dict[str, Any], reason: str, kind: FailureClass
) -> None:
    """One that is not valid yet is tried again; every other one needs another certificate."""
    with pytest.raises(Failure) as caught:
        loaded(authority().issue("chat", **options))
    assert (caught.value.reason, caught.value.kind) == (reason, kind)


@given(st.text(max_size=300), st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_is_refused_with_a_failure(certificates: str, key: str) -> None:
    """Also one that looks like PEM."""
    body = f"-----BEGIN CERTIFICATE-----\n{certificates}\n-----END CERTIFICATE-----\n"
    for text in (certificates, body):
        with pytest.raises(Failure):
            loaded(client(), **{"tls.crt": text, "tls.key": key})


def test_nothing_shows_the_private_key(caplog: pytest.LogCaptureFixture) -> None:
    """No repr, no log and no message of a failure."""
    caplog.set_level(logging.DEBUG)
    pair = client("RSA")
    certificate = loaded(pair)
    request = _request()
    sign_request(request, certificate=certificate, region="eu-central-1", clock=lambda: _NOW)
    with pytest.raises(Failure) as caught:
        loaded(client(), **{"tls.key": pair.key_pem})
    shown = (repr(certificate), str(dict(request.headers)), repr(caught.value), caplog.text)
    assert not [line for line in pair.secrets for text in shown if line in text]


# ---- the session


class ScriptedAnywhere(ScriptedSts):
    """Answers CreateSession as well."""

    def __init__(self, **answer: Any) -> None:
        super().__init__()
        self.answer = answer
        self.signed: list[AWSRequest] = []
        self.regions: list[str] = []

    @override
    async def run(self, service: str, call: Any, **options: Any) -> Any:
        assert service == "rolesanywhere"
        assert options.get("session") is None
        self.regions.append(options["region"])
        request = _request()
        options["sign"](request)
        self.signed.append(request)
        return call(_Client(self))


@dataclass(frozen=True)
class _Client:
    calls: ScriptedAnywhere

    def create_session(self, **request: Any) -> dict[str, Any]:
        self.calls.requested.append(("create_session", request, None))
        if self.calls.failure is not None:
            raise self.calls.failure
        return self.calls.answer


def answered(**credentials: Any) -> dict[str, Any]:
    """A response of CreateSession."""
    found = {
        "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "expiration": (NOON + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "secretAccessKey": "planted",
        "sessionToken": "planted",
        **credentials,
    }
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/chat/0a1b"
    return {"credentialSet": [{"assumedRoleUser": {"arn": arn}, "credentials": found}]}


async def opened(
    calls: ScriptedAnywhere,
    *,
    ask: SessionOptions = DEFAULT_OPTIONS,
    data: dict[str, str] | None = None,
    **identity: Any,
) -> Session:
    """The session of a source."""
    made = source(webIdentity=None, rolesAnywhere=IDENTITY | identity)
    chosen = made.identity
    assert isinstance(chosen, RolesAnywhere)
    secret = noon_client().data if data is None else data
    return await roles_anywhere.open_session(
        chosen, source=made, ask=ask, context=context(calls, client=secret)
    )


def noon_client(**options: Any) -> ClientPair:
    """A certificate that is valid at the noon of the tests."""
    times = {"begins": NOON - timedelta(days=1), "ends": NOON + timedelta(days=30)}
    return intermediate().issue("chat", **(times | options))


@pytest.mark.parametrize(
    ("identity", "ask", "expected"),
    [
        ({}, {}, {"durationSeconds": 3600}),
        ({"sessionDuration": "12h"}, {}, {"durationSeconds": 43200}),
        ({"sessionDuration": "15m"}, {"seconds": 1800}, {"durationSeconds": 1800}),
        ({"sessionName": "chat"}, {}, {"durationSeconds": 3600, "roleSessionName": "chat"}),
    ],
)
async def test_a_session_is_requested_as_the_source_and_the_grant_say(
    identity: dict[str, Any], ask: dict[str, Any], expected: dict[str, Any]
) -> None:
    """In the region of the trust anchor, which need not be that of the source."""
    calls = ScriptedAnywhere(**answered())
    found = await opened(calls, ask=SessionOptions(**ask), **identity)
    ((_, request, _),) = calls.requested
    arns = {name: IDENTITY[name] for name in ("trustAnchorArn", "profileArn", "roleArn")}
    assert request == arns | expected
    assert calls.regions == ["eu-central-1"]
    assert found.identity == f"arn:aws:sts::{ACCOUNT}:assumed-role/chat/0a1b"
    assert (found.issued_at, found.expires_at) == (NOON, NOON + timedelta(hours=1))
    assert not found.chained
    assert not found.warning


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"credentialSet": []},
        {"credentialSet": "planted"},
        {"credentialSet": [{}]},
        {"credentialSet": [{"credentials": {}}]},
        answered(accessKeyId="a b"),
        answered(secretAccessKey=None),
        answered(sessionToken="x" * 20_000),
        answered(expiration="tomorrow"),
        answered(expiration="1970-01-01T00:00:00Z"),
    ],
)
async def test_an_answer_of_another_form_is_no_session(answer: dict[str, Any]) -> None:
    """It is tried again, and not quoted."""
    with pytest.raises(Failure) as caught:
        await opened(ScriptedAnywhere(**answer))
    assert caught.value.kind is FailureClass.TRANSIENT
    assert "planted" not in caught.value.message_with_remedy()


async def test_a_session_that_has_ended_already_is_refused() -> None:
    """One of the clocks is wrong."""
    with pytest.raises(Failure, match="ended already"):
        await opened(ScriptedAnywhere(**answered(expiration="2020-01-01T00:00:00Z")))


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("value", [None, " \n"])
async def test_an_incomplete_secret_is_named(missing: str, value: str | None) -> None:
    """By the key that it lacks, before AWS is called."""
    calls = ScriptedAnywhere(**answered())
    data = {k: v for k, v in noon_client().data.items() if k != missing}
    with pytest.raises(Failure, match=missing) as caught:
        await opened(calls, data=data if value is None else data | {missing: value})
    assert caught.value.reason == "CertificateIncomplete"
    assert calls.requested == []


async def test_a_certificate_that_ends_before_the_session_is_reported() -> None:
    """The session is not shortened: AWS checks a certificate only when it opens one."""
    ends = NOON + timedelta(minutes=30)
    found = await opened(ScriptedAnywhere(**answered()), data=noon_client(ends=ends).data)
    assert found.expires_at == NOON + timedelta(hours=1)
    assert "Secret client expires at" in found.warning
    assert "renew it" in found.warning


# ---- refusals


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        ({}, "the role's maximum session duration"),
        (
            {"webIdentity": None, "rolesAnywhere": IDENTITY},
            "durationSeconds of the profile in Roles Anywhere",
        ),
    ],
)
def test_a_session_that_is_shorter_than_asked_names_what_limits_it(
    identity: dict[str, Any], words: str
) -> None:
    """With Roles Anywhere, the profile shortens it without an error."""
    short = replace(bare(token="planted"), expires_at=NOON + timedelta(hours=1))
    text = explain_short_session(short, source=source(**identity))
    assert "the session lasts 1h" in text
    assert "Raise sessionDuration of CredentialSource bedrock" in text
    assert words in text


def refused(code: str, message: str) -> Failure:
    """What becomes of an error of CreateSession."""
    made = source(webIdentity=None, rolesAnywhere=IDENTITY).identity
    assert isinstance(made, RolesAnywhere)
    answer: Any = {"Error": {"Code": code, "Message": message}}
    error = ClientError(answer, "CreateSession")
    return failure_from_anywhere(error, identity=made, certificate=loaded(client()))


@dataclass(frozen=True)
class Refusal:
    """An error of CreateSession, and what it becomes; `field` is within `rolesAnywhere`."""

    code: str
    message: str
    reason: str
    field: str
    remedy: str
    kind: FailureClass = FailureClass.DENIED


_DENIED, _CONFIGURATION = "AccessDeniedException", FailureClass.CONFIGURATION
_NOT_FOUND = "ResourceNotFoundException"
_REFUSALS = (
    Refusal(
        _DENIED,
        "Unable to assume role for arn:aws:iam::1:role/a.",
        "AccessDenied",
        ".roleArn",
        '"aws:PrincipalTag/x509Subject/CN": "chat"',
    ),
    Refusal(
        _DENIED,
        "Unable to assume role for a. The requested DurationSeconds exceeds the maximum",
        "SessionDurationTooLong",
        ".sessionDuration",
        "maximum session duration",
        _CONFIGURATION,
    ),
    Refusal(
        _DENIED,
        "Untrusted signing certificate",
        "CertificateNotTrusted",
        ".secretRef",
        "intermediate",
    ),
    Refusal(
        _DENIED,
        "Untrusted certificate. Insufficient certificate",
        "CertificateNotTrusted",
        ".secretRef",
        "Digital Signature",
    ),
    Refusal(_DENIED, "Certificate revoked", "CertificateRevoked", ".secretRef", "CRL"),
    Refusal(
        _DENIED, "Trust anchor is disabled", "AccessDenied", "", "anchor and profile are enabled"
    ),
    Refusal(
        _NOT_FOUND,
        "Profile not found",
        "ResourceNotFound",
        ".profileArn",
        "eu-central-1",
        _CONFIGURATION,
    ),
    Refusal(
        _NOT_FOUND,
        "Trust anchor not found",
        "ResourceNotFound",
        ".trustAnchorArn",
        f"account {ACCOUNT}",
        _CONFIGURATION,
    ),
    Refusal(
        "ValidationException",
        "no",
        "ValidationException",
        "",
        "acceptRoleSessionName",
        _CONFIGURATION,
    ),
)


@pytest.mark.parametrize("row", _REFUSALS, ids=lambda row: row.message[:30])
def test_a_refusal_names_field_and_remedy(row: Refusal) -> None:
    """The words are those of AWS, as far as they were reported."""
    failure = refused(row.code, row.message)
    assert (failure.kind, failure.reason) == (row.kind, row.reason)
    assert failure.field == f"CredentialSource spec.aws.rolesAnywhere{row.field}"
    assert row.message.rstrip(".") in str(failure)
    assert row.remedy in failure.remedy


@pytest.mark.parametrize(
    ("code", "message", "kind", "reason"),
    [
        ("ThrottlingException", "Rate exceeded", FailureClass.THROTTLED, "Throttled"),
        ("ServiceUnavailableException", "", FailureClass.TRANSIENT, "CloudError"),
        ("InvalidSignatureException", "Signature expired: a", FailureClass.TRANSIENT, "ClockSkew"),
    ],
)
def test_other_errors_are_those_of_every_service(
    code: str, message: str, kind: FailureClass, reason: str
) -> None:
    """They say nothing of the certificate."""
    failure = refused(code, message)
    assert (failure.kind, failure.reason) == (kind, reason)
