"""Lists what the sources of a cluster can see in their clouds, each account and Region once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from keywright.api.errors import Failure
from keywright.api.keys import KeyKind
from keywright.api.source import CredentialSource, Provider
from keywright.cli.auditing.findings import parts_of
from keywright.cli.auditing.grants import GrantFacts
from keywright.cli.auditing.progress import Progress
from keywright.cli.doctor_source import Tools
from keywright.clouds.alibaba.api_calls import Call
from keywright.clouds.alibaba.context import limits_of
from keywright.clouds.alibaba.modelstudio.client import ModelStudioApi
from keywright.clouds.alibaba.modelstudio.marked_keys import ModelStudioListing, list_marked
from keywright.clouds.aws.clients import account_of
from keywright.clouds.aws.iam.ownership import parts
from keywright.clouds.aws.marked_resources import (
    GatewayListing,
    IamListing,
    list_gateway,
    list_iam,
)
from keywright.clouds.interfaces import Session
from keywright.clouds.rate_limit import pace_key

Connect = Callable[[CredentialSource], Tools]


@dataclass(frozen=True, slots=True)
class Access:
    """The session of a source, with which its account is listed and changed."""

    source: CredentialSource
    session: Session
    tools: Tools

    def model_studio(self, region: str) -> ModelStudioApi:
        """The calls of Model Studio in a region of Alibaba Cloud."""
        call = Call(
            by=self.session,
            source=self.source,
            tenant=self.source.namespace,
            limits=limits_of(self.source),
        )
        return ModelStudioApi(self.tools.api, call, region=region, identity=self.session.identity)

    async def run(self, service: str, call: Callable[[Any], Any], *, region: str) -> Any:
        """Call a service of AWS in a thread."""
        return await self.tools.calls.run(
            service,
            call,
            region=region,
            tenant=self.source.namespace,
            session=self.session,
            pace=pace_key(self.source, account=account_of(self.session)),
        )


@dataclass(slots=True)
class Listings:
    """What the sources can see; `notes` has what they cannot, `access` the sources by account."""

    iam: dict[str, IamListing] = field(default_factory=dict)
    gateway: dict[tuple[str, str], GatewayListing] = field(default_factory=dict)
    studios: dict[tuple[str, str], ModelStudioListing] = field(default_factory=dict)
    access: dict[str, list[Access]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


async def list_clouds(
    sources: Iterable[CredentialSource],
    *,
    connect: Connect,
    grants: Mapping[str, GrantFacts],
    regions: Mapping[tuple[str, str], Collection[str]],
    listed: Collection[str],
    progress: Progress,
) -> Listings:
    """List the accounts of the sources.

    `regions` are those of each source. `listed` are the IDs of keys that could not be revoked.
    """
    found = Listings()
    ids = {key_id for grant in grants.values() for key_id in grant.key_ids} | set(listed)
    for source in sources:
        name = f"source {source.namespace}/{source.name}"
        progress.show(f"{name}: opening a session")
        tools = connect(source)
        try:
            session, caller = await tools.provider.verify(source)
        except Failure as failure:
            found.notes.append(f"{name} cannot be used: {failure.reason}: see keywright doctor")
            continue
        access = Access(source, session, tools)
        found.access.setdefault(caller.account_id, []).append(access)
        listing = _Listing(found, access, caller.account_id, name, progress)
        if source.provider is Provider.ALIBABA_CLOUD:
            for region in sorted(regions[source.object_key]):
                await listing.model_studio(region, grants=grants.values(), ids=ids)
            continue
        await listing.iam(also={user for account, user, _ in map(parts, ids) if account})
        for region in sorted(regions[source.object_key]):
            await listing.gateway(region)
    return found


@dataclass(frozen=True, slots=True)
class _Listing:
    """The listings of one account by one source; those that another source made are skipped."""

    found: Listings
    access: Access
    account: str
    name: str
    progress: Progress

    async def iam(self, *, also: Collection[str]) -> None:
        if self.account in self.found.iam:
            return
        title = f"account {self.account}: IAM users"
        report = self._report(title)
        listed = await self._listed(
            "iam", partial(list_iam, also=also, progress=report), self.access.source.region
        )
        if listed is None:
            return
        self.found.iam[self.account] = listed
        self.progress.end(f"{title}: {len(listed.names)}, {len(listed.marked)} with tags")
        unread = [user.name for user in listed.marked if user.credentials is None]
        if unread or None in listed.others.values():
            self.found.notes.append(f"{self.name} cannot list the keys of IAM users: AccessDenied")
        if any(user.access_keys is None for user in listed.marked):
            self.found.notes.append(
                f"{self.name} cannot list the access keys of IAM users: AccessDenied"
            )

    async def gateway(self, region: str) -> None:
        if (self.account, region) in self.found.gateway:
            return
        title = f"account {self.account}, {region}: API keys and usage plans"
        call = partial(list_gateway, region=region, progress=self._report(title))
        listed = await self._listed("apigateway", call, region)
        if listed is None:
            return
        self.found.gateway[self.account, region] = listed
        marked = sum(bool(each.marks.owner) for each in (*listed.keys, *listed.plans))
        number = len(listed.keys) + len(listed.plans)
        self.progress.end(f"{title}: {number}, {marked} with tags")

    async def model_studio(
        self, region: str, *, grants: Iterable[GrantFacts], ids: Collection[str]
    ) -> None:
        place = self.account, region
        if place in self.found.studios:
            return
        title = f"account {self.account}, {region}: Model Studio keys"
        self.progress.show(title)
        named = {parts_of(key_id)[2] for key_id in ids if parts_of(key_id)[:2] == place}
        workspaces = {
            grant.workspace
            for grant in grants
            if grant.kind is KeyKind.MODEL_STUDIO_KEY and region in grant.regions
        } - {""}
        try:
            listed = await list_marked(
                self.access.model_studio(region), workspaces=workspaces, also=named
            )
        except Failure as failure:
            self.found.notes.append(
                f"{self.name} cannot list Model Studio in {region}: {failure.reason}"
            )
            return
        self.found.studios[place] = listed
        self.progress.end(f"{title}: {len(listed.ids)}, {len(listed.marked)} with marks")

    def _report(self, title: str) -> Callable[[int], None]:
        return lambda number: self.progress.show(f"{title}: {number} so far")

    async def _listed(self, service: str, call: Callable[[Any], Any], region: str) -> Any:
        """The listing; None, with a note, if it is not allowed."""
        try:
            return await self.access.run(service, call, region=region)
        except Exception as error:  # any response of the cloud
            code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
            self.found.notes.append(
                f"{self.name} cannot list {service}: {code or type(error).__name__}"
            )
            return None
