"""Values of Secrets that a source refers to, and whether they have changed."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.cluster.errors import ApiError, ApiUnreachableError, api_unreachable
from keywright.cluster.objects import Objects
from keywright.planning.failures import Failure, FailureClass

_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_NOTHING = b""


class SecretValues:
    """Implements `clouds.ways.SourceSecrets`.

    Of what was read nothing is kept but a digest, keyed with a secret of this process.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._key = secrets.token_bytes(32)
        self._known: dict[tuple[str, str], bytes] = {}

    async def value(self, *, namespace: str, name: str, key: str, field: str) -> Sensitive:
        """One value of a Secret.

        Raises:
            Failure: the Secret, or the key in it, is missing.
        """
        values = await self.values(namespace=namespace, name=name, field=field)
        if key not in values:
            raise _missing(f"key {key} in Secret {name}", namespace=namespace, field=field)
        return values[key]

    async def values(self, *, namespace: str, name: str, field: str) -> Mapping[str, Sensitive]:
        """All values of one Secret, read at once.

        Raises:
            Failure: the Secret is missing, or cannot be read.
        """
        try:
            data = await self._objects.secret_data(namespace=namespace, name=name)
        except ApiUnreachableError:
            raise api_unreachable() from None
        except ApiError as error:
            raise _not_read(error, name=name, field=field) from None
        except Exception as error:
            raise Failure.of_unexpected(error, what=f"reading Secret {name}") from None
        self._known.setdefault((namespace, name), self._digest(data))
        if data is None:
            raise _missing(f"Secret {name}", namespace=namespace, field=field)
        return {key: Sensitive(text) for key, text in data.items()}

    async def changed(self, *, namespace: str, name: str) -> bool:
        """Whether it has other values than when this was asked, or first read; then it is known."""
        found = self._digest(await self._objects.secret_data(namespace=namespace, name=name))
        known = self._known.get((namespace, name))
        self._known[namespace, name] = found
        return known is not None and known != found

    def forget_all_but(self, names: frozenset[tuple[str, str]]) -> None:
        """The others are of no interest any more."""
        for name in self._known.keys() - names:
            del self._known[name]

    def _digest(self, data: Mapping[str, str] | None) -> bytes:
        if data is None:
            return _NOTHING
        return hashlib.blake2b(_ENCODE(data), key=self._key, digest_size=16).digest()


def _not_read(error: ApiError, *, name: str, field: str) -> Failure:
    return Failure(
        f"the Kubernetes API refused to show Secret {name}: {error.message}",
        kind=FailureClass.DENIED if error.status == 403 else FailureClass.RETRY,
        reason="SecretNotReadable",
        field=field,
        cure="Apply the rbac.yaml of this version." if error.status == 403 else "",
    )


def _missing(what: str, *, namespace: str, field: str) -> Failure:
    return Failure(
        f"there is no {what} in namespace {namespace}.",
        kind=FailureClass.CONFIGURATION,
        reason="SecretNotFound",
        field=field,
        cure="Create it, or name another one.",
    )
