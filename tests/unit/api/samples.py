"""Resources for the unit tests: those of the examples, and every field of the contract."""

from functools import cache
from pathlib import Path
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.parsing import parse_grant, parse_source
from keywright.api.source import CredentialSource
from testbed.documents import documents

ROOT = Path(__file__).parents[3]


@cache
def contract() -> tuple[dict[str, Any], ...]:
    """Right resources that have every field of the contract among them."""
    text = (Path(__file__).parent / "contract.yaml").read_text(encoding="utf-8")
    return tuple(documents(text))


@cache
def schema(plural: str) -> dict[str, Any]:
    """The openAPIV3Schema of a CRD."""
    text = (ROOT / "crds" / f"{plural}.keywright.dev.yaml").read_text(encoding="utf-8")
    (definition,) = documents(text)
    found: dict[str, Any] = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def grant_body(**spec: object) -> dict[str, Any]:
    """A short-term grant as the API server gives it, with these parts of the spec changed."""
    return {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "ApiKeyGrant",
        "metadata": {
            "namespace": "chat",
            "name": "chat-key",
            "uid": "0f6f5d4c-6f3e-4d0c-9d54-5b1f2f1f7a11",
            "generation": 1,
            "resourceVersion": "7",
            "creationTimestamp": "2026-11-22T10:00:00Z",
        },
        "spec": {"sourceRef": {"name": "bedrock"}, "bedrockShortTermKey": {}} | spec,
    }


def source_body(**aws: object) -> dict[str, Any]:
    """A web identity source as the API server gives it, with these parts of `aws` changed."""
    identity = {
        "serviceAccountRef": {"name": "chat-bedrock"},
        "roleArn": "arn:aws:iam::123456789012:role/bedrock-invoker",
    }
    return {
        "metadata": {"namespace": "chat", "name": "bedrock", "uid": "s", "generation": 1},
        "spec": {"aws": {"region": "us-west-2", "webIdentity": identity} | aws},
    }


def grant(**spec: object) -> ApiKeyGrant:
    """The same, parsed."""
    return parsed_grant(grant_body(**spec))


def source(**aws: object) -> CredentialSource:
    """The same, parsed."""
    return parsed_source(source_body(**aws))


def parsed_grant(body: dict[str, Any]) -> ApiKeyGrant:
    """The grant of a body that is right."""
    found = parse_grant(body)
    assert isinstance(found, ApiKeyGrant), found
    return found


def parsed_source(body: dict[str, Any]) -> CredentialSource:
    """The source of a body that is right."""
    found = parse_source(body)
    assert isinstance(found, CredentialSource), found
    return found
