"""A small synchronous client of the Kubernetes API with plain dictionaries.

The official client loads the kubeconfig and sends the requests; its types are not used.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kubernetes import client, config

from testbed.documents import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_TIMEOUT_SECONDS = 30.0


class ApiError(RuntimeError):
    """A response of 400 or above: HTTP's `status`, the server's `reason` and `message`."""

    def __init__(self, *, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Api:
    """Requests as the user of a kubeconfig."""

    def __init__(self, kubeconfig: Path, *, context: str | None = None) -> None:
        self._client = config.new_client_from_config(  # type: ignore[no-untyped-call]  # untyped upstream
            str(kubeconfig), context=context
        )
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Return the parsed response; raises ApiError for 400 and above."""
        raw = self._send(
            method,
            path,
            query=query,
            headers={"Content-Type": content_type, "Accept": accept},
            body=body,
        )
        try:
            return json.loads(raw)
        except ValueError:
            return raw.decode() if isinstance(raw, bytes) else raw

    def text(self, path: str, *, query: Mapping[str, str] | None = None) -> str:
        """Return the response to a GET as text; raises ApiError for 400 and above."""
        raw = self._send("GET", path, query=query, headers={"Accept": "*/*"}, body=None)
        return raw.decode() if isinstance(raw, bytes) else str(raw)

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        body: Any,
    ) -> Any:
        request = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=dict(headers),
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*request, _request_timeout=_TIMEOUT_SECONDS)
            raw = answer.read()
        except client.ApiException as error:
            raise _api_error(error.status or 0, error.body) from None
        if answer.status >= 400:
            raise _api_error(answer.status, raw)
        return raw

    def get(self, path: str, **options: Any) -> Any:
        """GET."""
        return self.request("GET", path, **options)

    def exists(self, path: str) -> bool:
        """Whether a GET finds the object."""
        try:
            self.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def delete(self, path: str, *, missing_ok: bool = True) -> None:
        """DELETE in the background; a missing object is an error only if `missing_ok` is false."""
        try:
            self.request("DELETE", path, query={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status != 404 or not missing_ok:
                raise

    def merge(self, path: str, body: Mapping[str, Any]) -> Any:
        """A merge patch."""
        return self.request("PATCH", path, body=body, content_type=MERGE)

    def apply(self, document: Mapping[str, Any], *, manager: str = "testbed") -> Any:
        """Force a server-side apply."""
        return self.request(
            "PATCH",
            self.path_of(document),
            body=document,
            content_type=APPLY,
            query={"fieldManager": manager, "force": "true"},
        )

    def create(self, document: Mapping[str, Any]) -> Any:
        """POST."""
        return self.request("POST", self.path_of(document).rpartition("/")[0], body=document)

    def apply_files(self, paths: Iterable[Path]) -> None:
        """Apply every document of YAML files."""
        for path in paths:
            for document in documents(path.read_text()):
                if document:
                    self.apply(document)

    def path_of(self, document: Mapping[str, Any]) -> str:
        """The URL path of an object, from the server's discovery."""
        version, kind = document["apiVersion"], document["kind"]
        root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        if (version, kind) not in self._resources:
            for resource in self.get(root)["resources"]:
                if "/" not in resource["name"]:
                    self._resources[version, resource["kind"]] = (
                        resource["name"],
                        resource["namespaced"],
                    )
        plural, namespaced = self._resources[version, kind]
        metadata = document["metadata"]
        scope = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{root}{scope}/{plural}/{metadata['name']}"


def _api_error(status: int, body: Any) -> ApiError:
    try:
        document = json.loads(body)
    except (TypeError, ValueError):
        document = {}
    return ApiError(
        status=status,
        reason=document.get("reason", ""),
        message=document.get("message", str(body)[:300]),
    )
