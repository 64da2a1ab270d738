"""Tokens of ServiceAccounts, by the TokenRequest API: one audience, and a short lifetime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from keywright.api.errors import (
    ApiError,
    ApiUnreachableError,
    Failure,
    FailureClass,
    api_unreachable,
)
from keywright.api.schema import TOKEN_SECONDS
from keywright.api.sensitive import Sensitive
from keywright.cluster.client import KubernetesClient

_FORBIDDEN = 403
_APPLY: Final = "--dry-run=client -o yaml | kubectl apply -f -"
# The audience of the API server in most clusters; the actual one is in the operator's token.
_API_SERVER = "https://kubernetes.default"


@dataclass(frozen=True, slots=True)
class ServiceAccounts:
    """ServiceAccounts of any namespace; callers pass the namespace of the object they serve."""

    client: KubernetesClient

    async def token(
        self, *, namespace: str, name: str, audience: str, seconds: int = TOKEN_SECONDS
    ) -> Sensitive:
        """Request a token for `audience` only, but never one that the API server itself accepts.

        `seconds`: the requested lifetime, which the API server may shorten.

        The author of a source sets the audience, and where the token is sent: without this check
        the author could act as the ServiceAccount in the cluster.

        Raises:
            Failure: the ServiceAccount is missing, or the token request is not permitted.
        """
        try:
            own = await self.client.own_audiences()
        except Exception as error:
            raise _failed(error, namespace=namespace, name=name) from None
        if audience.startswith(_API_SERVER) or audience in own:
            raise _for_the_api_server(audience)
        try:
            answer = await self.client.request(
                "POST",
                f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
                body={
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenRequest",
                    "spec": {"audiences": [audience], "expirationSeconds": seconds},
                },
            )
            return Sensitive(_token_of(answer))
        except Exception as error:
            if isinstance(error, ApiError) and error.status == _FORBIDDEN:
                await self._must_exist(namespace, name)
            raise _failed(error, namespace=namespace, name=name) from None

    async def _must_exist(self, namespace: str, name: str) -> None:
        # RBAC refuses a token before the ServiceAccount is looked up.
        try:
            await self.annotations(namespace=namespace, name=name)
        except Failure as failure:
            if failure.reason == "ServiceAccountNotFound":
                raise

    async def annotations(self, *, namespace: str, name: str) -> dict[str, str]:
        """The annotations of a ServiceAccount.

        Raises:
            Failure: it is missing, or may not be read.
        """
        try:
            found = await self.client.request(
                "GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
            )
            annotations = found["metadata"].get("annotations") or {}
            return {str(key): str(value) for key, value in annotations.items()}
        except Exception as error:
            raise _failed(error, namespace=namespace, name=name, verb="get") from None


def _for_the_api_server(audience: str) -> Failure:
    return Failure(
        f"a token for {audience} would be good for the Kubernetes API itself, and is never asked"
        " for.",
        kind=FailureClass.CONFIGURATION,
        reason="AudienceForbidden",
        field="CredentialSource spec: serviceAccountRef.audiences",
        remedy="Name the audience that the cloud expects, or none for the default.",
    )


def _token_of(answer: Any) -> str:
    token = answer["status"]["token"]
    if not isinstance(token, str):
        raise TypeError("the token is no text")
    return token


def _failed(error: Exception, *, namespace: str, name: str, verb: str = "create") -> Failure:
    """Convert any exception of such a request to a failure."""
    if isinstance(error, ApiError):
        return _refused(error, namespace=namespace, name=name, verb=verb)
    if isinstance(error, ApiUnreachableError):
        return api_unreachable()
    if isinstance(error, Failure):
        return error
    return Failure.of_unexpected(error, what=f"reading ServiceAccount {name}")


def token_forbidden(*, namespace: str, name: str, verb: str = "create") -> Failure:
    """The failure if the operator may not request tokens of a ServiceAccount, or not read it."""
    creates = verb == "create"
    resource = "serviceaccounts/token" if creates else "serviceaccounts"
    # The names of the examples; the two rights need a Role each.
    role = f"keywright-token-{name}" if creates else f"keywright-serviceaccount-{name}"
    return Failure(
        f"Keywright may not {verb} {resource} of {name} in namespace {namespace}.",
        kind=FailureClass.DENIED,
        reason="TokenRequestForbidden",
        field="CredentialSource spec: serviceAccountRef.name",
        remedy=(
            # `kubectl create` alone fails if one of the two exists, and is not as it should be.
            f"Run: kubectl create role {role} --namespace {namespace}"
            f" --verb={verb} --resource={resource} --resource-name={name} {_APPLY} && kubectl"
            f" create rolebinding {role} --namespace {namespace}"
            f" --role={role} --serviceaccount=keywright-system:keywright {_APPLY}"
        ),
    )


def _refused(error: ApiError, *, namespace: str, name: str, verb: str = "create") -> Failure:
    field = "CredentialSource spec: serviceAccountRef.name"
    if error.is_missing:
        return Failure(
            f"there is no ServiceAccount {name} in namespace {namespace}.",
            kind=FailureClass.CONFIGURATION,
            reason="ServiceAccountNotFound",
            field=field,
            remedy="Create it, or name another one.",
        )
    if error.status == _FORBIDDEN:
        return token_forbidden(namespace=namespace, name=name, verb=verb)
    return Failure(
        f"the Kubernetes API gave no token of ServiceAccount {name}: {error.message}",
        kind=FailureClass.TRANSIENT,
        reason="TokenRequestFailed",
        field=field,
        remedy="Tried again. If this stays, check the API server and its admission webhooks.",
    )
