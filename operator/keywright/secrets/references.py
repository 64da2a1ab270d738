"""Values that sources and grants copy from Secrets, and the consent that this requires."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from keywright.api.errors import Failure, FailureClass
from keywright.api.names import REFERENCE_LABEL
from keywright.api.sensitive import Sensitive
from keywright.secrets.ownership import managed_secret_from


def shareable_keys(metadata: Mapping[str, Any], keys: Iterable[str]) -> frozenset[str]:
    """The keys of a Secret's data whose values may be sent to a cloud or to another namespace.

    The label `keywright.dev/allow-reference: "true"` is the consent of the Secret's author. A value
    that a grant of the same namespace wrote needs none: only fields that server-side apply records
    for Keywright count, so that adopting a Secret does not release its previous content.
    """
    if (metadata.get("labels") or {}).get(REFERENCE_LABEL) == "true":
        return frozenset(keys)
    secret = managed_secret_from(metadata)
    owner = secret.owner_annotation
    if owner is None or owner.namespace != secret.namespace or not secret.owner_applied:
        return frozenset()
    return frozenset(keys) & secret.owned_keys


Consent = Callable[[], Failure | None]
"""Returns why a value must not be copied at this moment; None if it may."""


def _ignore() -> None:
    """The default of `on_refusal`: do nothing."""


@dataclass(frozen=True, slots=True)
class ReferencedSecret:
    """The values of one Secret, and why some of them cannot be read or copied out of it.

    A value that only signs requests may be used without consent. One that is sent to a cloud or
    written to another namespace needs the consent of the Secret. `on_refusal` is called if it is
    missing. `present_refusal` is the refusal for a key of the current Secret, with a call of
    `on_refusal`.
    """

    values: Mapping[str, Sensitive]
    refusals: Mapping[str, Failure] = field(default_factory=dict)
    on_refusal: Callable[[], None] = _ignore
    unreadable: Mapping[str, Failure] = field(default_factory=dict)
    present_refusal: Callable[[str], Failure | None] | None = None

    def find(self, key: str) -> Sensitive | None:
        """The value of a key, None if it is absent; raises Failure if it is not text."""
        if key in self.unreadable:
            raise self.unreadable[key]
        return self.values.get(key)

    def refusal(self, key: str) -> Failure | None:
        """Why the value of this key must not leave the operator; None if it may."""
        found = self.refusals.get(key)
        if found is not None:
            self.on_refusal()
        return found

    def consent(self, key: str) -> Consent:
        """The consent to copy the value of a key, checked each time the value is copied.

        A refusal is only reported then.
        """
        return partial(self.present_refusal or self.refusal, key)

    def check_copy(self, key: str) -> None:
        """Raise Failure if the value of this key must not leave the operator."""
        refusal = self.refusal(key)
        if refusal is not None:
            raise refusal


def secret_not_text(name: str, key: str, *, field: str) -> Failure:
    """The failure for a value in the Secret that `field` names which is not valid UTF-8."""
    return Failure(
        f"key {key} of Secret {name} is no UTF-8 text.",
        kind=FailureClass.CONFIGURATION,
        reason="SecretNotText",
        field=field,
        remedy="Save it as UTF-8 and put it into the Secret again.",
    )


def secret_not_labeled(name: str, *, namespace: str, field: str) -> Failure:
    """The failure for a Secret that `field` names without the label for consent."""
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
