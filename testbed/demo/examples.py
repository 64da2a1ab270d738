"""The folders of examples/ for the demo: without pods, since nothing runs them here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testbed.world import EXAMPLES

WITHOUT = ("pod.yaml", "deployment.yaml")


@dataclass(frozen=True, slots=True)
class Example:
    """A folder with a kustomization, and its documents."""

    name: str
    documents: tuple[dict[str, Any], ...]

    def of_kind(self, kind: str) -> Iterator[dict[str, Any]]:
        """The documents of one kind."""
        return (document for document in self.documents if document["kind"] == kind)


@dataclass(frozen=True, slots=True)
class WantedRole:
    """The role of a CredentialSource, and the ServiceAccount that it trusts."""

    name: str
    namespace: str
    service_account: str


def examples() -> list[Example]:
    """Every example that the demo supports, by name."""
    folders = sorted(file.parent for file in EXAMPLES.glob("*/kustomization.yaml"))
    return [example for example in map(_of_folder, folders) if is_served(example)]


def example_of(name: str) -> Example:
    """One example, whether the demo's other clients can use it or not."""
    return _of_folder(EXAMPLES / name)


def _of_folder(folder: Path) -> Example:
    return Example(name=folder.name, documents=tuple(_documents(folder)))


def is_served(example: Example) -> bool:
    """Whether the demo's clients can use its Secrets, and its cloud can be prepared for it.

    The clients call Bedrock with a short-term key, with any model; a role is created for each web
    identity, but no role chains or access keys. No controller restarts workloads.
    """
    sources = [source["spec"].get("aws", {}) for source in example.of_kind("CredentialSource")]
    return all(
        "bedrockShortTermKey" in grant["spec"]
        and "allowedModels" not in grant["spec"]["bedrockShortTermKey"]
        and "rollout" not in grant["spec"]
        for grant in example.of_kind("ApiKeyGrant")
    ) and all("webIdentity" in aws and "assumeRoles" not in aws for aws in sources)


def wanted_roles(example: Example) -> Iterator[WantedRole]:
    """The roles to create in the cloud for the example."""
    for source in example.of_kind("CredentialSource"):
        identity = source["spec"].get("aws", {}).get("webIdentity")
        if identity is not None:
            yield WantedRole(
                name=identity["roleArn"].rpartition("/")[2],
                namespace=source["metadata"]["namespace"],
                service_account=identity["serviceAccountRef"]["name"],
            )


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    for name in listed:
        if name not in WITHOUT:
            yield from filter(None, yaml.safe_load_all((folder / name).read_text()))
