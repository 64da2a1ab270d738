"""Amazon Bedrock long-term API keys: service-specific credentials of an IAM user.

A key's id here is `<account>/<user>/<credential>`: all that is needed to remove it, whatever the
grant says by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import BedrockLongTermKey
from keywright.api.source import CredentialSource
from keywright.clouds.answer_values import (
    BEDROCK_SECRET,
    CREDENTIAL_ID,
    moment,
    part,
    secret,
    text,
)
from keywright.clouds.aws.iam_refusals import (
    ACCESS_DENIED,
    NO_SUCH_ENTITY,
    iam_code,
    no_such_user,
    refusal_of_iam,
)
from keywright.clouds.aws.identities.asking import Edges
from keywright.clouds.aws.keys import iam_user
from keywright.clouds.aws.keys.tags import TAG, owner_of
from keywright.clouds.pacing import pace_key
from keywright.clouds.ways import Intent, Minted, Session
from keywright.planning.facts import CloudKey
from keywright.secrets.credential import API_KEY, Credential

SERVICE: Final = "bedrock.amazonaws.com"
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class LongTermKeys:
    """The keys of one grant, by one session; implements `clouds.ways.KeptKeys`."""

    key: BedrockLongTermKey
    grant: ApiKeyGrant
    source: CredentialSource
    session: Session
    edges: Edges

    async def prepare(self, known: frozenset[str]) -> None:
        """The user with its tags, boundary and policies; nothing where it is not ours to make."""
        del known
        if not self.key.user.create:
            return
        partition = self.session.identity.split(":")[1]
        await self._run(
            lambda client: iam_user.prepare(
                client, self.key, owner=owner_of(self.grant), partition=partition
            )
        )

    async def look(self, known: frozenset[str]) -> tuple[CloudKey, ...]:
        """The keys of the user, and of the other users that the ids name."""
        users = {user for account, user, _ in map(_parts, known) if account == self._account}
        return await self._run(
            lambda client: tuple(
                key
                for user in sorted(users | {self.key.user.name})
                for key in self._listed(client, user)
            )
        )

    async def create(self, intent: Intent) -> Minted:
        """A new key, by one call that is never repeated; its value is IAM's to choose."""
        del intent
        request: dict[str, Any] = {"UserName": self.key.user.name, "ServiceName": SERVICE}
        if self.key.expires_after_days is not None:
            request["CredentialAgeDays"] = self.key.expires_after_days
        answer = await self._run(
            lambda client: client.create_service_specific_credential(**request), attempts=1
        )
        made = part(answer, "ServiceSpecificCredential")
        ends_at = made.get("ExpirationDate")
        return Minted(
            Credential(
                values={API_KEY: secret(made.get("ServiceCredentialSecret"), BEDROCK_SECRET)},
                region=self.grant.region(self.source),
                account_id=self._account,
                key_id=self._id(self.key.user.name, made),
                issued_at=moment(made.get("CreateDate"), what="CreateDate"),
                expires_at=None if ends_at is None else moment(ends_at, what="ExpirationDate"),
            )
        )

    async def deactivate(self, key_ids: tuple[str, ...]) -> None:
        """Make them inactive; one that is gone is no failure."""
        await self._run(lambda client: self._deactivate(client, key_ids))

    async def remove(
        self, key_ids: tuple[str, ...], *, and_holder: bool = False
    ) -> tuple[str, ...]:
        """Delete them, and a user of ours that the grant has left; returns what is out of reach.

        `and_holder` takes the grant's user as well, if it is ours and carries nobody else's key.
        """
        return await self._run(lambda client: self._remove(client, key_ids, and_holder=and_holder))

    # ---- run in a thread

    def _listed(self, client: Any, user: str) -> list[CloudKey]:
        try:
            answer = client.list_service_specific_credentials(UserName=user, ServiceName=SERVICE)
        except client.exceptions.ClientError as error:
            if iam_code(error) not in {NO_SUCH_ENTITY, ACCESS_DENIED}:
                raise
            if iam_user.find(client, user, path=self._path) is None:
                return []
            raise
        return [
            CloudKey(
                id=self._id(user, item),
                created_at=moment(item.get("CreateDate"), what="CreateDate"),
                active=item.get("Status") == "Active",
                here=user == self.key.user.name,
            )
            for item in answer["ServiceSpecificCredentials"]
        ]

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
    ) -> tuple[str, ...]:
        reachable = self._reachable(client, key_ids)
        for user, credential in reachable:
            try:
                client.delete_service_specific_credential(
                    UserName=user, ServiceSpecificCredentialId=credential
                )
            except client.exceptions.ClientError as error:
                if iam_code(error) != NO_SUCH_ENTITY:
                    raise
        for user in sorted({user for user, _ in reachable} - {self.key.user.name}):
            self._leave(client, user)
        if and_holder and self.key.user.create:
            self._leave(client, self.key.user.name)
        return tuple(key_id for key_id in key_ids if _parts(key_id)[0] != self._account)

    def _leave(self, client: Any, user: str) -> None:
        """Delete a user that was made for this grant, unless it carries keys that are not ours."""
        if self._is_ours(client, user) and not self._listed(client, user):
            iam_user.take_apart(client, user)

    def _reachable(self, client: Any, key_ids: tuple[str, ...]) -> list[tuple[str, str]]:
        """User and credential of each id that may be touched: of the grant's user, or one of ours.

        An id comes from where tenants may write; it must not reach another's key.
        """
        found = []
        for account, user, credential in map(_parts, key_ids):
            if account != self._account or (
                user != self.key.user.name and not self._is_ours(client, user)
            ):
                continue
            if iam_user.find(client, user, path=self._path) is not None:
                found.append((user, credential))
        return found

    def _is_ours(self, client: Any, user: str) -> bool:
        found = iam_user.find(client, user, path=self._path)
        owner = owner_of(self.grant)
        return found is not None and iam_user.tags_of(found).get(TAG) == owner

    # ---- words

    @property
    def _account(self) -> str:
        return self.session.identity.split(":")[4]

    @property
    def _path(self) -> str | None:
        user = self.key.user
        return (user.path or iam_user.DEFAULT_PATH) if user.create else None

    def _id(self, user: str, item: Any) -> str:
        credential_id = text(item.get("ServiceSpecificCredentialId"), CREDENTIAL_ID)
        return f"{self._account}/{user}/{credential_id}"

    async def _run(self, call: Callable[[Any], _Answer], *, attempts: int = 3) -> _Answer:
        user = self.key.user
        try:
            return await self.edges.calls.run(
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
                raise no_such_user(user.name, created=user.create) from None
            raise refusal_of_iam(error, user=user.name) from None


def _parts(key_id: str) -> tuple[str, str, str]:
    """Account, user and credential; empty where it is none of our ids."""
    account, _, rest = key_id.partition("/")
    user, _, credential = rest.partition("/")
    return account, user, credential
