"""A namespace whose grants are keys of Alibaba Cloud Model Studio."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from testbed.clouds.alibaba.cloud import ACCOUNT
from testbed.readers import model_studio
from testbed.readers.answers import Answer
from testbed.world import EXAMPLES
from tests.cluster.alibaba import AlibabaTenant
from tests.cluster.tenants import GRANT, Document, merged

EXAMPLE = EXAMPLES / "alibaba-model-studio"
KIND, TEMPORARY = "modelStudioKey", "modelStudioTemporaryKey"
KEY = "DASHSCOPE_API_KEY"
REGION = "cn-beijing"
HOST = "dashscope.aliyuncs.com"
SOURCE, PARENT = "alibaba", "parent"


def permissions() -> Document:
    """The permissions policy of the example."""
    found: Document = json.loads((EXAMPLE / "permissions-policy.json").read_text())
    return found


class ModelStudioTenant(AlibabaTenant):
    """A tenant whose role has the permissions of the example and no more."""

    role_name = ""
    region = REGION

    def prepare(self) -> None:
        """As for other sources of Alibaba Cloud, with the role of the example."""
        super().prepare()
        self.role_name = f"{self.namespace}-studio"
        self.world.alibaba.create_role(
            name=self.role_name,
            trust_policy=self.trust_of_token(),
            policies={"permissions": permissions()},
        )

    @property
    def role_arn(self) -> str:
        """The role of the source."""
        return f"acs:ram::{ACCOUNT}:role/{self.role_name}"

    def permit(self, policy: Document) -> None:
        """Replace the permissions of the role."""
        self.world.alibaba.put_role_policy(self.role_arn, name="permissions", document=policy)

    def apply_source(self, *, name: str = SOURCE, **web_identity: Any) -> None:
        """The source with the role."""
        identity = {"oidcRoleArn": self.by_token(self.role_arn, **web_identity)}
        self.apply(self.alibaba_source(name=name, regionId=self.region, **identity))

    def grant_body(self, *, name: str = GRANT, source: str = SOURCE, **spec: Any) -> Document:
        """A grant of that source."""
        body: Document = {
            "apiVersion": "keywright.dev/v1alpha1",
            "kind": "ApiKeyGrant",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"sourceRef": {"name": source}},
        }
        return merged(body, {"spec": spec})

    def apply_grant(self, *, name: str = GRANT, source: str = SOURCE, **spec: Any) -> None:
        """Apply it."""
        super().apply_grant(name=name, source=source, **spec)

    def key_spec(self, **changed: Any) -> Document:
        """`spec.modelStudioKey`, with an overlap that a test can wait for."""
        return {"rotateEvery": "7d", "overlap": "2s", **changed}

    def apply_key(self, *, name: str = GRANT, spec: Document | None = None, **key: Any) -> None:
        """A grant of a long-lived key."""
        self.apply_grant(name=name, **{KIND: self.key_spec(**key), **(spec or {})})

    def key_ready(self, *, name: str = GRANT, spec: Document | None = None, **key: Any) -> Document:
        """Source and grant, applied; the status once the grant is Ready."""
        self.apply_source()
        self.apply_key(name=name, spec=spec, **key)
        return self.ready(name=name)

    def edit_key(self, **fields: Any) -> None:
        """Merge into `spec.modelStudioKey`."""
        self.edit_grant(modelStudioKey=fields)

    def apply_temporary(self, *, name: str = GRANT, source: str = PARENT, **key: Any) -> None:
        """A grant of temporary keys."""
        self.apply_grant(name=name, source=source, modelStudioTemporaryKey=key)

    def temporary_ready(self, *, spec: Document | None = None, **key: Any) -> Document:
        """A long-lived key made by hand, its source, and a grant of temporary ones."""
        value = self.world.alibaba.create_model_studio_key(region=REGION)
        self.create_released_secret(name=PARENT, ALIBABA_CLOUD_BEARER_TOKEN=value)
        self.apply_parent()
        self.apply_grant(source=PARENT, **{TEMPORARY: key, **(spec or {})})
        return self.ready()

    def apply_parent(self, region: str = REGION) -> None:
        """The source of temporary keys."""
        identity = {"bearer": {"secretRef": {"name": PARENT}}}
        self.apply(self.alibaba_source(name=PARENT, regionId=region, **identity))

    # ---- the cloud

    def keys(self) -> dict[str, Document]:
        """The keys in the cloud whose descriptions name this namespace, by the IDs of grants."""
        return {
            f"{found['account']}/{found['region']}/{found['id']}": found
            for found in self.world.alibaba.model_studio_keys()
            if found["description"].startswith(f"keywright {self.namespace}/")
        }

    def live_keys(self) -> set[str]:
        """The ids of all keys in the cloud that were made for the namespace."""
        return set(self.keys())

    def works(self) -> bool:
        """Whether a reader of the Secret is served."""
        return self.ask().ok

    def leftovers(self) -> list[str]:
        """What is in the cloud of the grant."""
        return sorted(self.keys())

    def ask(self, name: str = GRANT, **changed: str) -> Answer:
        """One prompt of the SDK dashscope, in a pod with the Secret."""
        data = {**self.data(name), **changed}
        return model_studio.call(data, cloud_environment=self.world.client_environment())

    def ask_openai(self, name: str = GRANT, **changed: str) -> Answer:
        """One prompt of OpenAI's SDK, in a pod with the Secret."""
        data = {**self.data(name), **changed}
        return model_studio.call_openai(data, cloud_environment=self.world.client_environment())


def renew(tenant: ModelStudioTenant, *, revision: int) -> None:
    """Request a renewal, and wait until the next key is in the Secret."""
    now = datetime.now(UTC).isoformat()
    tenant.annotate_grant(**{"keywright.dev/renew-requested-at": now})
    tenant.revision(revision)
