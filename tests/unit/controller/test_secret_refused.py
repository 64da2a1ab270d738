"""A Secret that the API server refuses: field, a full stop after its words, and a remedy."""

from __future__ import annotations

import pytest

from keywright.api.errors import ApiError, FailureClass
from keywright.controller.api_errors import failure_from_api_error
from tests.unit.planning.samples import state

_SECRETS = 'secrets is forbidden: User "x" cannot patch resource "secrets"'


@pytest.mark.parametrize(
    ("status", "message", "kind", "says"),
    [
        (422, "Secret is invalid: data[a b]", "Configuration", "Correct it"),
        (403, "exceeded quota: few, requested: secrets=1", "Retry", "raise the ResourceQuota"),
        (403, _SECRETS, "Retry", "rbac.yaml"),
        (403, 'admission webhook "w" denied the request: no', "Retry", "admission policy"),
        (403, "namespace chat is being terminated", "Retry", "is being deleted"),
        (500, "failed calling webhook.", "Retry", "admission webhooks"),
    ],
)
def test_a_refused_secret_has_field_and_remedy(
    status: int, message: str, kind: str, says: str
) -> None:
    """One full stop ends the words of the API server."""
    failure = failure_from_api_error(ApiError(status=status, reason="R", message=message), state())
    assert (failure.kind, failure.reason) == (FailureClass(kind), "SecretRefused")
    assert failure.field == "spec.secret"
    assert failure.message.endswith(f"{message.rstrip('.')}.")
    assert says in failure.remedy
