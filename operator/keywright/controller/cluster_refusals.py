"""How the API server says no to our writes, told so that a person knows what to change."""

from __future__ import annotations

from typing import Final

from keywright.api.grant import ApiKeyGrant
from keywright.api.names import FINALIZER, GRANT_PLURAL
from keywright.cluster.errors import ApiError, ApiUnreachableError
from keywright.planning.facts import Facts
from keywright.planning.failures import Failure, FailureClass

_FINALIZER_RIGHT: Final = f'cannot patch resource "{GRANT_PLURAL}" '


def not_written(error: BaseException) -> bool:
    """Whether it is certain that the Secret was not written."""
    if isinstance(error, ApiError):
        return error.status < 500
    return isinstance(error, Exception) and not isinstance(error, ApiUnreachableError)


def held_back(grant: ApiKeyGrant) -> Failure:
    """The Secret stands there, and goes."""
    return Failure(
        f"Secret {grant.secret_name} is being deleted, and a finalizer holds it back.",
        kind=FailureClass.RETRY,
        reason="SecretTerminating",
        field="spec.secret.name",
        cure="Remove the finalizer, or wait for its owner; the Secret is then written anew.",
    )


def refusal_of_cluster(error: ApiError | ApiUnreachableError, facts: Facts) -> Failure:
    """A write of ours did not succeed."""
    name = facts.grant.secret_name if facts.grant is not None else facts.subject.name
    if isinstance(error, ApiUnreachableError):
        return Failure(
            "the Kubernetes API did not answer.", kind=FailureClass.RETRY, reason="ApiUnreachable"
        )
    if error.status == 422 and "type" in error.message and "immutable" in error.message:
        return Failure(
            f"Secret {name} exists with another type, and a type cannot be changed.",
            kind=FailureClass.CONFIGURATION,
            reason="SecretTypeImmutable",
            field="spec.secret.type",
            cure="Set it to the Secret's type, or delete the Secret: it is then written anew.",
        )
    if error.status == 403 and _FINALIZER_RIGHT in error.message:
        return Failure(
            f"the Kubernetes API refused the finalizer {FINALIZER}: {error.message}",
            kind=FailureClass.DENIED,
            reason="FinalizerForbidden",
            cure="Apply manifests/rbac.yaml of this version.",
        )
    configuration = error.status in (400, 422)
    return Failure(
        f"the Kubernetes API refused to write Secret {name}: {error.message}",
        kind=FailureClass.CONFIGURATION if configuration else FailureClass.RETRY,
        reason="SecretRefused",
        field="spec.secret" if configuration else "",
    )
