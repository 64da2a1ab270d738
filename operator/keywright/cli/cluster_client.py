"""A small synchronous client of the Kubernetes API for commands, with plain dictionaries.

The operator's own client is asynchronous, and importing it takes longer than a whole command.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from keywright.api.errors import ApiError
from keywright.api.names import GRANT_PLURAL, GROUP, SOURCE_PLURAL, VERSION
from keywright.cli.cluster_config import ClusterConfig, load_config
from keywright.cli.errors import CommandError, ForbiddenError
from keywright.cli.exit_codes import ExitCode

CUSTOM: Final = f"/apis/{GROUP}/{VERSION}"
JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
FIELD_MANAGER: Final = "keywright-cli"
_PAGE: Final = 500
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 30.0
_RETRIES: Final = 2
_TRANSIENT: Final = frozenset({429, 503})
_CONNECTIONS: Final = 8
_CLOCKS_AGREE: Final = timedelta(seconds=2)
_VERBS: Final = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}

Document = dict[str, Any]


class ClusterClient:
    """Requests as the user of a kubeconfig; may be used by several threads."""

    def __init__(self, config: ClusterConfig) -> None:
        self.config = config
        self.namespace = config.namespace
        self._token = threading.Lock()
        self._date: tuple[str | None, datetime] = (None, datetime.now(UTC))
        self._pool = _pool_of(config)

    def get(self, path: str, *, accept: str = JSON, seconds: float = _READ_SECONDS) -> Document:
        """Read one object.

        Raises:
            ApiError: the API server refuses, or there is no such object.
            CommandError: there is no response, or the user may not do this.
        """
        return self._request("GET", path, accept=accept, seconds=seconds)

    def find(self, path: str, *, accept: str = JSON) -> Document | None:
        """Read one object, None if it does not exist."""
        try:
            return self.get(path, accept=accept)
        except ApiError as error:
            if error.is_missing:
                return None
            raise

    def items(
        self, path: str, *, accept: str = JSON, page: int = _PAGE, **query: str
    ) -> Iterator[Document]:
        """Read a list page by page; `query` are its selectors."""
        token = ""
        while True:
            asked = {**query, "limit": str(page), **({"continue": token} if token else {})}
            found = self._request("GET", f"{path}?{urlencode(asked)}", accept=accept, verb="list")
            yield from found.get("items") or ()
            token = (found.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    def create(self, path: str, body: Mapping[str, Any]) -> Document:
        """Create an object, or send a review or a token request."""
        return self._request("POST", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Document:
        """Merge a change into an object, and return the object."""
        return self._request(
            "PATCH", f"{path}?fieldManager={FIELD_MANAGER}", body=body, content_type=MERGE
        )

    def text(self, path: str) -> str:
        """Read a page that is not JSON, such as /readyz."""
        return self._send("GET", path, body=None, headers={"Accept": "*/*"}).decode(
            errors="replace"
        )

    def may(self, verb: str, resource: str, *, namespace: str = "", group: str = "") -> bool:
        """Whether the current user has a right; `resource` may name a subresource."""
        name, _, subresource = resource.partition("/")
        attributes = {
            "verb": verb,
            "resource": name,
            "subresource": subresource,
            "group": group,
            "namespace": namespace,
        }
        review = self.create(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            },
        )
        allowed: bool = (review.get("status") or {}).get("allowed") is True
        return allowed

    def now(self) -> datetime:
        """The time of the API server, which may differ from that of this machine.

        Its responses have whole seconds; within two of them, this machine's clock is used.
        """
        own = datetime.now(UTC)
        difference = self.clock_difference()
        return own if difference is None or abs(difference) < _CLOCKS_AGREE else own + difference

    def clock_difference(self) -> timedelta | None:
        """How far the API server's clock is ahead of this one; None before the first response."""
        date, received = self._date
        if date is None:
            return None
        try:
            return parsedate_to_datetime(date) - received
        except ValueError:
            return None

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        verb: str = "",
        seconds: float = _READ_SECONDS,
    ) -> Document:
        raw = self._send(
            method,
            path,
            body=None if body is None else msgspec.json.encode(body),
            headers={"Accept": accept, **({"Content-Type": content_type} if body else {})},
            verb=verb or _VERBS[method],
            seconds=seconds,
        )
        try:
            return msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise CommandError(
                f"{self.config.server} responds, but not as a Kubernetes API server.",
                remedy="Check the server in the kubeconfig, and proxies between.",
            ) from None

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None,
        headers: dict[str, str],
        verb: str = "get",
        seconds: float = _READ_SECONDS,
    ) -> bytes:
        with self._token:
            authorization = self.config.authorization()
        if authorization is not None:
            headers["Authorization"] = authorization
        try:
            response = self._pool.request(
                method,
                f"{self.config.server}{path}",
                body=body,
                headers={**headers, "User-Agent": "keywright"},
                retries=_retries(method),
                timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=seconds),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise _no_response(self.config, error) from None
        except ValueError:
            # Its text has the value of a header, such as the token.
            raise CommandError(
                "the server or the token in the kubeconfig has characters that are not allowed.",
                remedy="Log in again, or choose another context with --context.",
            ) from None
        self._date = (response.headers.get("Date"), datetime.now(UTC))
        if response.status < 400:
            data: bytes = response.data
            return data
        raise _refused(response.status, response.data, path=path, verb=verb, config=self.config)


