"""EKS Auth: AssumeRoleForPodIdentity, which the EKS Pod Identity Agent of a node calls.

Parameters, answer and error names are those of botocore's model eks-auth 2023-11-26. [R] Trust,
session tags, session name and six hours are those of "EKS Pod Identities" and "Grant Pods access to
AWS resources based on tags", EKS user guide. [R] The texts of the errors are a guess. [U]
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from testbed.clouds import issuer_keys
from testbed.clouds.aws import json_protocol
from testbed.clouds.errors import CloudError
from testbed.clouds.issuer_keys import IssuerKeys, NotATokenError
from testbed.clouds.policies import Effect
from testbed.clouds.wire import json_response

if TYPE_CHECKING:
    from pathlib import Path

    from testbed.clouds.aws.accounts import Accounts, Role
    from testbed.clouds.aws.authentication import Authentication
    from testbed.clouds.aws.sessions import Session, Sessions
    from testbed.clouds.clock import Clock
    from testbed.clouds.wire import Entry, Request, Response

SERVICE = "eks-auth"
AUDIENCE = "pods.eks.amazonaws.com"
_PATH = re.compile(r"/clusters/(?P<cluster>[^/]+)/assume-role-for-pod-identity")
_SUBJECT = re.compile(r"system:serviceaccount:(?P<namespace>[^:]+):(?P<account>[^:]+)")
_SESSION_SECONDS = 6 * 3600
_TRUSTED = ("Service", frozenset({AUDIENCE}))


@dataclasses.dataclass(slots=True)
class _Cluster:
    """A cluster, and the ARN of the role of each (namespace, ServiceAccount)."""

    arn: str
    name: str
    issuer: str
    roles: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)


class PodIdentity:
    """The regional endpoint, and the associations that `eks` would keep."""

    name = SERVICE

    def __init__(
        self,
        *,
        accounts: Accounts,
        sessions: Sessions,
        authentication: Authentication,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._authentication = authentication
        self._clock = clock
        self._keys = IssuerKeys()
        self._clusters: dict[str, _Cluster] = {}
        self.seen: set[str] = set()

    def create_cluster(self, *, name: str, issuer: str, ca_file: Path, account: str) -> None:
        """Create a cluster, whose tokens are verified with the keys of its issuer."""
        arn = f"arn:aws:eks:us-west-2:{account}:cluster/{name}"
        self._clusters[name] = _Cluster(arn=arn, name=name, issuer=issuer)
        self._keys.trust(arn, ca_file=ca_file)

    def associate(
        self, *, cluster: str, namespace: str, service_account: str, role_arn: str | None
    ) -> None:
        """Associate a role with a ServiceAccount; None removes the association."""
        roles = self._clusters[cluster].roles
        roles.pop((namespace, service_account), None)
        if role_arn is not None:
            roles[namespace, service_account] = role_arn

    def action(self, request: Request) -> str:
        """The only action, or method and path."""
        if request.method == "POST" and _PATH.fullmatch(request.path):
            return "AssumeRoleForPodIdentity"
        return f"{request.method} {request.path}"

    async def answer(self, request: Request, *, action: str, entry: Entry) -> Response:
        """Execute the call."""
        found = _PATH.fullmatch(request.path)
        if action != "AssumeRoleForPodIdentity" or found is None:
            raise CloudError("UnknownOperationException", "Unknown operation", status=404)
        region = request.host.split(".")[1]
        agent = self._authentication.verify(request, service=SERVICE, region=region)
        entry.principal = agent.arn
        cluster = self._clusters.get(found["cluster"])
        if cluster is None:
            raise CloudError(
                "ResourceNotFoundException", f"No cluster found: {found['cluster']}", status=404
            )
        self._authentication.authorize(
            agent,
            action="eks-auth:AssumeRoleForPodIdentity",
            resource=cluster.arn,
            source_ip=request.source_ip,
        )
        claims = await self._verified(str(json.loads(request.body)["token"]), cluster=cluster)
        namespace, account = _account_of(claims)
        role = self._role(cluster, namespace=namespace, account=account)
        session = self._sessions.issue(
            role,
            name=f"eks-{cluster.name}-{account}"[:64],
            duration_seconds=_SESSION_SECONDS,
            policies=None,
            tags=(tags := _tags(cluster, namespace=namespace, account=account)),
            transitive_tag_keys=frozenset(tags),
        )
        entry.session = session.access_key_id
        return json_response(_content(session, namespace=namespace, account=account))

    def refuse(self, request: Request, error: CloudError) -> Response:  # noqa: ARG002  as in Service
        """The error in the form of AWS's JSON services."""
        return json_protocol.error(error)

    async def _verified(self, token: str, *, cluster: _Cluster) -> dict[str, Any]:
        self.seen.add(token)
        invalid = CloudError("InvalidTokenException", "The token provided is invalid", status=400)
        try:
            header, claims = issuer_keys.parse(token)
            await self._keys.verify(
                token, header=header, provider=cluster.arn, issuer=cluster.issuer
            )
        except (NotATokenError, issuer_keys.NoKeyError, issuer_keys.BadSignatureError) as error:
            raise invalid from error
        if AUDIENCE not in claims.get("aud", ()) or claims.get("iss") != cluster.issuer:
            raise invalid
        if float(claims.get("exp", 0)) <= self._clock.now():
            raise CloudError("ExpiredTokenException", "The token provided has expired", status=400)
        return claims

    def _role(self, cluster: _Cluster, *, namespace: str, account: str) -> Role:
        arn = cluster.roles.get((namespace, account))
        if arn is None:
            raise CloudError(
                "AccessDeniedException",
                "Unauthorized Exception! EKS does not have permissions to assume the associated"
                f" role, or no association for {namespace}/{account}",
                status=400,
            )
        role = self._accounts.role(arn)
        if role is None or any(
            role.trust.effect(action=action, resource=arn, context={}, trusted=_TRUSTED)
            is not Effect.ALLOW
            for action in ("sts:AssumeRole", "sts:TagSession")
        ):
            raise CloudError(
                "AccessDeniedException",
                f"EKS does not have permissions to assume the role {arn}",
                status=400,
            )
        return role


def _account_of(claims: dict[str, Any]) -> tuple[str, str]:
    found = _SUBJECT.fullmatch(str(claims.get("sub", "")))
    if found is None:
        raise CloudError("InvalidTokenException", "The token provided is invalid", status=400)
    return found["namespace"], found["account"]


def _tags(cluster: _Cluster, *, namespace: str, account: str) -> dict[str, str]:
    return {
        "eks-cluster-arn": cluster.arn,
        "eks-cluster-name": cluster.name,
        "kubernetes-namespace": namespace,
        "kubernetes-service-account": account,
    }


def _content(session: Session, *, namespace: str, account: str) -> dict[str, Any]:
    return {
        "subject": {"namespace": namespace, "serviceAccount": account},
        "audience": AUDIENCE,
        "podIdentityAssociation": {"associationArn": f"{session.role_arn}/a", "associationId": "a"},
        "assumedRoleUser": {"arn": session.arn, "assumeRoleId": session.user_id},
        "credentials": {
            "accessKeyId": session.access_key_id,
            "secretAccessKey": session.secret_key,
            "sessionToken": session.token,
            "expiration": session.expires_at,
        },
    }
