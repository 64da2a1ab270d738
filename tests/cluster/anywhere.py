"""A tenant whose source is identified by a certificate, with all that AWS needs for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from testbed.client_certificates import ClientAuthority, ClientPair
from tests.cluster.chains import ASSUME, EVERYTHING, apply_chain
from tests.cluster.tenants import SOURCE, Document, Tenant

SECRET = "client-certificate"


@dataclass
class Anywhere:
    """A trust anchor of a root CA, an issuing CA below it, a profile, and a role."""

    tenant: Tenant
    root: ClientAuthority = field(default_factory=ClientAuthority)
    issuing: ClientAuthority = field(init=False)
    role: str = field(init=False)
    role_arn: str = field(init=False)
    anchor_arn: str = field(init=False)
    profile_arn: str = field(init=False)
    pairs: list[ClientPair] = field(default_factory=list)
    """Every certificate that was in the Secret."""

    def __post_init__(self) -> None:
        aws = self.tenant.world.aws
        self.issuing = ClientAuthority("issuing-ca", parent=self.root)
        self.role = f"{self.tenant.namespace}-anywhere"
        self.anchor_arn = aws.create_trust_anchor(certificates=self.root.pem)
        self.role_arn = aws.create_role(
            name=self.role,
            trust_policy=self.trust_policy(),
            policies={"everything": EVERYTHING},
            max_session_seconds=7200,
        )
        self.profile_arn = aws.create_profile(role_arns=[self.role_arn], duration_seconds=43200)

    def trust_policy(self, *, common_name: str | None = None) -> Document:
        """The trust policy of the role, for any certificate of the anchor or one subject."""
        condition: Document = {"ArnEquals": {"aws:SourceArn": self.anchor_arn}}
        if common_name is not None:
            condition["StringEquals"] = {"aws:PrincipalTag/x509Subject/CN": common_name}
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "rolesanywhere.amazonaws.com"},
            "Action": list(ASSUME),
            "Condition": condition,
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    @property
    def identity(self) -> Document:
        """The field of the source."""
        return {
            "trustAnchorArn": self.anchor_arn,
            "profileArn": self.profile_arn,
            "roleArn": self.role_arn,
            "secretRef": {"name": SECRET},
        }

    def issue(self, common_name: str = "chat", **options: Any) -> ClientPair:
        """A certificate of the issuing CA."""
        return self.issuing.issue(common_name, **options)

    def put(self, pair: ClientPair, **data: str | None) -> None:
        """Write the certificate as cert-manager does: all keys at once."""
        self.pairs.append(pair)
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": SECRET, "namespace": self.tenant.namespace},
            "stringData": {**pair.data, "ca.crt": self.root.pem, **data},
        }
        path = self.tenant.secret_path(SECRET)
        if self.tenant.has_secret(SECRET):
            self.tenant.patch(path, {"stringData": body["stringData"]})
        else:
            self.tenant.world.api.create(body)

    def apply(
        self, *, hops: list[Document] | None = None, name: str = SOURCE, **changes: Any
    ) -> None:
        """Apply the source."""
        changed = {**self.identity, **changes}
        identity = {name: value for name, value in changed.items() if value is not None}
        apply_chain(self.tenant, hops or [], name=name, rolesAnywhere=identity)

    def sessions(self) -> list[str]:
        """The serial numbers of the certificates that opened sessions of the role, in order."""
        calls = self.tenant.world.aws.calls(service="rolesanywhere", action="CreateSession")
        return [
            call.parameters["serialNumber"]
            for call in calls
            if call.parameters.get("roleArn") == self.role_arn and call.error_code is None
        ]
