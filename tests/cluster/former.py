"""What the tests of former Secrets have in common: a changed name, and what is left behind."""

from __future__ import annotations

from typing import Any

from tests.cluster.tenants import GRANT, KEY, Document, Tenant

NEW = "renamed"
SPEC = {"labels": {"team": "chat"}, "annotations": {"example.com/owner": "chat"}}


def rename(tenant: Tenant, name: str = NEW, **secret: Any) -> Document:
    """Change the name; the status once the grant is Ready with the new Secret."""
    tenant.edit_grant(secret={"name": name, **secret})
    return tenant.reported("Ready", and_=lambda status: status.get("secretName") == name)


def is_cleared(tenant: Tenant, name: str = GRANT) -> bool:
    """Whether nothing of a grant is left in the Secret."""
    secret = tenant.secret(name)
    metadata = secret["metadata"]
    marks = [*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})]
    return (
        not any("keywright" in mark or mark.startswith("app.kubernetes.io") for mark in marks)
        and not metadata.get("ownerReferences")
        and not (secret.get("data") or {}).keys() & {KEY, "AWS_REGION", "OPENAI_API_KEY"}
    )


def former(tenant: Tenant, name: str = GRANT) -> Document:
    """What the status says of a Secret that was left behind."""
    found: list[Document] = tenant.status().get("formerSecrets", [])
    return next((each for each in found if each["name"] == name), {})
