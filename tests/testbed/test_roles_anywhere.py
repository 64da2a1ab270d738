"""IAM Roles Anywhere as the signer of AWS Labs sees it: sessions for certificates, and refusals."""

from __future__ import annotations

import datetime
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.httpsession import URLLib3Session
from iam_rolesanywhere_session import IAMRolesAnywhereSigner

from testbed.boto3_sessions import boto3_session
from testbed.client_certificates import ClientAuthority, ClientPair, pem_of, usage
from testbed.clouds.emulator import CloudRefusedError
from tests.testbed.world import ACCOUNT, allow

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.clouds.aws import AwsCloud

REGION = "us-west-2"
ACTIONS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]


@dataclass
class Anywhere:
    """A trust anchor of a root CA, a profile, and a role that trusts the anchor."""

    cloud: AwsCloud
    root: ClientAuthority
    issuing: ClientAuthority
    role_name: str
    role_arn: str
    anchor_arn: str
    profile_arn: str

    def trust(self, *, actions: list[str] | None = None, **condition: Any) -> None:
        """Replace the trust policy of the role."""
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "rolesanywhere.amazonaws.com"},
            "Action": actions or ACTIONS,
            "Condition": condition or {"ArnEquals": {"aws:SourceArn": self.anchor_arn}},
        }
        self.cloud.put_trust_policy(
            name=self.role_name,
            trust_policy={"Version": "2012-10-17", "Statement": [statement]},
        )

    def create_session(
        self,
        pair: ClientPair,
        *,
        chain: bool = True,
        region: str = REGION,
        change: Callable[[AWSRequest], None] = lambda _: None,
        **parameters: Any,
    ) -> tuple[int, dict[str, Any]]:
        """Status and body of the response; `change` spoils the signed request."""
        signer = IAMRolesAnywhereSigner(
            certificate=pem_of(pair.certificate).encode(),
            private_key=pair.key_pem.encode(),
            certificate_chain=pem_of(*pair.chain).encode() if chain and pair.chain else None,
            region=region,
        )
        body = {
            "durationSeconds": 3600,
            "profileArn": self.profile_arn,
            "roleArn": self.role_arn,
            "trustAnchorArn": self.anchor_arn,
            **parameters,
        }
        request = AWSRequest(
            method="POST",
            url=f"https://rolesanywhere.{REGION}.amazonaws.com/sessions",
            data=json.dumps(body),
        )
        signer.add_auth(request)
        change(request)
        environment = self.cloud.client_environment()
        session = URLLib3Session(
            proxies={"https": environment["HTTPS_PROXY"]}, verify=_bundle(environment)
        )
        answer = session.send(request.prepare())
        return answer.status_code, json.loads(answer.text)

    def refusal(self, pair: ClientPair, **options: Any) -> tuple[int, str]:
        """Status and message of a refusal."""
        status, body = self.create_session(pair, **options)
        return status, str(body.get("message") or body.get("Message"))


def _bundle(environment: dict[str, str]) -> Any:
    """The CAs that a client trusts: botocore's types know only whether it trusts any."""
    return environment["AWS_CA_BUNDLE"]


@pytest.fixture
def anywhere(cloud: AwsCloud) -> Anywhere:
    """Resources of this test's own."""
    name = f"anywhere-{uuid.uuid4().hex[:12]}"
    root = ClientAuthority()
    role_arn = cloud.create_role(
        name=name,
        trust_policy={
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
            ],
        },
        policies={"all": allow("*")},
    )
    made = Anywhere(
        cloud,
        root,
        ClientAuthority("issuing", parent=root),
        name,
        role_arn,
        cloud.create_trust_anchor(certificates=root.pem, region=REGION),
        cloud.create_profile(role_arns=[role_arn], region=REGION),
    )
    made.trust()
    return made


@pytest.mark.parametrize("key", ["RSA", "P-256", "P-384"])
def test_a_certificate_gives_a_session_that_says_who_it_is(anywhere: Anywhere, key: str) -> None:
    """It is named by the serial number, has the tags of the certificate, and works."""
    pair = anywhere.issuing.issue("chat", key=key)
    status, body = anywhere.create_session(pair)
    assert status == 201
    (found,) = body["credentialSet"]
    serial = f"{pair.certificate.serial_number:x}"
    arn = found["assumedRoleUser"]["arn"]
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{anywhere.role_name}/")
    assert int(arn.rpartition("/")[2], 16) == int(serial, 16)
    assert found["sourceIdentity"] == "CN=chat"
    credentials = found["credentials"]
    environment = anywhere.cloud.client_environment()
    client = boto3_session().client(
        "sts",
        region_name=REGION,
        aws_access_key_id=credentials["accessKeyId"],
        aws_secret_access_key=credentials["secretAccessKey"],
        aws_session_token=credentials["sessionToken"],
        verify=environment["AWS_CA_BUNDLE"],
        config=Config(proxies={"https": environment["HTTPS_PROXY"]}),
    )
    assert client.get_caller_identity()["Arn"] == arn
    (session,) = [s for s in anywhere.cloud.sessions() if s.arn == arn]
    assert session.tags["x509Subject/CN"] == "chat"
    assert session.tags["x509Issuer/CN"] == "issuing"
    assert session.source_identity == "CN=chat"


