"""Ownership of an IAM user and its keys: by the user's tags, and by proofs without tags."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from keywright.api.grant import ApiKeyGrant
from keywright.api.names import RESERVED_PREFIX
from keywright.api.user_key import KeyService
from keywright.clouds.answer_values import CREDENTIAL_ID, text
from keywright.clouds.aws.iam import user as iam_user
from keywright.clouds.aws.iam.errors import ACCESS_DENIED, iam_code
from keywright.clouds.aws.iam.user import User
from keywright.clouds.interfaces import Evidence
from keywright.clouds.owner_tags import CREATED_TAG, TAG, Owned, OwnerMark
from keywright.planning.key_ownership import owned_by_another_cluster


@dataclass(frozen=True, slots=True)
class UserOwnership:
    """Distinguishes the users and keys of one grant from all others; all of it runs in a thread."""

    grant: ApiKeyGrant
    account: str
    evidence: Evidence
    service: KeyService

    @property
    def mark(self) -> OwnerMark:
        """The tags of the grant's user."""
        return OwnerMark.of(self.grant)

    def owned(self, user: User) -> Owned:
        """The owner of the user, by its tags only."""
        return self.mark.owned(iam_user.tags_of(user))

    def is_ours(self, client: Any, user: User) -> bool:
        """Whether the user has the grant's tags; raises Failure if another cluster created it.

        An existing user can have them as well (`iam_user.is_created`). Tags from before cluster IDs
        count if a key of the user is proved to be the grant's, or if the user has no key that they
        could give away.
        """
        owned = self.owned(user)
        if self.is_elsewhere(user) or owned in {Owned.ELSEWHERE, Owned.OTHERS}:
            return False
        if owned is not Owned.UNSURE or not self.mark.identity.cluster_id:
            return True
        name = user["UserName"]
        items = client.list_service_specific_credentials(
            UserName=name, ServiceName=self.service.name
        )["ServiceSpecificCredentials"]
        ids = {self.id_of(name, item) for item in items}
        return not ids or bool(ids & self.evidence.proven) or any(map(self.has_value, items))

    def is_elsewhere(self, user: User) -> bool:
        """Whether another cluster created the user; raises Failure unless the grant is deleted."""
        if self.owned(user) is not Owned.ELSEWHERE:
            return False
        if self.grant.deleting:
            return True
        raise owned_by_another_cluster(self.grant, what=f"the IAM user {user['UserName']}")

    def tagged(
        self, client: Any, user: User, name: str, items: Iterable[Any], *, needed: bool
    ) -> frozenset[str]:
        """The credentials that were issued for the grant, once the user's tags say so.

        Unless they are `needed`, tags that may not be set, or are another grant's, are left alone,
        and the user is tagged as an existing one.
        """
        tags = iam_user.tags_of(user)
        if not needed and self.mark.owned(tags) is Owned.OTHERS and TAG in tags:
            return frozenset()
        held = {
            text(item.get("ServiceSpecificCredentialId"), CREDENTIAL_ID): item for item in items
        }
        left = iam_user.is_left(user, mark=self.mark)
        ids = [] if left else [each for each in iam_user.key_ids_of(user) if each in held]
        proved = {parts(key_id)[2] for key_id in self.evidence.proven if parts(key_id)[1] == name}
        ids += sorted(
            each
            for each, item in held.items()
            if each not in ids and (each in proved or self.has_value(item))
        )
        if self.grant.deleting and not self.mark.retain:
            return frozenset(ids)
        try:
            iam_user.note_keys(client, user, ids, tags=self._missing(tags, created=needed))
        except client.exceptions.ClientError as error:
            if needed or iam_code(error) != ACCESS_DENIED:
                raise
        return frozenset(ids)

    def _missing(self, tags: Mapping[str, str], *, created: bool) -> dict[str, str]:
        """The tags that the user lacks; that an existing user has the grant's must not be lost."""
        existing = not created and CREATED_TAG not in tags
        return self.mark.missing(tags) | ({CREATED_TAG: "false"} if existing else {})

    def untag(self, client: Any, user: User | None) -> None:
        """Remove Keywright's tags from an existing user that the grant no longer uses."""
        if user is None or self.owned(user) not in {Owned.OWNED, Owned.FORMER}:
            return
        held = [name for name in iam_user.tags_of(user) if name.startswith(RESERVED_PREFIX)]
        try:
            client.untag_user(UserName=user["UserName"], TagKeys=sorted(held))
        except client.exceptions.ClientError as error:
            if iam_code(error) != ACCESS_DENIED:
                raise

    def has_value(self, item: Any) -> bool:
        """Whether a listed credential has the value that the Secret is known to hold.

        The value is the prefix of the service, and the base64 of alias, colon and secret.
        """
        value, alias = self.evidence.value, item.get("ServiceCredentialAlias")
        if value is None or not alias:
            return False
        try:
            text = base64.b64decode(
                value.reveal().removeprefix(self.service.prefix), validate=True
            ).decode()
        except ValueError:
            return False
        return hmac.compare_digest(text.partition(":")[0].encode(), str(alias).encode())

    def is_proved(self, user: str) -> bool:
        """Whether a key of the user is proved to be the grant's."""
        prefix = f"{self.account}/{user}/"
        return any(key_id.startswith(prefix) for key_id in self.evidence.proven)

    def id_of(self, user: str, item: Any) -> str:
        """The ID of a listed credential."""
        credential_id = text(item.get("ServiceSpecificCredentialId"), CREDENTIAL_ID)
        return f"{self.account}/{user}/{credential_id}"


def parts(key_id: str) -> tuple[str, str, str]:
    """Account, user and credential; empty for any other text."""
    account, _, rest = key_id.partition("/")
    user, _, credential = rest.partition("/")
    return account, user, credential
