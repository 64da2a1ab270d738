"""Values that sources and grants copy from Secrets, and the consent that copying them needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from keywright.api.errors import Failure, FailureClass
from keywright.api.names import ANNOTATION_GRANTED_BY, REFERENCE_LABEL
from keywright.api.sensitive import Sensitive
from keywright.secrets.ownership import managed_secret_from


def shareable_keys(metadata: Mapping[str, Any], keys: Iterable[str]) -> frozenset[str]:
    """The keys of a Secret's data whose values may be sent to a cloud or to another namespace.

    The label `keywright.dev/allow-reference: "true"` is the consent of whoever may write the
    Secret. A value that a grant of the same namespace wrote needs none: only what server-side apply
    records as ours counts, so that adopting a Secret does not release what was in it before.
    """
    if (metadata.get("labels") or {}).get(REFERENCE_LABEL) == "true":
        return frozenset(keys)
    secret = managed_secret_from(metadata)
    owner = secret.granted_by
    if (
        owner is None
        or owner.namespace != secret.namespace
        or ANNOTATION_GRANTED_BY not in secret.owned_annotations
    ):
        return frozenset()
    return frozenset(keys) & secret.owned_keys


Consent = Callable[[], Failure | None]
"""Why a value must not be copied at this moment; None where it may."""


def _ignore() -> None:
    """Nobody waits for the consent."""


@dataclass(frozen=True, slots=True)
class ReferencedSecret:
    """The values of one Secret, and why some of them cannot be read or copied out of it.

    A value that only signs requests may be used as it is. One that is sent to a cloud or written to
    another namespace needs the consent of the Secret. `on_refusal` is called when it is missing.
    `present_refusal` is the refusal of a key as the Secret is now, with `on_refusal` called.
    """

    values: Mapping[str, Sensitive]
    refusals: Mapping[str, Failure] = field(default_factory=dict)
    on_refusal: Callable[[], None] = _ignore
    unreadable: Mapping[str, Failure] = field(default_factory=dict)
    present_refusal: Callable[[str], Failure | None] | None = None

    def find(self, key: str) -> Sensitive | None:
        """The value of a key, None where there is none; raises Failure where it is no text."""
        if key in self.unreadable:
            raise self.unreadable[key]
        return self.values.get(key)

    def refusal(self, key: str) -> Failure | None:
        """Why the value of this key must not leave the operator; None where it may."""
        found = self.refusals.get(key)
        if found is not None:
            self.on_refusal()
        return found

    def consent(self, key: str) -> Consent:
        """The consent to copy the value of a key, checked each time that the value is copied.

        Nothing counts as refused before that.
        """
        return partial(self.present_refusal or self.refusal, key)

    def check_copy(self, key: str) -> None:
        """Raise Failure where the value of this key must not leave the operator."""
        refusal = self.refusal(key)
        if refusal is not None:
            raise refusal


def secret_not_text(name: str, key: str, *, field: str) -> Failure:
    """A value in the Secret that `field` names has bytes that are no UTF-8."""
    return Failure(
        f"key {key} of Secret {name} is no UTF-8 text.",
        kind=FailureClass.CONFIGURATION,
        reason="SecretNotText",
        field=field,
        remedy="Save it as UTF-8 and put it into the Secret again.",
    )


def secret_not_labeled(name: str, *, namespace: str, field: str) -> Failure:
    """The Secret that `field` names has not agreed that its values are copied."""
    return Failure(
        f"Secret {name} does not allow its values to be copied.",
        kind=FailureClass.CONFIGURATION,
        reason="SecretNotLabeled",
        field=field,
        remedy=(
            "If its owner agrees, run: kubectl label secret --namespace"
            f" {namespace} {name} {REFERENCE_LABEL}=true"
        ),
    )
