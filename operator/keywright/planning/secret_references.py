"""Values that sources and grants refer to in Secrets, and the consent that copying them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keywright.api.names import REFERENCE_LABEL
from keywright.api.sensitive import Sensitive
from keywright.planning.failures import Failure, FailureClass


def _ignore() -> None:
    """Nobody waits for the consent."""


@dataclass(frozen=True, slots=True)
class ReferencedSecret:
    """The values of one Secret, and why some of them cannot be read or copied out of it.

    A value that only signs requests may be used as it is. One that is sent to a cloud or written to
    another namespace needs the consent of the Secret. `on_refusal` is called when it is missing.
    """

    values: Mapping[str, Sensitive]
    refusals: Mapping[str, Failure] = field(default_factory=dict)
    on_refusal: Callable[[], None] = _ignore
    unreadable: Mapping[str, Failure] = field(default_factory=dict)

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
        cure="Save it as UTF-8 and put it into the Secret again.",
    )


def secret_not_labeled(name: str, *, namespace: str, field: str) -> Failure:
    """The Secret that `field` names has not agreed that its values are copied."""
    return Failure(
        f"Secret {name} does not allow its values to be copied.",
        kind=FailureClass.CONFIGURATION,
        reason="SecretNotLabeled",
        field=field,
        cure=(
            "If its owner agrees, run: kubectl label secret --namespace"
            f" {namespace} {name} {REFERENCE_LABEL}=true"
        ),
    )
