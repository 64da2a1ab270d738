"""A credential, and Secrets as the API server shows them."""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.names import FIELD_MANAGER
from keywright.api.sensitive import Sensitive
from keywright.secrets.credential import Credential
from keywright.secrets.fingerprint import KeyFacts, fingerprint, key_identity
from keywright.secrets.manifest import manifest
from keywright.secrets.recovery import Record
from keywright.secrets.rendering import render
from tests.unit.api.samples import source

TOKEN = "bedrock-api-key-cGxhbnRlZA=="
ISSUED = datetime(2026, 11, 22, 10, tzinfo=UTC)
EXPIRES = ISSUED + timedelta(hours=12)
HASH_KEY = b"operator's own"
REVISION = 3


def credential(
    *, token: str = TOKEN, region: str = "us-west-2", expires_at: datetime | None = EXPIRES
) -> Credential:
    """A short-term key that lasts twelve hours."""
    return Credential(
        values={"apiKey": Sensitive(token)},
        region=region,
        account_id="123456789012",
        key_id=None,
        issued_at=ISSUED,
        expires_at=expires_at,
    )


def fingerprint_of(grant: ApiKeyGrant, *, made: Credential) -> str:
    """The fingerprint of the grant's Secret with this credential."""
    return fingerprint(
        key_identity=key_identity(grant, source=source()),
        data=render(grant, credential=made),
        values=made.values,
        facts=facts_of(grant, made=made),
        key=HASH_KEY,
        namespace="chat",
    )


def earlier_fingerprint(
    identity: str, *, data: Mapping[str, str], values: Mapping[str, Sensitive], salt: str = ""
) -> str:
    """The fingerprint of an earlier version: without the facts, and unsalted without `salt`."""

    def digest(of: str, content: Mapping[str, str]) -> str:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        label = f"{of} in {salt}" if salt else of
        return hmac.digest(HASH_KEY, f"{label}\n{text}".encode(), "sha256").hex()[:32]

    opened = {name: value.reveal() for name, value in values.items()}
    return f"{identity}.{digest('data', data)}.{digest('values', opened)}"


def facts_of(grant: ApiKeyGrant, *, made: Credential) -> KeyFacts:
    """What the Secret says about the credential."""
    key_id = made.key_id if grant.managed is not None else None
    return KeyFacts(key_id, issued_at=made.issued_at, expires_at=made.expires_at, revision=REVISION)


def record_of(grant: ApiKeyGrant, *, made: Credential) -> Record:
    """What Secret and status record about the credential."""
    return Record(fingerprint_of(grant, made=made), facts=(facts_of(grant, made=made),))


def manifest_of(grant: ApiKeyGrant) -> dict[str, Any]:
    """What is applied for the grant."""
    made = credential()
    return manifest(
        grant,
        data=render(grant, credential=made),
        issued_at=made.issued_at,
        expires_at=made.expires_at,
        renew_at=ISSUED + timedelta(hours=8),
        revision=REVISION,
        fingerprint=fingerprint_of(grant, made=made),
    )


def metadata_after_apply(body: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata that the API server shows of a Secret that was applied as `body`."""
    meta = body["metadata"]
    owners: dict[str, Any] = {
        f'k:{{"uid":"{owner["uid"]}"}}': {} for owner in meta.get("ownerReferences", ())
    }
    fields = {
        "f:data": {".": {}, **{f"f:{key}": {} for key in body.get("data", ())}},
        "f:metadata": {
            "f:annotations": {f"f:{key}": {} for key in meta.get("annotations", ())},
            "f:labels": {f"f:{key}": {} for key in meta.get("labels", ())},
            "f:ownerReferences": owners,
        },
        "f:type": {},
    }
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}
    return {**meta, "uid": "secret-uid", "resourceVersion": "9", "managedFields": [entry]}