def test_the_chain_must_lead_to_the_anchor(anywhere: Anywhere) -> None:
    """Without the intermediate, or from another CA of the same name, it does not."""
    pair = anywhere.issuing.issue("chat")
    untrusted = (403, "Untrusted signing certificate")
    assert anywhere.refusal(pair, chain=False) == untrusted
    assert anywhere.refusal(ClientAuthority().issue("chat")) == untrusted
    assert anywhere.create_session(anywhere.root.issue("chat"))[0] == 201


def test_an_anchor_may_be_the_issuing_ca(anywhere: Anywhere) -> None:
    """No chain is needed then, and certificates of the root itself are not trusted."""
    anywhere.anchor_arn = anywhere.cloud.create_trust_anchor(
        certificates=anywhere.issuing.pem, region=REGION
    )
    anywhere.trust()
    assert anywhere.create_session(anywhere.issuing.issue("chat"), chain=False)[0] == 201
    assert anywhere.refusal(anywhere.root.issue("chat"))[1] == "Untrusted signing certificate"


@pytest.mark.parametrize(
    "options", [{"is_ca": True}, {"key_usage": usage(digital_signature=False)}]
)
def test_a_certificate_must_be_of_a_client(anywhere: Anywhere, options: dict[str, Any]) -> None:
    """In the words that users report."""
    pair = anywhere.root.issue("chat", **options)
    assert anywhere.refusal(pair) == (403, "Untrusted certificate. Insufficient certificate")


def test_validity_is_that_of_the_clock(anywhere: Anywhere) -> None:
    """An expired certificate opens no session; one that was opened before still works."""
    now = datetime.datetime.now(datetime.UTC)
    pair = anywhere.root.issue("chat", ends=now + datetime.timedelta(minutes=2))
    assert anywhere.create_session(pair)[0] == 201
    expired = anywhere.root.issue(
        "chat", begins=now - datetime.timedelta(days=2), ends=now - datetime.timedelta(days=1)
    )
    assert anywhere.refusal(expired) == (403, "Untrusted signing certificate")


def test_a_revoked_certificate_is_refused(anywhere: Anywhere) -> None:
    """At once; others of the same CA are not."""
    revoked, other = anywhere.root.issue("chat"), anywhere.root.issue("chat")
    anywhere.cloud.revoke_certificate(
        anywhere.anchor_arn, serial_number=revoked.certificate.serial_number
    )
    assert anywhere.refusal(revoked) == (403, "Certificate revoked")
    assert anywhere.create_session(other)[0] == 201


def _other_body(request: AWSRequest) -> None:
    request.data = str(request.data).replace("3600", "3601")


def _other_serial(request: AWSRequest) -> None:
    value = request.headers["Authorization"]
    del request.headers["Authorization"]
    request.headers["Authorization"] = value.replace("Credential=", "Credential=1")


def _other_algorithm(request: AWSRequest) -> None:
    value = request.headers["Authorization"]
    del request.headers["Authorization"]
    request.headers["Authorization"] = value.replace("ECDSA", "RSA")


def _unsigned_chain(request: AWSRequest) -> None:
    request.headers["X-Amz-X509-Chain"] = "AAAA"


@pytest.mark.parametrize("change", [_other_body, _other_serial, _other_algorithm, _unsigned_chain])
def test_the_signature_covers_the_request(
    anywhere: Anywhere, change: Callable[[AWSRequest], None]
) -> None:
    """Whatever was changed after signing."""
    status, message = anywhere.refusal(anywhere.root.issue("chat"), change=change)
    assert status == 403
    assert message


def test_another_certificate_of_the_ca_cannot_be_shown(anywhere: Anywhere) -> None:
    """The signature is verified with the key of the certificate that is sent."""
    mine, other = anywhere.root.issue("chat"), anywhere.root.issue("admin")
    mixed = ClientPair(other.certificate, (), mine.key)
    assert anywhere.refusal(mixed)[0] == 403


def test_the_time_of_the_signature_counts(anywhere: Anywhere) -> None:
    """As for Signature Version 4: five minutes."""
    anywhere.cloud.set_clock(offset_seconds=600)
    status, message = anywhere.refusal(anywhere.root.issue("chat"))
    assert status == 403
    assert message.startswith("Signature expired")


