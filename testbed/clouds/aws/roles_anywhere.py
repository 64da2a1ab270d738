"""IAM Roles Anywhere: CreateSession, with trust anchors and profiles that tests create.

Request, response and names of errors are those of the model in
github.com/aws/rolesanywhere-credential-helper [K]. The session ends after the shortest of the
duration of the request and of the profile; a longer one than the role's maximum is refused. [R]
Texts of errors [R]: "Untrusted signing certificate" (issue 108 of the helper), "Untrusted
certificate. Insufficient certificate" and "Certificate revoked" (several public runbooks), "Unable
to assume role for ARN", also with the sentence about DurationSeconds, and that an anchor or profile
"is disabled"; the others are a guess. [U]
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from testbed.clouds.aws import (
    json_protocol,
    refusals,
    session_requests,
    sigv4,
    x509_attributes,
    x509_paths,
)
from testbed.clouds.aws.authentication import SKEW_MINUTES
from testbed.clouds.errors import CloudError
from testbed.clouds.policies import Effect, Policy
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testbed.clouds.aws.accounts import Accounts, Role
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.sessions import Session, Sessions
    from testbed.clouds.wire import Entry, Request, Response

SERVICE = "rolesanywhere"
_TRUSTED = ("Service", frozenset({"rolesanywhere.amazonaws.com"}))
_ACTIONS = ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
_ALGORITHMS = {
    "AWS4-X509-RSA-SHA256": rsa.RSAPublicKey,
    "AWS4-X509-ECDSA-SHA256": ec.EllipticCurvePublicKey,
}
_TOLD = ("durationSeconds", "profileArn", "roleArn", "roleSessionName", "trustAnchorArn")
_CREATED = 201


@dataclasses.dataclass(slots=True)
class _TrustAnchor:
    arn: str
    authorities: tuple[x509.Certificate, ...]
    enabled: bool = True
    revoked: set[int] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(slots=True)
class _Profile:
    arn: str
    role_arns: frozenset[str]
    duration_seconds: int
    accepts_names: bool
    policies: tuple[Policy, ...] | None
    enabled: bool = True


class RolesAnywhere:
    """The regional endpoint, and the resources that its control plane would keep."""

    name = SERVICE

    def __init__(
        self, *, accounts: Accounts, sessions: Sessions, authentication: Authentication
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._authentication = authentication
        self._anchors: dict[str, _TrustAnchor] = {}
        self._profiles: dict[str, _Profile] = {}

    # --- preparation by tests ----------------------------------------------------------------

    def create_trust_anchor(
        self, *, certificates: str, region: str, account: str, arn: str | None
    ) -> str:
        """Create a trust anchor of CA certificates in PEM, and return its ARN.

        With the ARN that an example names, if there is one.
        """
        authorities = x509.load_pem_x509_certificates(certificates.encode())
        for each in authorities:
            x509_paths.check_authority(each)
        arn = arn or f"arn:aws:{SERVICE}:{region}:{account}:trust-anchor/{uuid.uuid4()}"
        self._anchors[arn] = _TrustAnchor(arn, tuple(authorities))
        return arn

    def create_profile(
        self,
        *,
        role_arns: Sequence[str],
        duration_seconds: int,
        accept_role_session_name: bool,
        session_policy: Mapping[str, Any] | None,
        region: str,
        account: str,
        arn: str | None,
    ) -> str:
        """Create a profile and return its ARN, as `create_trust_anchor`."""
        arn = arn or f"arn:aws:{SERVICE}:{region}:{account}:profile/{uuid.uuid4()}"
        limited = None if session_policy is None else (Policy.parse(json.dumps(session_policy)),)
        self._profiles[arn] = _Profile(
            arn, frozenset(role_arns), duration_seconds, accept_role_session_name, limited
        )
        return arn

    def enable(self, *, arn: str, enabled: bool) -> None:
        """Enable or disable a trust anchor or a profile."""
        found = self._anchors.get(arn) or self._profiles[arn]
        found.enabled = enabled

    def list_roles(self, *, profile_arn: str, role_arns: Sequence[str]) -> None:
        """Replace the roles of a profile."""
        self._profiles[profile_arn].role_arns = frozenset(role_arns)

    def revoke(self, *, trust_anchor_arn: str, serial_number: str) -> None:
        """Import a CRL with one more certificate."""
        self._anchors[trust_anchor_arn].revoked.add(int(serial_number))

    # --- the service -------------------------------------------------------------------------

    def action(self, request: Request) -> str:
        """The only action, or method and path."""
        if request.method == "POST" and request.path == "/sessions":
            return "CreateSession"
        return f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        if action != "CreateSession":
            raise CloudError("UnknownOperationException", "Unknown operation", status=404)
        parameters = _parameters(request)
        entry.parameters.update({k: str(parameters[k]) for k in _TOLD if k in parameters})
        presented = self._presented(request)
        entry.parameters["serialNumber"] = str(presented.leaf.serial_number)
        anchor, profile = self._resources(parameters)
        account = anchor.arn.split(":")[4]
        self._check_certificate(presented, anchor=anchor)
        self._check_signature(request, presented.leaf, region=anchor.arn.split(":")[3])
        self._authentication.pace(self.name, account=account)
        name = self._session_name(parameters, profile=profile, certificate=presented.leaf)
        requested = session_requests.duration(
            str(parameters.get("durationSeconds", profile.duration_seconds))
        )
        role = self._role(parameters, profile=profile, anchor=anchor, certificate=presented.leaf)
        if requested > role.max_session_seconds:
            raise _denied(
                f"Unable to assume role for {role.arn}. The requested DurationSeconds exceeds the"
                " MaxSessionDuration set for this role."
            )
        session = self._sessions.issue(
            role,
            name=name,
            duration_seconds=min(requested, profile.duration_seconds),
            policies=profile.policies,
            tags=x509_attributes.session_tags(presented.leaf),
            source_identity=x509_attributes.source_identity(presented.leaf),
        )
        entry.principal, entry.session = session.arn, session.access_key_id
        return json_response(_content(session, presented.leaf), status=_CREATED)

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """The error in the form of AWS's JSON services."""
        if error.code == "ValidationError":
            error = CloudError("ValidationException", error.message)
        return json_protocol.error(error)

    @staticmethod
    def _presented(request: Request) -> x509_paths.Presented:
        leaf = request.header("x-amz-x509")
        if leaf is None or request.header("authorization") is None:
            raise refusals.missing_authentication()
        try:
            return x509_paths.Presented.parse(leaf, request.header("x-amz-x509-chain"))
        except ValueError as error:
            raise _denied("Untrusted certificate. Unable to parse certificate") from error

    def _resources(self, parameters: Mapping[str, Any]) -> tuple[_TrustAnchor, _Profile]:
        anchor = self._anchors.get(str(parameters.get("trustAnchorArn")))
        if anchor is None:
            raise _not_found("Trust anchor not found")
        profile = self._profiles.get(str(parameters.get("profileArn")))
        if profile is None:
            raise _not_found("Profile not found")
        if anchor.arn.split(":")[3:5] != profile.arn.split(":")[3:5]:
            raise refusals.validation("Trust anchor and profile are not in the same account")
        if not anchor.enabled:
            raise _denied("Trust anchor is disabled")
        if not profile.enabled:
            raise _denied("Profile is disabled")
        return anchor, profile

    def _check_certificate(self, presented: x509_paths.Presented, *, anchor: _TrustAnchor) -> None:
        try:
            x509_paths.check_client(presented.leaf)
            x509_paths.check_path(presented, anchors=anchor.authorities, now=self._sessions.now())
        except x509_paths.NotAClientError as error:
            raise _denied("Untrusted certificate. Insufficient certificate") from error
        except x509_paths.NotAPathError as error:
            raise _denied("Untrusted signing certificate") from error
        if presented.leaf.serial_number in anchor.revoked:
            raise _denied("Certificate revoked")

    def _check_signature(
        self, request: Request, certificate: x509.Certificate, *, region: str
    ) -> None:
        """As Signature Version 4, with the serial number in place of the access key ID."""
        algorithm, _, rest = (request.header("authorization") or "").partition(" ")
        public = certificate.public_key()
        if not isinstance(public, _ALGORITHMS.get(algorithm, type(None))):
            raise _denied("Unsupported signature algorithm")
        authorization = sigv4.Authorization.parse(rest)
        scope = authorization.scope
        if scope.access_key_id != str(certificate.serial_number):
            raise _denied("Credential is not the serial number of the certificate")
        if (scope.region, scope.service) != (region, SERVICE) or region not in request.host:
            raise refusals.signature_does_not_match(
                "Credential should be scoped to a valid region."
            )
        timestamp = request.header("x-amz-date") or ""
        self._authentication.check_time(timestamp, scope=scope, minutes=SKEW_MINUTES)
        self._authentication.check_signed_headers(request, signed=authorization.signed_headers)
        canonical = sigv4.canonical_request(request, signed_headers=authorization.signed_headers)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"{algorithm}\n{timestamp}\n{scope}\n{digest}".encode()
        try:
            signature = bytes.fromhex(authorization.signature)
            if isinstance(public, rsa.RSAPublicKey):
                public.verify(signature, text, padding.PKCS1v15(), SHA256())
            else:
                assert isinstance(public, ec.EllipticCurvePublicKey)
                public.verify(signature, text, ec.ECDSA(SHA256()))
        except (InvalidSignature, ValueError) as error:
            raise _denied("The request signature does not match the certificate") from error

    @staticmethod
    def _session_name(
        parameters: Mapping[str, Any], *, profile: _Profile, certificate: x509.Certificate
    ) -> str:
        name = parameters.get("roleSessionName")
        if name is None:
            return x509_attributes.session_name(certificate)
        if not profile.accepts_names:
            raise refusals.validation("Profile does not accept custom role session names")
        return session_requests.role_session_name(str(name))

    def _role(
        self,
        parameters: Mapping[str, Any],
        *,
        profile: _Profile,
        anchor: _TrustAnchor,
        certificate: x509.Certificate,
    ) -> Role:
        arn = str(parameters.get("roleArn"))
        role = self._accounts.role(arn) if arn in profile.role_arns else None
        context = _context(anchor, certificate)
        if role is None or any(
            role.trust.effect(action=action, resource=arn, context=context, trusted=_TRUSTED)
            is not Effect.ALLOW
            for action in _ACTIONS
        ):
            raise _denied(f"Unable to assume role for {arn}")
        return role


