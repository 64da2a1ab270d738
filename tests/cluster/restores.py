"""Grants of each kind in one world, and what a backup tool does to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from testbed.clouds.aws.cloud import ACCOUNT
from testbed.readers import http_converse
from testbed.world import ROOT, World
from tests.cluster.eventually import eventually
from tests.cluster.gateway import GatewayTenant, gateway_tenants
from tests.cluster.long_term import LIMITED, LongTermTenant, tenants
from tests.cluster.tenants import KEY, Document, Tenant, condition

GUIDE = ROOT / "docs" / "operations.md"
AnyTenant = Tenant | LongTermTenant | GatewayTenant

SHORT = "bedrockShortTermKey"
LONG = "bedrockLongTermKey"
EXISTING = "bedrockLongTermKey, existing user, exclusive"
GATEWAY = "apiGatewayKey"
FILE = "apiGatewayKey, csvFrom"
KINDS = (SHORT, LONG, EXISTING, GATEWAY, FILE)


@dataclass(frozen=True, slots=True)
class Row:
    """How grants were backed up and restored; `label` is the first cell of the row in the guide."""

    label: str
    owned: bool = False
    with_status: bool = True
    old: bool = False
    deleted: bool = False


def rows() -> Iterator[Row]:
    """Every combination; after a deletion no copy is of a key that still exists."""
    for deleted in (False, True):
        for owned in (False, True):
            for with_status in (True, False):
                for old in (False,) if deleted else (False, True):
                    label = ", ".join(
                        (
                            f"{'with' if owned else 'without'} ownerReferences",
                            f"{'with' if with_status else 'without'} status",
                            "after a deletion" if deleted else ("old" if old else "current"),
                        )
                    )
                    yield Row(label, owned, with_status, old, deleted)


def expected(path: Path = GUIDE, *, heading: str) -> dict[tuple[str, str], int]:
    """The keys issued, by row and kind, as the table below a heading of the guide has them."""
    section = path.read_text().split(f"\n{heading}\n", 1)[1]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines is not None
    head, _, *body = [
        [cell.strip().replace("`", "") for cell in line.strip("|\n").split("|")]
        for line in lines[0].splitlines(keepends=False)
    ]
    return {
        (cells[0], kind): int(number)
        for cells in body
        for kind, number in zip(head[1:], cells[1:], strict=True)
    }


@dataclass(slots=True)
class Cell:
    """One grant of a kind; its name is that of its row."""

    kind: str
    name: str
    tenant: AnyTenant
    secret: Document = field(default_factory=dict)
    grant: Document = field(default_factory=dict)
    backed_up: set[str] = field(default_factory=set)

    def apply(self) -> None:
        """The grant."""
        tenant, name = self.tenant, self.name
        if isinstance(tenant, LongTermTenant):
            user: Document = {"name": self.user, "create": self.kind == LONG}
            if self.kind == LONG:
                user["permissionsBoundary"] = f"arn:aws:iam::{ACCOUNT}:policy/keywright-bedrock"
            else:
                tenant.iam.create_user(UserName=self.user, Path="/keywright/")
                tenant.iam.attach_user_policy(UserName=self.user, PolicyArn=LIMITED)
            tenant.apply_key(name=name, user=user, exclusive=self.kind == EXISTING)
        elif isinstance(tenant, GatewayTenant):
            requested = tenant.made_plan(name)
            spec: Document = {}
            if self.kind == FILE:
                lines = [f"{each},{tenant.value(f'{name}-{each}')},,true" for each in ("a", "b")]
                tenant.put_input(name, "\n".join(("name,key,description,enabled", *lines)))
                requested, spec = (
                    {**requested, **tenant.csv_from(name)},
                    {"secret": {"formats": None}},
                )
            tenant.apply_key(name=name, spec=spec, **requested)
        else:
            tenant.apply_grant(name=name)

    @property
    def user(self) -> str:
        """The IAM user of the grant."""
        return f"{self.tenant.namespace}-{self.name}"

    def keys(self) -> set[str]:
        """The keys that the cloud has for the grant; of a short-term key, the one in the Secret."""
        if isinstance(self.tenant, LongTermTenant):
            return set(self.tenant.listed(self.user))
        if isinstance(self.tenant, GatewayTenant):
            every = self.tenant.made_keys(self.name)
            return {str(key["id"]) for key in every}
        data = self.tenant.data(self.name) if self.tenant.has_secret(self.name) else {}
        return {data[KEY]} if KEY in data else set()

    def status(self) -> Document:
        """The status."""
        return self.tenant.status(self.name)

    def ready(self, and_: Callable[[Document], bool] = lambda _: True) -> Document:
        """The status once the grant is Ready."""
        return self.tenant.reported("Ready", name=self.name, seconds=60, and_=and_)

    def works(self) -> bool:
        """Whether a reader of the Secret is served."""
        data = self.tenant.data(self.name)
        if isinstance(self.tenant, LongTermTenant | GatewayTenant):
            return self.tenant.works(data)
        cloud = self.tenant.world.aws.client_environment()
        return bool(http_converse.call(data, cloud_environment=cloud).ok)

    def problem(self) -> str:
        """Why the grant is not settled; empty once cloud, Secret and status agree on one key."""
        grant = self.tenant.grant(self.name)
        status: Document = grant.get("status", {})
        ready = condition(status, "Ready")
        if ready.get("status") != "True" or status.get("retiring") or status.get("pending"):
            return f"{status}"
        if not self.tenant.has_secret(self.name):
            return "there is no Secret"
        annotations = self.tenant.secret(self.name)["metadata"]["annotations"]
        if not annotations["keywright.dev/owner"].endswith(grant["metadata"]["uid"]):
            return "the Secret was written for another object"
        if self.kind == SHORT:
            return ""
        if status.get("objectUid") != grant["metadata"]["uid"]:
            return "the status was written for another object"
        if annotations["keywright.dev/key-id"] != status["keyId"]:
            return "Secret and status name different keys"
        found = self.key_ids()
        return "" if found == {status["keyId"]} else f"{found} exist, and {status['keyId']} is used"

    def key_ids(self) -> set[str]:
        """The keys that the cloud has for the grant, as its status names them."""
        if isinstance(self.tenant, GatewayTenant):
            return set(self.tenant.keys(self.name))
        return self.keys()

    def back_up(self) -> None:
        """Secret and grant, as they are now."""
        self.secret, self.grant = self.tenant.secret(self.name), self.tenant.grant(self.name)
        self.backed_up = self.keys()

    def ask_for_renewal(self) -> None:
        """By the annotation."""
        requested = {"keywright.dev/renew-requested-at": datetime.now(UTC).isoformat()}
        self.tenant.annotate_grant(name=self.name, **requested)

    def delete(self) -> None:
        """The grant, in the background."""
        self.tenant.world.api.delete(self.tenant.grant_path(self.name))

    def gone(self) -> None:
        """Return when grant and Secret are gone."""
        api = self.tenant.world.api
        for path in (self.tenant.grant_path(self.name), self.tenant.secret_path(self.name)):
            eventually(lambda path=path: not api.exists(path), seconds=60)  # type: ignore[misc]

    def lose(self) -> None:
        """The grant vanishes without its finalizer, as with a cluster; no operator runs."""
        path = self.tenant.grant_path(self.name)
        if self.tenant.world.api.exists(path):
            self.tenant.patch(path, {"metadata": {"finalizers": None}})
            self.delete()

    def restore(self, row: Row, world: World) -> None:
        """As a backup tool does, into a cluster; its garbage collector does the rest."""
        secret = without_server_fields(self.secret)
        if not row.owned:
            del secret["metadata"]["ownerReferences"]
        world.api.create(secret)
        if row.owned:
            path = self.tenant.secret_path(self.name)
            eventually(lambda: not world.api.exists(path), seconds=60)
        made = world.api.create(without_server_fields(self.grant))
        if row.with_status:
            made["status"] = self.grant["status"]
            world.api.request("PUT", f"{self.tenant.grant_path(self.name)}/status", body=made)


def without_server_fields(body: Document) -> Document:
    """An object without its status, and without what the API server fills in."""
    kept = {
        name: value
        for name, value in body["metadata"].items()
        if name in {"name", "namespace", "labels", "annotations", "ownerReferences", "finalizers"}
    }
    return {k: v for k, v in body.items() if k != "status"} | {"metadata": kept}


@dataclass(slots=True)
class Stage:
    """A namespace for each family of kinds, in one world."""

    world: World
    short: Tenant
    long: LongTermTenant
    gateway: GatewayTenant

    @classmethod
    def of(cls, world: World) -> Stage:
        """Namespaces with sources."""
        short = Tenant(world, name="restored")
        short.prepare()
        long, gateway = (
            next(tenants(world, name="restored"))(),
            next(gateway_tenants(world, name="restored"))(),
        )
        short.apply_source()
        long.apply_source(sessionDuration=None)
        gateway.apply_source()
        return cls(world, short, long, gateway)

    def cell(self, kind: str, name: str) -> Cell:
        """A grant of that kind, not applied yet."""
        by_kind = {SHORT: self.short, LONG: self.long, EXISTING: self.long}
        suffix = {EXISTING: "-x", FILE: "-f"}.get(kind, "")
        return Cell(kind, f"{name}{suffix}", by_kind.get(kind, self.gateway))