def test_the_profile_lists_the_role(anywhere: Anywhere) -> None:
    """AWS does not say whether the profile or the trust policy refuses."""
    refused = (403, f"Unable to assume role for {anywhere.role_arn}")
    pair = anywhere.root.issue("chat")
    anywhere.cloud.list_roles_of_profile(anywhere.profile_arn, role_arns=[])
    assert anywhere.refusal(pair) == refused
    anywhere.cloud.list_roles_of_profile(anywhere.profile_arn, role_arns=[anywhere.role_arn])
    assert anywhere.create_session(pair)[0] == 201


@pytest.mark.parametrize("missing", ACTIONS)
def test_the_trust_policy_needs_three_actions(anywhere: Anywhere, missing: str) -> None:
    """Session tags and the source identity are always set."""
    anywhere.trust(actions=[action for action in ACTIONS if action != missing])
    message = f"Unable to assume role for {anywhere.role_arn}"
    assert anywhere.refusal(anywhere.root.issue("chat")) == (403, message)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"StringEquals": {"aws:PrincipalTag/x509Subject/CN": "chat"}}, 201),
        ({"StringEquals": {"aws:PrincipalTag/x509Subject/CN": "admin"}}, 403),
        ({"StringEquals": {"aws:PrincipalTag/x509Issuer/CN": "testbed-root"}}, 201),
        ({"StringEquals": {"sts:SourceIdentity": "CN=chat"}}, 201),
        ({"StringEquals": {"aws:SourceAccount": "210987654321"}}, 403),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:rolesanywhere:us-west-2:1:trust-anchor/a"}}, 403),
    ],
)
def test_the_trust_policy_sees_the_certificate(
    anywhere: Anywhere, condition: dict[str, Any], status: int
) -> None:
    """Its subject and issuer, and the trust anchor."""
    anywhere.trust(**condition)
    assert anywhere.create_session(anywhere.root.issue("chat"))[0] == status


def test_resources_must_exist_and_be_enabled(anywhere: Anywhere) -> None:
    """Trust anchor and profile."""
    pair = anywhere.root.issue("chat")
    for arn, name in ((anywhere.anchor_arn, "Trust anchor"), (anywhere.profile_arn, "Profile")):
        anywhere.cloud.enable_anywhere(arn, enabled=False)
        assert anywhere.refusal(pair) == (403, f"{name} is disabled")
        anywhere.cloud.enable_anywhere(arn, enabled=True)
    other = anywhere.anchor_arn[:-4] + "0000"
    assert anywhere.refusal(pair, trustAnchorArn=other) == (404, "Trust anchor not found")
    other = anywhere.profile_arn[:-4] + "0000"
    assert anywhere.refusal(pair, profileArn=other) == (404, "Profile not found")


def test_durations_are_those_of_request_profile_and_role(anywhere: Anywhere) -> None:
    """The shorter of request and profile counts; more than the role allows is refused."""
    pair = anywhere.root.issue("chat")

    def minutes(**parameters: Any) -> int:
        _, body = anywhere.create_session(pair, **parameters)
        ends = datetime.datetime.fromisoformat(
            body["credentialSet"][0]["credentials"]["expiration"]
        )
        return round((ends - datetime.datetime.now(datetime.UTC)).total_seconds() / 60)

    assert minutes(durationSeconds=900) == 15
    anywhere.profile_arn = anywhere.cloud.create_profile(
        role_arns=[anywhere.role_arn], duration_seconds=1800, region=REGION
    )
    assert minutes(durationSeconds=3600) == 30
    message = f"Unable to assume role for {anywhere.role_arn}. The requested DurationSeconds"
    assert anywhere.refusal(pair, durationSeconds=7200)[1].startswith(message)
    assert "greater than or equal to 900" in anywhere.refusal(pair, durationSeconds=60)[1]


def test_a_session_name_needs_the_consent_of_the_profile(anywhere: Anywhere) -> None:
    """By default, AWS names the session."""
    pair = anywhere.root.issue("chat")
    assert anywhere.refusal(pair, roleSessionName="mine")[0] == 400
    anywhere.profile_arn = anywhere.cloud.create_profile(
        role_arns=[anywhere.role_arn], accept_role_session_name=True, region=REGION
    )
    _, body = anywhere.create_session(pair, roleSessionName="mine")
    assert body["credentialSet"][0]["assumedRoleUser"]["arn"].endswith("/mine")


def test_a_trust_anchor_is_a_ca(cloud: AwsCloud) -> None:
    """As CreateTrustAnchor refuses another certificate."""
    leaf = ClientAuthority().issue("chat")
    with pytest.raises(CloudRefusedError, match="Incorrect basic constraints for CA certificate"):
        cloud.create_trust_anchor(certificates=pem_of(leaf.certificate))
