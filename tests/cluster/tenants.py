"""A namespace with an identity in AWS, made from the files of the example as a user would."""

from __future__ import annotations

import base64
import copy
import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from keywright.api.docs_links import without_link
from keywright.api.names import REFERENCE_LABEL
from testbed.clouds.aws.cloud import ACCOUNT
from testbed.clusters.api import MERGE
from testbed.documents import documents
from testbed.world import EXAMPLES, World
from tests.cluster.eventually import eventually

EXAMPLE = EXAMPLES / "bedrock-short-term"
ACCOUNT_NAME = "chat-bedrock"
GRANT, SOURCE = "chat-key", "bedrock"
KEY = "AWS_BEARER_TOKEN_BEDROCK"
_CUSTOM = "/apis/keywright.dev/v1alpha1"
_numbers = itertools.count(1)

Document = dict[str, Any]


def example(file: str, *, namespace: str) -> list[Document]:
    """The objects in a file of the example, moved to a namespace."""
    found = documents((EXAMPLE / file).read_text())
    for document in found:
        document["metadata"]["namespace"] = namespace
    return found


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> Document:
    """A JSON merge patch, applied: None removes."""
    result = dict(document)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(result.get(name), Mapping):
            result[name] = merged(result[name], value)
        else:
            result[name] = copy.deepcopy(value)
    return result


class Tenant:
    """One namespace of one test; no other test uses it."""

    def __init__(self, world: World, *, name: str = "t") -> None:
        self.world = world
        self.namespace = f"{name}-{next(_numbers)}"
        self.role = self.namespace

    # ---- what a user and an admin of AWS prepare

    @property
    def role_arn(self) -> str:
        """The role that the source names by default."""
        return f"arn:aws:iam::{ACCOUNT}:role/{self.role}"

    def prepare(self) -> None:
        """Namespace, ServiceAccount, the right to ask for its tokens, and the role in AWS."""
        self.apply_namespace()
        self.apply_file("serviceaccount.yaml")
        self.apply_file("token-access.yaml")
        self.world.create_role(
            name=self.role, namespace=self.namespace, service_account=ACCOUNT_NAME
        )

    def apply_namespace(self) -> None:
        """The namespace alone."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self.world.api.apply(body)

    def apply_file(self, file: str) -> None:
        """A file of the example, in this namespace."""
        for document in example(file, namespace=self.namespace):
            self.world.api.apply(document)

    def source_body(self, *, name: str = SOURCE, **web_identity: Any) -> Document:
        """The example's source with this tenant's role, and other fields of `webIdentity`."""
        (body,) = example("credentialsource.yaml", namespace=self.namespace)
        body["metadata"]["name"] = name
        identity = {"roleArn": self.role_arn, **web_identity}
        return merged(body, {"spec": {"aws": {"webIdentity": identity}}})

    def grant_body(self, *, name: str = GRANT, source: str = SOURCE, **spec: Any) -> Document:
        """The example's grant with other fields of `spec`."""
        (body,) = example("apikeygrant.yaml", namespace=self.namespace)
        body["metadata"]["name"] = name
        return merged(body, {"spec": {"sourceRef": {"name": source}, **spec}})

    def apply_source(self, *, name: str = SOURCE, **web_identity: Any) -> None:
        """Apply it."""
        self.world.api.apply(self.source_body(name=name, **web_identity))

    def apply_grant(self, *, name: str = GRANT, source: str = SOURCE, **spec: Any) -> None:
        """Apply it."""
        self.world.api.apply(self.grant_body(name=name, source=source, **spec))

    def become_ready(self, *, name: str = GRANT, **spec: Any) -> Document:
        """Source and grant, applied; the status once the grant is Ready."""
        self.apply_source()
        self.apply_grant(name=name, **spec)
        return self.ready(name=name)

    # ---- the objects

    def grant_path(self, name: str = GRANT) -> str:
        """Its URL path."""
        return f"{_CUSTOM}/namespaces/{self.namespace}/apikeygrants/{name}"

    def source_path(self, name: str = SOURCE) -> str:
        """Its URL path."""
        return f"{_CUSTOM}/namespaces/{self.namespace}/credentialsources/{name}"

    def secret_path(self, name: str = GRANT) -> str:
        """Its URL path."""
        return f"/api/v1/namespaces/{self.namespace}/secrets/{name}"

    def grant(self, name: str = GRANT) -> Document:
        """The grant as it is now."""
        found: Document = self.world.api.get(self.grant_path(name))
        return found

    def status(self, name: str = GRANT) -> Document:
        """The grant's status as it is now."""
        found: Document = self.grant(name).get("status", {})
        return found

    def source_status(self, name: str = SOURCE) -> Document:
        """The source's status as it is now."""
        found: Document = self.world.api.get(self.source_path(name)).get("status", {})
        return found

    def secret(self, name: str = GRANT) -> Document:
        """The Secret as it is now; raises ApiError where there is none."""
        found: Document = self.world.api.get(self.secret_path(name))
        return found

    def has_secret(self, name: str = GRANT) -> bool:
        """Whether there is one of that name."""
        return self.world.api.exists(self.secret_path(name))

    def data(self, name: str = GRANT) -> dict[str, str]:
        """The Secret's data, decoded."""
        encoded = self.secret(name).get("data") or {}
        return {key: base64.b64decode(value).decode() for key, value in encoded.items()}

    def patch(self, path: str, change: Mapping[str, Any]) -> Document:
        """A merge patch by an admin."""
        found: Document = self.world.api.request("PATCH", path, body=change, content_type=MERGE)
        return found

    def edit_grant(self, *, name: str = GRANT, **spec: Any) -> None:
        """Merge into the grant's spec."""
        self.patch(self.grant_path(name), {"spec": spec})

    def annotate_grant(self, *, name: str = GRANT, **annotations: str) -> None:
        """Set annotations of the grant."""
        self.patch(self.grant_path(name), {"metadata": {"annotations": annotations}})

    def create_secret(self, *, name: str = GRANT, **data: str) -> Document:
        """A Secret that another author created."""
        return self._create_secret(name, labels={}, data=data)

    def create_released_secret(self, *, name: str, **data: str) -> Document:
        """A Secret whose owner allows that its values are copied out of it."""
        return self._create_secret(name, labels={REFERENCE_LABEL: "true"}, data=data)

    def _create_secret(
        self, name: str, *, labels: Mapping[str, str], data: Mapping[str, str]
    ) -> Document:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": self.namespace, "labels": labels},
            "stringData": data,
        }
        made: Document = self.world.api.create(body)
        return made

    # ---- waiting

    def ready(self, *, name: str = GRANT, seconds: float = 20.0) -> Document:
        """The status once the grant is Ready at its present generation."""
        return self.reported("Ready", name=name, seconds=seconds)

    def reported(
        self,
        type_: str,
        *,
        status: str = "True",
        reason: str | None = None,
        name: str = GRANT,
        seconds: float = 20.0,
        and_: Callable[[Document], bool] = lambda _: True,
    ) -> Document:
        """The status once a condition says this of the grant's present generation."""
        return _reported(
            lambda: self.grant(name),
            type_,
            status=status,
            reason=reason,
            seconds=seconds,
            and_=and_,
        )

    def source_reported(
        self, type_: str, *, status: str = "True", reason: str | None = None, name: str = SOURCE
    ) -> Document:
        """The same of the source."""
        return _reported(
            lambda: self.world.api.get(self.source_path(name)), type_, status=status, reason=reason
        )

    def revision(self, number: int, *, name: str = GRANT, seconds: float = 20.0) -> Document:
        """The status once it has that revision, and the grant is Ready."""
        return self.reported(
            "Ready", name=name, seconds=seconds, and_=lambda body: body.get("revision") == number
        )

    # ---- the cloud

    def session_calls(self, *, source: str = SOURCE) -> int:
        """How many sessions STS was asked for by a source of this namespace."""
        name = f"{self.namespace}.{source}"
        calls = self.world.aws.calls(service="sts", action="AssumeRoleWithWebIdentity")
        return sum(call.parameters.get("RoleSessionName") == name for call in calls)


