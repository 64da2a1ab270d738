"""A grant of one API key, with a generated value or one from a Secret.

The value is known before the key is created, so that the create can be resumed after a crash: the
key of the intent is found by its tags, and an imported value by itself, since values are unique in
an account and region.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keywright.api.sensitive import Sensitive
from keywright.clouds.answer_values import GATEWAY_ID, GATEWAY_VALUE, moment, secret, text
from keywright.clouds.aws.api_gateway import api_key
from keywright.clouds.aws.api_gateway.api_key import Key
from keywright.clouds.aws.api_gateway.client import GatewayClient
from keywright.clouds.aws.api_gateway.errors import (
    CONFLICT,
    gateway_code,
    value_invalid,
    value_taken,
)
from keywright.clouds.aws.error_codes import is_rate_answer
from keywright.clouds.interfaces import Intent, IssuedKey, whole_seconds
from keywright.clouds.owner_tags import INTENT_TAG
from keywright.secrets.credential import API_KEY, Credential

_MIN_LENGTH: Final = 20
_MAX_LENGTH: Final = 128
# The characters that a header, a shell and a file of settings accept literally.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~+/=:@%^,-]*")


@dataclass(frozen=True, slots=True)
class SingleApiKey:
    """Creates the only key of a grant."""

    keys: GatewayClient

    async def check(self) -> None:
        """Raise Failure if the value to import cannot be read or used."""
        await self._imported()

    async def make(self, intent: Intent) -> IssuedKey:
        """Create the key of that intent, and add it to its plans."""
        keys, now = self.keys, whole_seconds(self.keys.context.clock())
        imported = await self._imported()
        plans = await keys.plans()
        kept = await self._kept(intent, imported)
        found = kept
        if found is None and not (intent.fresh and imported is None):
            found = await keys.run(lambda client: self._find_existing(client, intent, imported))
        if found is None:
            made = await self._made(intent, imported)
            await self._join(made, plans, new=True)
            return self._minted(made, value=imported or intent.value, issued_at=now)
        await keys.run(lambda client: self._edit(client, found))
        await self._join(found, plans, new=False)
        created_at = moment(found.get("createdDate"), what="createdDate")
        issued_at = now if kept is None else whole_seconds(created_at)
        value = secret(found.get("value"), GATEWAY_VALUE)
        return self._minted(found, value=value, issued_at=issued_at)

    async def _imported(self) -> Sensitive | None:
        imports = self.keys.key.imports
        if imports is None:
            return None
        field, reference = imports
        found = await self.keys.context.secrets.value(
            namespace=self.keys.grant.namespace,
            name=reference.name,
            key=reference.key,
            field=field,
        )
        # A trailing newline of an editor is not part of it.
        value = found.reveal().strip()
        if problem := value_problem(value):
            raise value_invalid(problem, field=field)
        return Sensitive(value)

    async def _kept(self, intent: Intent, imported: Sensitive | None) -> Key | None:
        """The key that the Secret lost, if it still exists.

        A generated value is not published again once its key was disabled by another client: it may
        have leaked.
        """
        name = self.keys.own_name(intent.keep or "")
        if name is None:
            return None
        found = await self.keys.run(lambda client: api_key.find(client, name, value=True))
        # The key of a former grant of this name is revoked, and not issued again.
        if found is None or not self.keys.mark.made(found):
            return None
        if imported is not None and Sensitive(found["value"]) != imported:
            return None
        may_have_leaked = self.keys.key.enabled and api_key.is_disabled_by_hand(found)
        return None if may_have_leaked and imported is None else found

    async def _made(self, intent: Intent, imported: Sensitive | None) -> Key:
        keys = self.keys
        return await keys.run(lambda client: self._create(client, intent, imported), attempts=1)

    async def _join(self, key: Key, plans: tuple[str, ...], *, new: bool) -> None:
        def join(client: Any) -> None:
            held = () if new else api_key.plans_of(client, key["id"])
            api_key.join(client, key["id"], plans=plans, held=held)

        await self.keys.run(join)

    # ---- run in a thread

    def _create(self, client: Any, intent: Intent, imported: Sensitive | None) -> Key:
        keys = self.keys
        try:
            return api_key.create(
                client,
                keys.key,
                grant=keys.grant,
                intent=intent.name,
                value=imported or intent.value,
            )
        except client.exceptions.ClientError as error:
            if gateway_code(error) != CONFLICT or is_rate_answer(error):
                raise
            # The value exists already: created by a request whose response was lost.
            found = self._find_existing(client, intent, imported)
            if found is None:
                raise
            return found

    def _find_existing(self, client: Any, intent: Intent, imported: Sensitive | None) -> Key | None:
        """The existing key of the intent, or of the same imported value."""
        mark, wanted = self.keys.mark, imported or intent.value
        found: Key | None = None
        for key in api_key.list_keys(client, values=True):
            same = Sensitive(key["value"]) == wanted
            of_intent = mark.made(key) and (key.get("tags") or {}).get(INTENT_TAG) == intent.name
            if same and imported is not None and not self.keys.covers(key):
                assert self.keys.key.imports is not None
                raise value_taken(key["id"], field=self.keys.key.imports[0])
            if (same and self.keys.covers(key)) or (of_intent and imported is None):
                found = key
            elif of_intent:
                # The Secret has another value by now, and no client has this one.
                api_key.delete(client, key["id"])
        return found

    def _edit(self, client: Any, key: Key) -> None:
        keys = self.keys
        api_key.update(
            client,
            key,
            wanted=api_key.attributes(keys.key, grant=keys.grant),
            tags=api_key.wanted_tags(keys.key, grant=keys.grant),
            arn=keys.arn(key["id"]),
        )

    # ---- naming

    def _minted(self, key: Key, *, value: Sensitive, issued_at: datetime) -> IssuedKey:
        keys = self.keys
        return IssuedKey(
            Credential(
                values={API_KEY: value},
                region=keys.region,
                account_id=keys.account,
                key_id=keys.key_id(text(key.get("id"), GATEWAY_ID)),
                issued_at=issued_at,
                expires_at=None,
            )
        )


def value_problem(value: str) -> str:
    """Why a text cannot be the value of a key; empty if it can."""
    if not _MIN_LENGTH <= len(value) <= _MAX_LENGTH:
        return f"has {len(value)} characters"
    if not _PLAIN.fullmatch(value):
        return "has blanks, quotes or other signs that a header or a shell would not carry"
    return ""