def _parameters(request: Request) -> dict[str, Any]:
    try:
        found = json.loads(request.body)
    except ValueError as error:
        raise refusals.validation("Unable to parse the request") from error
    if not isinstance(found, dict):
        raise refusals.validation("Unable to parse the request")
    return found


def _context(anchor: _TrustAnchor, certificate: x509.Certificate) -> dict[str, tuple[str, ...]]:
    """The context keys of the trust policy: the tags are both of the request and the principal."""
    keys: dict[str, tuple[str, ...]] = {
        "aws:sourcearn": (anchor.arn,),
        "aws:sourceaccount": (anchor.arn.split(":")[4],),
        "sts:rolesessionname": (x509_attributes.session_name(certificate),),
    }
    identity = x509_attributes.source_identity(certificate)
    if identity is not None:
        keys["sts:sourceidentity"] = (identity,)
    for name, value in x509_attributes.session_tags(certificate).items():
        keys[f"aws:principaltag/{name.lower()}"] = (value,)
        keys[f"aws:requesttag/{name.lower()}"] = (value,)
    return keys


def _content(session: Session, certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "credentialSet": [
            {
                "assumedRoleUser": {"arn": session.arn, "assumedRoleId": session.user_id},
                "credentials": {
                    "accessKeyId": session.access_key_id,
                    "expiration": json_protocol.timestamp(session.expires_at),
                    "secretAccessKey": session.secret_key,
                    "sessionToken": session.token,
                },
                "packedPolicySize": 0,
                "roleArn": session.role_arn,
                "sourceIdentity": session.source_identity,
            }
        ],
        "subjectArn": f"arn:aws:{SERVICE}:us-east-1:{session.account}:subject/"
        f"{hashlib.sha256(certificate.subject.public_bytes()).hexdigest()[:32]}",
    }


def _denied(message: str) -> CloudError:
    return CloudError("AccessDeniedException", message, status=403)


def _not_found(message: str) -> CloudError:
    return CloudError("ResourceNotFoundException", message, status=404)
