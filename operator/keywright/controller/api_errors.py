"""Convert rejections by the API server into failures that name what to change."""

from __future__ import annotations

from typing import Final

from keywright.api.errors import (
    ApiError,
    ApiUnreachableError,
    ConflictError,
    Failure,
    FailureClass,
    LostLeaseError,
    RenderError,
    api_unreachable,
)
from keywright.api.grant import ApiKeyGrant
from keywright.api.names import FINALIZER, GRANT_PLURAL
from keywright.clouds.classified import unexpected
from keywright.cluster.workloads import PLURALS
from keywright.planning.rollout import WorkloadView
from keywright.planning.state import GrantState

_FINALIZER_RIGHT: Final = f'cannot patch resource "{GRANT_PLURAL}" '
_ROLLOUTS_ROLE: Final = "keywright-rollouts"


# Raised before the write, or by the fence in place of it.
_BEFORE_THE_WRITE: Final = (Failure, RenderError, ConflictError, LostLeaseError)


def certainly_not_written(error: BaseException) -> bool:
    """Whether the Secret was certainly not written.

    An exception of another type may come from parsing the response to a successful write: the key
    is then in use.
    """
    if isinstance(error, ApiError):
        return error.status < 500
    return isinstance(error, _BEFORE_THE_WRITE)


def held_back(grant: ApiKeyGrant) -> Failure:
    """The failure for a Secret that exists, and is being deleted."""
    return Failure(
        f"Secret {grant.secret_name} is being deleted, and a finalizer holds it back.",
        kind=FailureClass.TRANSIENT,
        reason="SecretTerminating",
        field="spec.secret.name",
        remedy="Remove the finalizer, or wait for its owner; the Secret is then written again.",
    )


def failure_from_api_error(error: Exception, state: GrantState) -> Failure:
    """The failure for a write that the API server did not carry out."""
    name = state.grant.secret_name if state.grant is not None else state.subject.name
    than = "" if state.grant is None else f" than {state.grant.secret_type}"
    if isinstance(error, ApiUnreachableError):
        return api_unreachable()
    if not isinstance(error, ApiError):
        return unexpected(error, what="the Kubernetes API")
    if error.status == 422 and _is_immutable(error):
        return Failure(
            f"Secret {name} is immutable, so that no new key can be written to it.",
            kind=FailureClass.CONFIGURATION,
            reason="SecretImmutable",
            field="spec.secret.name",
            remedy="Delete the Secret: it is then written again, without immutable.",
        )
    if error.status == 422 and "type" in error.fields:
        return Failure(
            f"Secret {name} exists with another type{than}, and a type cannot be changed.",
            kind=FailureClass.CONFIGURATION,
            reason="SecretTypeImmutable",
            field="spec.secret.type",
            remedy="Set it to the Secret's type, or delete the Secret: it is then written again.",
        )
    if error.status == 403 and _FINALIZER_RIGHT in error.message:
        return Failure(
            f"the Kubernetes API refused the finalizer {FINALIZER}: {error.message.rstrip('.')}.",
            kind=FailureClass.DENIED,
            reason="FinalizerForbidden",
            field="metadata.finalizers",
            remedy="Apply manifests/all-namespaces/rbac.yaml of this version.",
        )
    configuration = error.status in (400, 422)
    return Failure(
        f"the Kubernetes API refused to write Secret {name}: {error.message.rstrip('.')}.",
        kind=FailureClass.CONFIGURATION if configuration else FailureClass.TRANSIENT,
        reason="SecretRefused",
        field="spec.secret",
        remedy=_remedy(error),
    )


def _remedy(error: ApiError) -> str:
    """The remedy for a rejected write of a Secret."""
    if error.status in (400, 422):
        return "Correct it to what the API server says of the Secret."
    if error.status != 403:
        return "Tried again. If this stays, check the API server and its admission webhooks."
    if "exceeded quota" in error.message:
        return "Delete unused Secrets, or raise the ResourceQuota; retrying."
    if "being terminated" in error.message:
        return "The namespace is being deleted: no Secret can be written in it any more."
    if " cannot " in error.message:
        return "Apply manifests/all-namespaces/rbac.yaml of this version; tried again."
    return "Change the grant to what the admission policy allows, or the policy; tried again."


def _is_immutable(error: ApiError) -> bool:
    """Whether the Secret is immutable: the API server then rejects other data."""
    return any(field in ("data", "stringData", "immutable") for field in error.fields) and (
        "immutable" in error.message
    )


def lacks_right_to_restart(error: ApiError) -> bool:
    """Whether RBAC refuses the restart, which applies to the next workload as well."""
    rights = (f'cannot patch resource "{plural}"' for plural in PLURALS.values())
    return error.status == 403 and any(right in error.message for right in rights)


def refusal_of_restart(error: ApiError, workload: WorkloadView) -> Failure:
    """The failure if one workload may not be changed; others may."""
    return Failure(
        f"the Kubernetes API refused to restart {workload}: {error.message.rstrip('.')}.",
        kind=FailureClass.TRANSIENT,
        reason="RestartRefused",
        field="spec.rollout.restart",
        remedy="Correct the workload or the policy that refuses it; it is tried again.",
    )


def refusal_of_rollout(error: Exception, grant: ApiKeyGrant) -> Failure:
    """The failure if the workloads of a grant cannot be read, or none of them may be changed."""
    if isinstance(error, ApiUnreachableError):
        return api_unreachable()
    if not isinstance(error, ApiError):
        return unexpected(error, what="the Kubernetes API")
    if error.status == 403:
        return Failure(
            f"Keywright may not restart workloads of namespace {grant.namespace}: {error.message}",
            kind=FailureClass.DENIED,
            reason="RolloutForbidden",
            field="spec.rollout.restart",
            remedy=(
                "Run: kubectl create rolebinding keywright-rollouts --namespace"
                f" {grant.namespace} --clusterrole={_ROLLOUTS_ROLE}"
                " --serviceaccount=keywright-system:keywright"
            ),
        )
    return Failure(
        f"the Kubernetes API refused to tell the workloads: {error.message}",
        kind=FailureClass.TRANSIENT,
        reason="RolloutRefused",
        field="spec.rollout.restart",
        remedy="Tried again. If this stays, check the API server and its admission webhooks.",
    )