def connect(options: argparse.Namespace) -> ClusterClient:
    """Connect as the options of the command line say; see `cluster_options`."""
    client = ClusterClient(load_config(kubeconfig=options.kubeconfig, context=options.context))
    if options.namespace:
        client.namespace = options.namespace
    return client


def scope(client: ClusterClient, options: argparse.Namespace) -> str:
    """The part of a path that limits a list to the chosen namespace; empty for all."""
    if getattr(options, "all_namespaces", False):
        return ""
    return f"/namespaces/{client.namespace}"


def secret_path(namespace: str, name: str) -> str:
    """The path of a Secret."""
    return f"/api/v1/namespaces/{segment(namespace)}/secrets/{segment(name)}"


def segment(name: str) -> str:
    """A name as one segment of a path; a status can name anything.

    Raises:
        CommandError: no object can have this name.
    """
    if name in {"", ".", ".."}:
        raise CommandError(f"{name!r} is not a name of an object.", code=ExitCode.USAGE)
    return quote(name, safe="")


def grant_path(namespace: str, name: str) -> str:
    """The path of a grant."""
    return f"{CUSTOM}/namespaces/{segment(namespace)}/{GRANT_PLURAL}/{segment(name)}"


def source_path(namespace: str, name: str) -> str:
    """The path of a source."""
    return f"{CUSTOM}/namespaces/{segment(namespace)}/{SOURCE_PLURAL}/{segment(name)}"


def concurrent_requests() -> ThreadPoolExecutor:
    """Threads for requests that do not depend on each other; use it in a `with`."""
    return ThreadPoolExecutor(max_workers=_CONNECTIONS)


def _retries(method: str) -> urllib3.Retry:
    return urllib3.Retry(
        total=_RETRIES if method == "GET" else 0,
        connect=0,
        backoff_factor=0.2,
        status_forcelist=_TRANSIENT,
        allowed_methods={"GET"},
        raise_on_status=False,
    )


def _pool_of(config: ClusterConfig) -> urllib3.PoolManager:
    options: dict[str, Any] = {
        "maxsize": _CONNECTIONS,
        "cert_reqs": "CERT_REQUIRED" if config.verify else "CERT_NONE",
        "ca_certs": config.ca_file,
        "cert_file": config.cert_file,
        "key_file": config.key_file,
    }
    if config.server_name:
        options |= {"server_hostname": config.server_name, "assert_hostname": config.server_name}
    if not config.verify:
        # The kubeconfig says so; a warning for each request would not help.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    try:
        if config.proxy:
            return urllib3.ProxyManager(config.proxy, **options)
        return urllib3.PoolManager(**options)
    except urllib3.exceptions.HTTPError as error:
        raise CommandError(f"the kubeconfig's proxy-url cannot be used: {error}.") from None


def _no_response(config: ClusterConfig, error: Exception) -> CommandError:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, urllib3.exceptions.SSLError):
        return CommandError(
            f"the API server {config.server} shows a certificate that is refused: {reason}.",
            remedy="Check the certificate authority of the cluster in the kubeconfig.",
        )
    return CommandError(
        f"the API server {config.server} (context {config.context}) does not respond:"
        f" {type(reason).__name__}.",
        remedy="Check the network or VPN, and the context: kubectl config get-contexts.",
    )


def _refused(
    status: int, raw: bytes, *, path: str, verb: str, config: ClusterConfig
) -> ApiError | CommandError:
    reason, message = _reason_of(raw)
    if status == 401:
        return CommandError(
            f"the API server {config.server} does not accept the credentials of context"
            f" {config.context} (401).",
            remedy="Log in again, or choose another context with --context.",
        )
    if status == 403:
        right, namespace = _right(path, verb)
        scope = f"--namespace {namespace}" if namespace else "--all-namespaces"
        return ForbiddenError(
            f"you may not {right}: {message or 'forbidden'}.",
            remedy=f"Ask for this permission; to check it: kubectl auth can-i {right} {scope}.",
        )
    return ApiError(status=status, reason=reason, message=message)


def _reason_of(raw: bytes) -> tuple[str, str]:
    try:
        found = msgspec.json.decode(raw)
        return str(found.get("reason", "")), str(found.get("message", "")).rstrip(".")
    except (msgspec.DecodeError, AttributeError):
        return "", raw[:200].decode(errors="replace").strip()


def _right(path: str, verb: str) -> tuple[str, str]:
    """A right as `kubectl auth can-i` spells it, and its namespace."""
    parts = path.partition("?")[0].strip("/").split("/")
    group = parts[1] if parts[0] == "apis" and len(parts) > 2 else ""
    rest = parts[3:] if group else parts[2:]
    namespace = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return f"{verb} {path.partition('?')[0]}", ""
    resource = rest[0] if not group else f"{rest[0]}.{group}"
    name = f"/{rest[1]}" if len(rest) == 2 else ""
    if len(rest) > 2:
        return f"{verb} {resource}/{rest[1]} --subresource={rest[2]}", namespace
    return f"{verb} {resource}{name}", namespace
