"""Values of Secrets that sources or grants refer to, their consent, and change detection."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from keywright.api.errors import (
    ApiError,
    ApiUnreachableError,
    Failure,
    FailureClass,
    api_unreachable,
)
from keywright.api.sensitive import Sensitive
from keywright.cluster.objects import ResourceClient
from keywright.secrets.references import (
    ReferencedSecret,
    secret_not_labeled,
    secret_not_text,
    shareable_keys,
)

_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_NOTHING = b""

Summarize = Callable[[Sensitive], tuple[str, ...]]


class _Place(NamedTuple):
    """A value of a Secret, and the field that refers to it."""

    namespace: str
    name: str
    key: str
    field: str


class SecretCache:
    """Implements `clouds.interfaces.SecretReader`.

    Only a digest of what was read is stored, keyed with a secret of this process. `needs_consent`:
    values leave a Secret only if its label or its writer allows it (`--secret-references=labeled`).
    """

    def __init__(self, objects: ResourceClient, *, needs_consent: bool = True) -> None:
        self._objects = objects
        self._needs_consent = needs_consent
        self._key = secrets.token_bytes(32)
        self._known: dict[tuple[str, str], bytes] = {}
        self._refused: set[tuple[str, str]] = set()
        self._looked_at: set[tuple[str, str]] = set()
        self._private_keys: dict[tuple[str, str], frozenset[str]] = {}
        self._watched: frozenset[tuple[str, str]] = frozenset()
        self._summaries: dict[_Place, tuple[str, ...]] = {}
        self._reading: dict[_Place, asyncio.Task[tuple[str, ...]]] = {}

    async def summary(
        self, *, namespace: str, name: str, key: str, field: str, of: Summarize
    ) -> tuple[str, ...]:
        """Return what `of` computes from a value that will leave the operator, not the value.

        For a watched Secret the result is cached until the Secret changes, so that a thousand
        clients cost one read; concurrent calls share it. `of` must be the same for all.

        Raises:
            Failure: as `value`; a refusal is not cached.
        """
        place = _Place(namespace, name, key, field)
        known = self._summaries.get(place)
        if known is not None:
            return known
        running = self._reading.get(place)
        if running is None:
            running = asyncio.create_task(self._summarize(place, of))
            self._reading[place] = running
            running.add_done_callback(lambda done: self._finish(place, done))
        return await asyncio.shield(running)

    async def _summarize(self, place: _Place, of: Summarize) -> tuple[str, ...]:
        return of(
            await self.value(
                namespace=place.namespace, name=place.name, key=place.key, field=place.field
            )
        )

    def _finish(self, place: _Place, done: asyncio.Task[tuple[str, ...]]) -> None:
        failed = done.cancelled() or done.exception() is not None
        # Changed meanwhile: the read may have returned the previous content.
        if self._reading.get(place) is not done:
            return
        del self._reading[place]
        if not failed and (place.namespace, place.name) in self._watched:
            self._summaries[place] = done.result()

    def _touch(self, namespace: str, name: str) -> None:
        """Drop what was computed from the values of a Secret, and computations in progress."""
        for known in (self._summaries, self._reading):
            for place in [each for each in known if each[:2] == (namespace, name)]:
                del known[place]

    async def value(
        self, *, namespace: str, name: str, key: str, field: str, copied: bool = True
    ) -> Sensitive:
        """Read one value of a Secret; `copied`: it will leave the operator.

        Raises:
            Failure: the Secret, or the key in it, is missing, or the Secret does not consent.
        """
        secret = await self.values(namespace=namespace, name=name, field=field)
        found = secret.find(key)
        if found is None:
            raise _missing(f"key {key} in Secret {name}", namespace=namespace, field=field)
        if copied:
            secret.check_copy(key)
        return found

    async def values(self, *, namespace: str, name: str, field: str) -> ReferencedSecret:
        """Read all values of one Secret in one request.

        Raises:
            Failure: the Secret is missing, or cannot be read.
        """
        try:
            found = await self._objects.secret(namespace=namespace, name=name)
        except ApiUnreachableError:
            raise api_unreachable() from None
        except ApiError as error:
            raise _not_read(error, name=name, field=field) from None
        except Exception as error:
            raise Failure.of_unexpected(error, what=f"reading Secret {name}") from None
        data = None if found is None else found.data
        self._known.setdefault((namespace, name), self._digest(data))
        if found is None or data is None:
            raise _missing(f"Secret {name}", namespace=namespace, field=field)
        private = self._private(found.metadata, data)
        if self._needs_consent:
            self._private_keys[namespace, name] = private
        return ReferencedSecret(
            values={key: Sensitive(text) for key, text in data.items()},
            refusals={
                key: secret_not_labeled(name, namespace=namespace, field=field) for key in private
            },
            on_refusal=lambda: self._refused.add((namespace, name)),
            unreadable={key: secret_not_text(name, key, field=field) for key in found.not_text},
            present_refusal=partial(self._present_refusal, (namespace, name), field),
        )

    def _present_refusal(self, place: tuple[str, str], field: str, key: str) -> Failure | None:
        """Why the value of a key must not be copied, as the Secret was last seen."""
        if not self._needs_consent or key not in self._private_keys.get(place, (key,)):
            return None
        self._refused.add(place)
        return secret_not_labeled(place[1], namespace=place[0], field=field)

    async def has_changed(
        self, *, namespace: str, name: str, needed: frozenset[str] = frozenset()
    ) -> bool:
        """Whether the values differ from those at the last call or first read, or are now released.

        On the first call it also counts as a change if the Secret, or one of the `needed` keys in
        it, is missing: it may have been deleted while no operator was running. The next call
        compares with the result of this one.
        """
        place = (namespace, name)
        first = place not in self._looked_at
        self._looked_at.add(place)
        self._touch(namespace, name)
        found = await self._objects.secret(namespace=namespace, name=name)
        data = None if found is None else found.data
        digest = self._digest(data)
        private = None if found is None else self._private(found.metadata, found.data)
        if private is not None and place in self._private_keys:
            self._private_keys[place] = private
        released = place in self._refused and private is not None and not private
        if released:
            self._refused.discard(place)
        known = self._known.get(place)
        self._known[place] = digest
        lacking = data is None or any(not data.get(key, "").strip() for key in needed)
        return released or (first and lacking) or (known is not None and known != digest)

    def retain(self, names: frozenset[tuple[str, str]]) -> None:
        """Drop what is stored about all other Secrets; these are watched from now on."""
        for place in self._watched - names:
            self._touch(*place)
        self._watched = names
        for known in (self._known, self._private_keys):
            for name in known.keys() - names:
                del known[name]
        self._refused &= names
        self._looked_at &= names

    def _private(self, metadata: Mapping[str, Any], data: Mapping[str, str]) -> frozenset[str]:
        """The keys whose values must not be copied out of the Secret."""
        if not self._needs_consent:
            return frozenset()
        return frozenset(data) - shareable_keys(metadata, data)

    def _digest(self, data: Mapping[str, str] | None) -> bytes:
        if data is None:
            return _NOTHING
        return hashlib.blake2b(_ENCODE(data), key=self._key, digest_size=16).digest()


def _not_read(error: ApiError, *, name: str, field: str) -> Failure:
    return Failure(
        f"the Kubernetes API refused to show Secret {name}: {error.message}",
        kind=FailureClass.DENIED if error.status == 403 else FailureClass.TRANSIENT,
        reason="SecretNotReadable",
        field=field,
        remedy="Apply the rbac.yaml of this version." if error.status == 403 else "",
    )


def _missing(what: str, *, namespace: str, field: str) -> Failure:
    return Failure(
        f"there is no {what} in namespace {namespace}.",
        kind=FailureClass.CONFIGURATION,
        reason="SecretNotFound",
        field=field,
        remedy="Create it, or name another one.",
    )
