"""Long-term API keys of any service: service-specific credentials of an IAM user.

The ID of a key is `<account>/<user>/<credential>`: sufficient to delete it, whatever the spec says
then.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from keywright.api.errors import Failure, FailureClass
from keywright.api.grant import ApiKeyGrant
from keywright.api.source import CredentialSource
from keywright.api.user_key import UserKey
from keywright.clouds.answer_values import (
    BEDROCK_SECRET,
    CREDENTIAL_ID,
    USER_NAME,
    moment,
    part,
    secret,
    text,
)
from keywright.clouds.aws.clients import AwsContext
from keywright.clouds.aws.iam import user as iam_user
from keywright.clouds.aws.iam.errors import (
    ACCESS_DENIED,
    NO_SUCH_ENTITY,
    failure_from_iam,
    iam_code,
    no_such_user,
    user_in_use,
)
from keywright.clouds.aws.iam.ownership import UserOwnership, parts
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, Intent, IssuedKey, Session
from keywright.clouds.owner_tags import Owned
from keywright.clouds.rate_limit import pace_key
from keywright.planning.state import CloudKey, KeyFault
from keywright.secrets.credential import API_KEY, Credential

_LOG = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
_Listing = Mapping[str, Counter[str]]
"""The IDs of active keys, by account and user."""


@dataclass(frozen=True, slots=True)
class UserKeys:
    """The keys of one grant, with one session; implements `interfaces.ManagedKeys`."""

    key: UserKey
    grant: ApiKeyGrant
    source: CredentialSource
    session: Session
    context: AwsContext
    evidence: Evidence = NO_EVIDENCE

    async def prepare(self, known: frozenset[str]) -> None:
        """Create or update the user with tags, boundary and policies; not for an existing user."""
        del known
        if not self.key.user.create:
            return
        partition = self.session.identity.split(":")[1]
        await self._run(
            lambda client: iam_user.prepare(
                client,
                self.key,
                mark=self._users.mark,
                is_ours=lambda user: self._users.is_ours(client, user),
                partition=partition,
            )
        )

    async def list_keys(self, known: frozenset[str]) -> tuple[CloudKey, ...]:
        """The keys of the user, and of the other users in the known IDs.

        A user without Keywright's tags, although the grant creates users, belongs to another owner,
        and its keys are not shown. A user of the grant that lacks grant ID, cluster ID or the IDs
        of its keys gets these tags.
        """
        users = {user for account, user, _ in map(parts, known) if account == self._account}
        return await self._run(
            lambda client: tuple(
                key
                for user in sorted(users | {self.key.user.name})
                for key in self._listed(client, user)
            )
        )

    async def find_fault(self, key_id: str, known: frozenset[str], count: int) -> KeyFault | None:
        """MISSING if the key is deleted or inactive, or its user has keys that are not known.

        By one listing of the account if that is allowed, otherwise by one of the user.
        """
        del count  # an ID stands for one key here
        account, user, _ = parts(key_id)
        if account != self._account:
            return None
        every = await self.context.listings.get(
            ("iam", account, self._service),
            lambda: self._run(self._all_of_account),
            source=self.source,
        )
        if every is None:
            every = await self._run(lambda client: self._all_of_user(client, user))
        active = every.get(f"{account}/{user}", Counter()).keys()
        tagged = self.key.user.create or self.key.exclusive
        fine = key_id in active and (not tagged or active <= known)
        return None if fine else KeyFault.MISSING

    async def create(self, intent: Intent) -> IssuedKey:
        """Create a key, by one call that is never repeated; IAM generates its value."""
        del intent
        request: dict[str, Any] = {"UserName": self.key.user.name, "ServiceName": self._service}
        if self.key.expires_after_days is not None:
            request["CredentialAgeDays"] = self.key.expires_after_days
        answer = await self._run(
            lambda client: client.create_service_specific_credential(**request), attempts=1
        )
        made = part(answer, "ServiceSpecificCredential")
        await self._note(text(made.get("ServiceSpecificCredentialId"), CREDENTIAL_ID))
        ends_at = made.get("ExpirationDate")
        return IssuedKey(
            Credential(
                values={API_KEY: secret(made.get("ServiceCredentialSecret"), BEDROCK_SECRET)},
                region=self.grant.region(self.source),
                account_id=self._account,
                key_id=self._id(self.key.user.name, made),
                issued_at=moment(made.get("CreateDate"), what="CreateDate"),
                expires_at=None if ends_at is None else moment(ends_at, what="ExpirationDate"),
            )
        )

    async def _note(self, credential_id: str) -> None:
        """Record a new key in the tag of its user, if the user belongs to the grant."""

        def note(client: Any) -> None:
            user = iam_user.find(client, self.key.user.name, path=self._path)
            if user is not None and self._users.owned(user) is Owned.OWNED:
                ids = (*iam_user.key_ids_of(user), credential_id)
                iam_user.note_keys(client, user, ids, tags={})

        if not (self.key.user.create or self.key.exclusive):
            return
        try:
            await self._run(note)
        except Failure as failure:
            if failure.kind is FailureClass.DENIED and not self.key.user.create:
                return
            # The key exists and must reach its Secret; the next listing sets the tag.
            _LOG.warning("tagging the user of a new key failed: %s", failure.message_with_remedy())

    async def deactivate(self, key_ids: tuple[str, ...]) -> None:
        """Deactivate the keys; a deleted one is not an error."""
        await self._run(lambda client: self._deactivate(client, key_ids))

    async def remove(
        self, key_ids: tuple[str, ...], *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """Delete keys, and unused users created for the grant; returns IDs it cannot reach.

        `and_holder` also deletes the grant's user, if it was created for it and has no other keys.
        """
        left, in_use = await self._run(
            lambda client: self._remove(client, key_ids, and_holder=and_holder)
        )
        if in_use:
            failure = user_in_use(in_use)
            if and_holder and not left:
                raise failure
            _LOG.warning("%s", failure.message_with_remedy())
        return left

    # ---- run in a thread

    def _all_of_account(self, client: Any) -> _Listing | None:
        """All active keys by users, in pages; None if only single users may be listed."""
        found: dict[str, Counter[str]] = {}
        request: dict[str, Any] = {"AllUsers": True, "ServiceName": self._service}
        try:
            while True:
                answer = client.list_service_specific_credentials(**request)
                for user, ids in self._active(answer["ServiceSpecificCredentials"]).items():
                    found.setdefault(user, Counter()).update(ids)
                if not answer.get("IsTruncated"):
                    return found
                request["Marker"] = answer["Marker"]
        except client.exceptions.ClientError as error:
            if iam_code(error) == ACCESS_DENIED:
                return None
            raise

    def _all_of_user(self, client: Any, user: str) -> _Listing:
        try:
            answer = client.list_service_specific_credentials(
                UserName=user, ServiceName=self._service
            )
        except client.exceptions.ClientError as error:
            if iam_code(error) == NO_SUCH_ENTITY:
                return {}
            raise
        return self._active(answer["ServiceSpecificCredentials"])

    def _active(self, items: Iterable[Any]) -> dict[str, Counter[str]]:
        """The IDs of the active credentials, by user."""
        found: dict[str, Counter[str]] = {}
        for item in items:
            if item.get("Status") == "Active":
                user = text(item.get("UserName"), USER_NAME)
                name = f"{self._account}/{user}"
                found.setdefault(name, Counter())[self._id(user, item)] += 1
        return found

    def _listed(self, client: Any, user: str) -> list[CloudKey]:
        own = user == self.key.user.name and not self.key.user.create
        # Tags of an existing user are only set if the author declares it exclusive to the grant.
        tagged = not own or self.key.exclusive
        found = iam_user.find(client, user, path=self._path) if tagged else None
        if found is not None and self._users.is_elsewhere(found):
            return []
        marked = not own and found is not None and self._users.is_ours(client, found)
        ours = marked and found is not None and self._is_created(found)
        if not own and not marked and not self._users.is_proved(user):
            return []
        try:
            answer = client.list_service_specific_credentials(UserName=user)
        except client.exceptions.ClientError as error:
            if iam_code(error) not in {NO_SUCH_ENTITY, ACCESS_DENIED}:
                raise
            if iam_user.find(client, user, path=self._path) is None:
                return []
            raise
        items = [
            each for each in answer["ServiceSpecificCredentials"] if self._is_of_grant(user, each)
        ]
        issued = frozenset[str]()
        if found is not None and (marked or own):
            issued = self._users.tagged(client, found, user, items, needed=ours)
        return [self._key(user, item, ours=ours, issued=issued) for item in items]

    def _is_of_grant(self, user: str, item: Any) -> bool:
        """Whether a key is for the service, or the grant's own from before its spec changed."""
        service = item.get("ServiceName", self._service)
        return service == self._service or self._id(user, item) in self.evidence.proven

    def _key(self, user: str, item: Any, *, ours: bool, issued: frozenset[str]) -> CloudKey:
        key_id = self._id(user, item)
        tagged = item.get("ServiceSpecificCredentialId") in issued
        proved = key_id in self.evidence.proven or self._users.has_value(item)
        return CloudKey(
            id=key_id,
            created_at=moment(item.get("CreateDate"), what="CreateDate"),
            active=item.get("Status") == "Active",
            in_current_holder=user == self.key.user.name,
            marked=ours or tagged or proved,
            issued=tagged,
        )

    def _deactivate(self, client: Any, key_ids: tuple[str, ...]) -> None:
        for user, credential in self._reachable(client, key_ids):
            try:
                client.update_service_specific_credential(
                    UserName=user, ServiceSpecificCredentialId=credential, Status="Inactive"
                )
            except client.exceptions.ClientError as error:
                if iam_code(error) != NO_SUCH_ENTITY:
                    raise

    def _remove(
        self, client: Any, key_ids: tuple[str, ...], *, and_holder: bool
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The IDs it cannot reach, and the users that stay because they have keys of others."""
        reachable = self._reachable(client, key_ids)
        for user, credential in reachable:
            try:
                client.delete_service_specific_credential(
                    UserName=user, ServiceSpecificCredentialId=credential
                )
            except client.exceptions.ClientError as error:
                if iam_code(error) != NO_SUCH_ENTITY:
                    raise
        left = sorted({user for user, _ in reachable} - {self.key.user.name})
        if and_holder and self.key.user.create:
            left.append(self.key.user.name)
        elif and_holder and self.key.exclusive:
            self._users.untag(client, iam_user.find(client, self.key.user.name, path=None))
        removed = frozenset(credential for _, credential in reachable)
        in_use = tuple(user for user in left if not self._leave(client, user, removed=removed))
        touched = {f"{self._account}/{user}/{credential}" for user, credential in reachable}
        unreachable = tuple(
            key_id
            for key_id in key_ids
            if key_id not in touched and not self._is_gone(client, key_id)
        )
        return unreachable, in_use

    def _is_gone(self, client: Any, key_id: str) -> bool:
        """Whether the user of a key of this account is deleted, or belongs to another cluster."""
        account, user, _ = parts(key_id)
        if account != self._account:
            return False
        found = iam_user.find(client, user, path=self._path)
        return found is None or self._users.owned(found) is Owned.ELSEWHERE

    def _leave(self, client: Any, user: str, *, removed: frozenset[str]) -> bool:
        """Delete a user that Keywright created for the grant; False if it has keys of others.

        An existing user only loses Keywright's tags, once none of its keys are the grant's. IAM may
        still list the keys that were just `removed`.
        """
        found = iam_user.find(client, user, path=self._path)
        if found is None or not self._users.is_ours(client, found):
            return True
        if self._is_created(found):
            # Grants for other services can use the user, with `create: false`.
            if iam_user.credentials(client, user) - removed:
                return False
            iam_user.delete_user(client, user)
        elif not any(key.marked for key in self._listed(client, user)):
            self._users.untag(client, iam_user.find(client, user, path=self._path))
        return True

    def _reachable(self, client: Any, key_ids: tuple[str, ...]) -> list[tuple[str, str]]:
        """User and credential of each ID that may be changed.

        These are IDs with a proof, those of a user with the grant's tag, and those of an existing
        user that the grant names (`create: false`), which the journal has checked.
        """
        found = []
        for key_id in key_ids:
            account, user, credential = parts(key_id)
            if account != self._account or not user:
                continue
            own = user == self.key.user.name and not self.key.user.create
            holder = iam_user.find(client, user, path=self._path)
            if holder is None:
                continue
            if self._users.owned(holder) is Owned.ELSEWHERE:
                continue
            proved = own or key_id in self.evidence.proven
            if proved or self._users.is_ours(client, holder):
                found.append((user, credential))
        return found

    # ---- naming

    @property
    def _field(self) -> str:
        return f"spec.{self.key.kind}"

    def _is_created(self, user: iam_user.User) -> bool:
        return iam_user.is_created(user, path=self._path)

    @property
    def _users(self) -> UserOwnership:
        return UserOwnership(self.grant, self._account, self.evidence, self.key.key_service)

    @property
    def _service(self) -> str:
        return self.key.key_service.name

    @property
    def _account(self) -> str:
        return self.session.identity.split(":")[4]

    @property
    def _path(self) -> str | None:
        user = self.key.user
        return (user.path or iam_user.DEFAULT_PATH) if user.create else None

    def _id(self, user: str, item: Any) -> str:
        return self._users.id_of(user, item)

    async def _run(self, call: Callable[[Any], _Answer], *, attempts: int = 3) -> _Answer:
        user = self.key.user
        try:
            return await self.context.calls.run(
                "iam",
                call,
                region=self.source.region,
                tenant=self.grant.namespace,
                session=self.session,
                pace=pace_key(self.source, account=self._account),
                attempts=attempts,
            )
        except Exception as error:
            if iam_code(error) == NO_SUCH_ENTITY and "user with name" in str(error):
                raise no_such_user(user.name, created=user.create, field=self._field) from None
            raise failure_from_iam(error, user=user.name, field=self._field) from None
