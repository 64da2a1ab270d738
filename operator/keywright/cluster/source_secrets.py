"""Values of Secrets that a source refers to."""

from __future__ import annotations

from dataclasses import dataclass

from keywright.api.sensitive import Sensitive
from keywright.cluster.objects import Objects
from keywright.planning.failures import Failure, FailureClass


@dataclass(frozen=True, slots=True)
class SecretValues:
    """Implements `clouds.ways.SourceSecrets`; nothing is kept."""

    objects: Objects

    async def value(self, *, namespace: str, name: str, key: str, field: str) -> Sensitive:
        """One value of a Secret.

        Raises:
            Failure: the Secret, or the key in it, is missing.
        """
        data = await self.objects.secret_data(namespace=namespace, name=name)
        if data is None or key not in data:
            what = f"Secret {name}" if data is None else f"key {key} in Secret {name}"
            raise Failure(
                f"there is no {what} in namespace {namespace}.",
                kind=FailureClass.CONFIGURATION,
                reason="SecretNotFound",
                field=field,
                cure="Create it, or name another one.",
            )
        return Sensitive(data[key])