def after_the_second_of(status: Mapping[str, Any]) -> None:
    """Return when the second is over in which the key was issued: another in it would be equal."""
    issued_at = datetime.fromisoformat(status["issuedAt"])
    eventually(lambda: datetime.now(UTC) - issued_at >= timedelta(seconds=1))


def condition(status: Mapping[str, Any], type_: str) -> Document:
    """A condition of a status, its message without the link; empty where it is not there."""
    found: Document = next((c for c in status.get("conditions", []) if c["type"] == type_), {})
    return {**found, "message": without_link(found["message"])} if found else {}


def _reported(
    read: Callable[[], Document],
    type_: str,
    *,
    status: str,
    reason: str | None,
    seconds: float = 20.0,
    and_: Callable[[Document], bool] = lambda _: True,
) -> Document:
    seen: Document = {}

    def probe() -> Document | None:
        body = read()
        seen.clear()
        seen.update(body.get("status", {}))
        found = condition(seen, type_)
        holds = (
            found.get("status") == status
            and reason in (None, found.get("reason"))
            and found.get("observedGeneration") == body["metadata"]["generation"]
            and seen.get("observedGeneration") == body["metadata"]["generation"]
        )
        return dict(seen) if holds and and_(seen) else None

    return eventually(probe, seconds=seconds, reported=lambda: seen) or {}
