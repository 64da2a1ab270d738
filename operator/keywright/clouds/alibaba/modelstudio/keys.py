"""API keys of Model Studio, each with the mark of its grant in its description.

The ID of a key is `<account>/<region>/<key>`: sufficient to delete it, whatever the spec says then.
Model Studio shows the value of a key once, and has no token for idempotency: after a create without
a response, the key is found by its description, deleted, and another one is created.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keywright.api.grant import ApiKeyGrant
from keywright.api.model_studio_keys import ModelStudioKey
from keywright.api.source import CredentialSource
from keywright.clouds.alibaba.api_calls import Call
from keywright.clouds.alibaba.context import DEFAULT_LIMITS, AlibabaContext, limits_of
from keywright.clouds.alibaba.modelstudio import marks
from keywright.clouds.alibaba.modelstudio.client import (
    ListedKey,
    ModelStudioApi,
    Permissions,
    has_permissions,
)
from keywright.clouds.http import Timeouts
from keywright.clouds.interfaces import (
    NO_EVIDENCE,
    Evidence,
    Intent,
    IssuedKey,
    Session,
    whole_seconds,
)
from keywright.clouds.owner_tags import CLUSTER_TAG, Owned, OwnerMark, is_retained
from keywright.planning.key_ownership import owned_by_another_cluster
from keywright.planning.state import CloudKey, KeyFault
from keywright.secrets.credential import API_KEY, Credential

ACTIONS: Final = (
    "CreateApiKey",
    "ListApiKeys",
    "GetApiKey",
    "UpdateApiKey",
    "DisableApiKey",
    "DeleteApiKey",
)


def permissions(keys: Sequence[ModelStudioKey]) -> Iterator[dict[str, Any]]:
    """The least for creation, edits, rotation and deletion.

    RAM accepts only `*` as the resource of these actions (the page "RAM authorization" of the API).
    """
    if keys:
        actions = [f"modelstudio:{action}" for action in ACTIONS]
        yield {"Effect": "Allow", "Action": actions, "Resource": "*"}


@dataclass(frozen=True, slots=True)
class ModelStudioKeys:
    """The keys of one grant, with one session; implements `clouds.interfaces.ManagedKeys`."""

    key: ModelStudioKey
    grant: ApiKeyGrant
    source: CredentialSource
    session: Session
    context: AlibabaContext
    evidence: Evidence = NO_EVIDENCE

    async def prepare(self, known: frozenset[str]) -> None:
        """Set the permissions of the grant's keys in this region to the spec."""
        for key_id in self._here(known):
            api, name = self._api(self.region), parts_of(key_id)[2]
            found = await api.find(name)
            if found is None or not self._covers(found, key_id):
                continue
            if not has_permissions(found, self.key):
                wanted = Permissions.of(self.key)
                await api.update(name, wanted, description=self._description_of(found))

    async def list_keys(self, known: frozenset[str]) -> tuple[CloudKey, ...]:
        """The keys that were created for the grant, and those with known IDs."""
        found: dict[str, CloudKey] = {}
        for region in sorted(
            {parts_of(each)[1] for each in self._of_account(known)} | {self.region}
        ):
            for item in await self._all_in(region, known):
                key = await self._seen(item, region=region, known=known)
                if key is not None:
                    found[key.id] = key
        return tuple(found.values())

    async def find_fault(self, key_id: str, known: frozenset[str], parts: int) -> KeyFault | None:
        """MISSING if the key is deleted or disabled, or the grant has keys that are not known."""
        del parts  # an ID stands for one key here
        account, region, name = parts_of(key_id)
        if account != self.account:
            return None
        listed = await self.context.listings.get(
            ("modelstudio", account, region),
            lambda: self._list_by_owner(region),
            source=self.source,
        )
        mine = listed.get(marks.owner_hash(self.mark.owner), {})
        own_cluster = marks.cluster_hash(self.mark.identity.cluster_id)
        unknown = {
            self._id(each, region=region)
            for each, description in mine.values()
            if description.cluster == own_cluster and not description.retain
        } - known
        if unknown:
            return KeyFault.MISSING
        held = mine.get(name)
        return None if held is not None and held[0].active else KeyFault.MISSING

    async def create(self, intent: Intent) -> IssuedKey:
        """Create a key, by one call that is never repeated."""
        now = whole_seconds(self.context.clock())
        name, value = await self._api(self.region).create(
            self.key, description=marks.description(self.mark, intent=intent.name)
        )
        return IssuedKey(
            Credential(
                values={API_KEY: value},
                region=self.region,
                account_id=self.account,
                key_id=f"{self.account}/{self.region}/{name}",
                issued_at=now,
                expires_at=None,
                provider=self.source.provider,
            )
        )

    async def deactivate(self, key_ids: tuple[str, ...]) -> None:
        """Disable the keys; a deleted one is not an error."""
        for key_id in self._of_account(key_ids):
            _, region, name = parts_of(key_id)
            found = await self._api(region).find(name)
            if found is not None and self._covers(found, key_id):
                await self._api(region).disable(name)

    async def remove(
        self, key_ids: tuple[str, ...], *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """Delete the keys; returns the IDs of those that it cannot reach."""
        del and_holder  # the grant is the owner
        reachable = frozenset(self._of_account(key_ids))
        left = [key_id for key_id in key_ids if key_id not in reachable]
        for key_id in sorted(reachable):
            _, region, name = parts_of(key_id)
            found = await self._api(region).find(name)
            if found is None:
                continue
            if self._covers(found, key_id):
                await self._api(region).delete(name)
            elif self._owned(found) is not Owned.ELSEWHERE:
                left.append(key_id)
        return tuple(left)

    # ---- one key

    async def _seen(
        self, item: ListedKey, *, region: str, known: frozenset[str]
    ) -> CloudKey | None:
        """A listed key, if it is the grant's; it gets a missing mark."""
        key_id = self._id(item, region=region)
        tags = self._tags(item)
        if self._owned(item) is Owned.ELSEWHERE:
            claimed = key_id in known or self.mark.is_claimed(tags)
            if claimed and not self.grant.deleting:
                raise owned_by_another_cluster(self.grant, what=f"the API key {item.id}")
            return None
        owned = self._owned(item)
        issued = owned is Owned.OWNED or (owned is Owned.FORMER and not is_retained(tags))
        if not issued and not (key_id in known and self._covers(item, key_id)):
            return None
        await self._mark_on_sight(item, key_id, region=region)
        return CloudKey(
            id=key_id,
            created_at=item.created_at,
            active=item.active,
            in_current_holder=region == self.region,
            marked=True,
            issued=issued,
        )

    async def _mark_on_sight(self, item: ListedKey, key_id: str, *, region: str) -> None:
        """Write the mark on a key of the grant whose description lacks it or is outdated.

        A key of a former grant of the name keeps its own, unless it is taken over. Permissions stay
        as they are: a key that is retained may have others than the spec that is left of its grant.
        """
        tags = self._tags(item)
        missing = self.mark.missing(tags) or is_retained(tags) != self.mark.retain
        former = self._owned(item) is Owned.FORMER and CLUSTER_TAG in tags
        taken = former and tags[CLUSTER_TAG] != self.mark.identity.cluster_id
        left = former and not taken and key_id not in self.evidence.proven
        goes = self.grant.deleting and not self.mark.retain
        if missing and not left and not goes:
            description = self._description_of(item)
            permissions = Permissions.listed(item)
            await self._api(region).update(item.id, permissions, description=description)

    def _covers(self, item: ListedKey, key_id: str) -> bool:
        """Whether a key may be changed: by its mark, or by the proof of its ID.

        The proof counts if the description is another author's, as if a person had edited it.
        """
        if self._owned(item) in {Owned.OWNED, Owned.FORMER}:
            return True
        unmarked = marks.parse(item.description) is None
        return unmarked and key_id in self.evidence.proven

    def _tags(self, item: ListedKey) -> dict[str, str]:
        return dict(marks.tags_of(marks.parse(item.description), mark=self.mark))

    def _owned(self, item: ListedKey) -> Owned:
        return self.mark.owned(self._tags(item))

    def _description_of(self, item: ListedKey) -> str:
        """The description with the present mark, and the intent that the key was created by."""
        found = marks.parse(item.description)
        return marks.description(self.mark, intent="" if found is None else found.intent)

    # ---- listings

    async def _all_in(
        self, region: str, known: frozenset[str], *, limits: Timeouts | None = None
    ) -> list[ListedKey]:
        """The keys of a region; those with known IDs also if the listing does not show them.

        The workspace is listed by itself as well: the API does not say that a listing without one
        shows the keys of all workspaces.
        """
        api = self._api(region, limits=limits)
        found = {item.id: item for item in await api.list_keys()}
        if self.key.workspace_id is not None and region == self.region:
            more = await api.list_keys(workspace_id=self.key.workspace_id)
            found |= {item.id: item for item in more}
        for key_id in self._of_account(known):
            _, place, name = parts_of(key_id)
            if place == region and name not in found:
                one = await api.find(name)
                if one is not None:
                    found[name] = one
        return list(found.values())

    async def _list_by_owner(
        self, region: str
    ) -> dict[str, dict[str, tuple[ListedKey, marks.Description]]]:
        """All marked keys of a region by the grants that their descriptions name, then by ID.

        Other sources share it, so the timeouts of this one do not apply.
        """
        found: dict[str, dict[str, tuple[ListedKey, marks.Description]]] = {}
        for item in await self._all_in(region, frozenset(), limits=DEFAULT_LIMITS):
            description = marks.parse(item.description)
            if description is not None:
                found.setdefault(description.owner, {})[item.id] = (item, description)
        return found

    # ---- naming

    @property
    def region(self) -> str:
        """The region in which the key is valid."""
        return self.grant.region(self.source)

    @property
    def account(self) -> str:
        """The account of the session."""
        return self.session.identity.split(":")[3]

    @property
    def mark(self) -> OwnerMark:
        """The mark that distinguishes the grant's keys."""
        return OwnerMark.of(self.grant)

    def _id(self, item: ListedKey, *, region: str) -> str:
        return f"{self.account}/{region}/{item.id}"

    def _of_account(self, key_ids: Iterable[str]) -> list[str]:
        """The IDs of this account; other texts are skipped."""
        return [each for each in key_ids if all(parts_of(each)) and self._is_own(each)]

    def _is_own(self, key_id: str) -> bool:
        account, _, name = parts_of(key_id)
        return account == self.account and name.isascii() and name.isdigit()

    def _here(self, key_ids: Iterable[str]) -> list[str]:
        return [each for each in self._of_account(key_ids) if parts_of(each)[1] == self.region]

    def _api(self, region: str, *, limits: Timeouts | None = None) -> ModelStudioApi:
        call = Call(
            by=self.session,
            source=self.source,
            tenant=self.grant.namespace,
            limits=limits or limits_of(self.source),
        )
        return ModelStudioApi(self.context.api, call, region=region, identity=self.session.identity)


def parts_of(key_id: str) -> tuple[str, str, str]:
    """Account, region and key of an ID; empty for any other text."""
    account, _, rest = key_id.partition("/")
    region, _, name = rest.partition("/")
    return account, region, name
