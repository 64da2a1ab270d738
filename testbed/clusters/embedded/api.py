"""The verbs on resources: from a parsed request to a response."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiohttp import web

from testbed.clusters.embedded import bodies, field_errors, patches
from testbed.clusters.embedded.documents import Document, decode, encode, metadata_of
from testbed.clusters.embedded.field_errors import ApiError, UnknownPathError, by_plural
from testbed.clusters.embedded.forms import Presenter, requested_form
from testbed.clusters.embedded.removal import DeleteOptions, Removal
from testbed.clusters.embedded.selectors import both, parse_fields, parse_labels
from testbed.clusters.embedded.watch import Watch
from testbed.clusters.embedded.writes import Target, Writes, Written

if TYPE_CHECKING:
    from testbed.clusters.embedded.resources import Registry, Resource
    from testbed.clusters.embedded.routes import Route
    from testbed.clusters.embedded.selectors import Predicate
    from testbed.clusters.embedded.store import Record, Store
    from testbed.clusters.embedded.tokens import TokenIssuer

_WATCH_SECONDS: Final = 1800.0
_JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """A request with the meaning of its path and method."""

    request: web.BaseRequest
    route: Route
    verb: str
    resource: Resource

    @property
    def target(self) -> Target:
        """The target of the write."""
        query = self.request.query
        agent = self.request.headers.get("User-Agent", "unknown")
        return Target(
            resource=self.resource,
            namespace=self.route.namespace,
            name=self.route.name,
            subresource=self.route.subresource,
            manager=query.get("fieldManager") or agent.partition("/")[0][:128],
            validation=query.get("fieldValidation", "Warn"),
            force=query.get("force") in {"true", "1"},
            dry_run=query.get("dryRun") == "All",
        )

    def predicate(self) -> Predicate | None:
        """The predicate of its selectors."""
        query = self.request.query
        return both(
            parse_labels(query.get("labelSelector", "")),
            self.fields(query.get("fieldSelector", "")),
        )

    def fields(self, selector: str) -> Predicate | None:
        """The predicate of a field selector."""
        return parse_fields(selector, kind=self.resource.kind, custom=self.resource.custom)

    def presenter(self) -> Presenter:
        """The requested form of objects."""
        form = requested_form(self.request.headers.get("Accept", ""))
        include = self.request.query.get("includeObject", "Metadata")
        return Presenter(self.resource, form, include=include)


class Api:
    """Executes the verbs."""

    def __init__(
        self,
        *,
        store: Store,
        registry: Registry,
        writes: Writes,
        removal: Removal,
        tokens: TokenIssuer,
    ) -> None:
        self._store = store
        self._registry = registry
        self._writes = writes
        self._removal = removal
        self._tokens = tokens
        self.watches: dict[Watch, str] = {}

    def resource_of(self, route: Route) -> Resource:
        """The resource of a route; raises if it is not served."""
        found = self._registry.find(route.group, route.version, route.plural)
        if found is None:
            custom = any(item.custom for item in self._registry if item.group == route.group)
            known = self._registry.serves_group_version(route.group, route.version)
            if known and not custom:
                raise field_errors.no_such_resource()
            raise UnknownPathError
        allowed = {"", "status"} if found.has_status else {""}
        if found.kind == "ServiceAccount":
            allowed.add("token")
        if route.subresource not in allowed or (route.namespace and not found.namespaced):
            raise field_errors.no_such_resource()
        return found

    async def answer(self, call: Call) -> web.StreamResponse:
        """Execute one request."""
        match call.verb:
            case "get":
                return self._get(call)
            case "list":
                return self._list(call)
            case "watch":
                return await self._watch(call)
            case "create":
                return await self._create(call)
            case "update":
                body = await self._object(call)
                return self._written(call, self._writes.replace(call.target, body))
            case "patch":
                return await self._patch(call)
            case "delete":
                return await self._delete(call)
            case "deletecollection":
                return await self._delete_collection(call)
            case _:
                raise ApiError(
                    "the server does not allow this method on the requested resource",
                    code=405,
                    reason="MethodNotAllowed",
                    details={},
                )

    def _get(self, call: Call) -> web.Response:
        self._refuse_future(call)
        record = self._store.get(call.resource.key, call.target.key)
        if record is None:
            raise field_errors.not_found(by_plural(call.resource, call.route.name))
        return web.Response(body=call.presenter().one(record), content_type=_JSON)

    def _refuse_future(self, call: Call) -> int:
        """The version that a read requests; raises ApiError (504) if it does not exist yet."""
        text = call.request.query.get("resourceVersion") or "0"
        version = int(text) if text.isdigit() else 0
        if version > self._store.version:
            raise ApiError(
                f"Timeout: Too large resource version: {version}, current: {self._store.version}",
                code=504,
                reason="Timeout",
                details={
                    "causes": [
                        {
                            "reason": "ResourceVersionTooLarge",
                            "message": "Too large resource version",
                        }
                    ],
                    "retryAfterSeconds": 1,
                },
                retry_after=1,
            )
        return version

    def _list(self, call: Call) -> web.Response:
        self._refuse_future(call)
        query = call.request.query
        predicate = call.predicate()
        limit = int(query.get("limit") or 0)
        after, version = None, self._store.version
        if token := query.get("continue"):
            after, version = self._continue_from(call, token)
        chosen: list[Record] = []
        last = None
        left = 0
        for key, record in self._store.records(
            call.resource.key, namespace=call.route.namespace, after=after
        ):
            if predicate is not None and not predicate(record.document):
                continue
            if limit and len(chosen) == limit:
                left += 1
                continue
            chosen.append(record)
            last = key
        metadata: Document = {"resourceVersion": str(version)}
        if left and last is not None:
            token = base64.urlsafe_b64encode(encode([version, *last])).decode()
            metadata["continue"] = token
            if predicate is None:
                metadata["remainingItemCount"] = left
        return web.Response(body=call.presenter().many(chosen, metadata), content_type=_JSON)

    def _continue_from(self, call: Call, token: str) -> tuple[tuple[str, str], int]:
        """The end of the last page. Later pages show the current objects, not the earlier ones."""
        try:
            version, namespace, name = decode(base64.urlsafe_b64decode(token))
        except ValueError as error:
            raise field_errors.bad_request("continue key is not valid") from error
        if version < self._store.bucket(call.resource.key).compacted:
            raise field_errors.expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "You can start a new list without the continue parameter."
            )
        return (namespace, name), version

    async def _watch(self, call: Call) -> web.StreamResponse:
        query = call.request.query
        self._refuse_future(call)
        text = query.get("resourceVersion", "")
        bookmarks = query.get("allowWatchBookmarks") in {"true", "1"}
        wants_initial = query.get("sendInitialEvents") == "true"
        predicate = call.predicate()
        if call.route.name:
            predicate = both(predicate, call.fields(f"metadata.name={call.route.name}"))
        watch = Watch(
            self._store,
            call.resource.key,
            presenter=call.presenter(),
            namespace=call.route.namespace,
            predicate=predicate,
            bookmarks=bookmarks,
        )
        self.watches[watch] = call.request.path_qs
        try:
            return await watch.run(
                call.request,
                version=None if text in {"", "0"} or wants_initial else int(text),
                initial_end=bookmarks and (wants_initial or text == ""),
                seconds=float(query.get("timeoutSeconds") or _WATCH_SECONDS),
            )
        finally:
            del self.watches[watch]

    async def _object(self, call: Call) -> Document:
        content_type = bodies.media_type(call.request.headers.get("Content-Type", ""))
        body = await call.request.read()
        return bodies.read_object(body, content_type, kind=call.resource.kind)

    def _written(self, call: Call, written: Written) -> web.Response:
        headers = [("Warning", f'299 - "{_quoted(text)}"') for text in written.warnings]
        return web.Response(
            body=call.presenter().one(written.record),
            status=201 if written.created else 200,
            content_type=_JSON,
            headers=headers,
        )

    async def _create(self, call: Call) -> web.Response:
        if call.route.name and call.route.subresource != "token":
            raise field_errors.no_such_resource()
        body = await self._object(call)
        if call.route.subresource == "token":
            account = self._store.get(call.resource.key, call.target.key)
            if account is None:
                raise field_errors.not_found(by_plural(call.resource, call.route.name))
            answer = encode(self._tokens.request(account, body))
            return web.Response(body=answer, status=201, content_type=_JSON)
        return self._written(call, self._writes.create(call.target, body))

    async def _patch(self, call: Call) -> web.Response:
        kind = bodies.media_type(call.request.headers.get("Content-Type", ""))
        accepted = bodies.PATCHES if call.resource.custom else (*bodies.PATCHES, patches.STRATEGIC)
        if kind not in accepted:
            raise (
                bodies.unsupported(accepted) if call.resource.custom else bodies.unsupported_type()
            )
        raw = await call.request.read()
        body = bodies.read_value(raw, kind, kind=call.resource.kind)
        if kind != patches.APPLY:
            return self._written(call, self._writes.patch(call.target, body, kind=kind))
        if not call.request.query.get("fieldManager"):
            subject = field_errors.Subject(kind="PatchOptions", group="meta.k8s.io")
            problem = field_errors.required("fieldManager", "is required for apply patch")
            raise field_errors.invalid(subject, [problem])
        return self._written(call, self._writes.apply(call.target, body))

    async def _options(self, call: Call) -> DeleteOptions:
        raw = await call.request.read()
        body = decode(raw) if raw else {}
        query = call.request.query
        policy = query.get("propagationPolicy") or body.get("propagationPolicy")
        before = body.get("preconditions") or {}
        return DeleteOptions(
            uid=before.get("uid"),
            version=before.get("resourceVersion"),
            orphan=policy == "Orphan" or bool(body.get("orphanDependents")),
            dry_run=query.get("dryRun") == "All" or "All" in (body.get("dryRun") or ()),
        )

    async def _delete(self, call: Call) -> web.Response:
        options = await self._options(call)
        deleted = self._removal.delete(call.resource, call.target.key, options)
        if not deleted.gone:
            return web.Response(body=call.presenter().one(deleted.record), content_type=_JSON)
        details = by_plural(call.resource, call.route.name).details()
        status: Document = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {**details, "uid": metadata_of(deleted.record.document)["uid"]},
        }
        return web.Response(body=encode(status), content_type=_JSON)

    async def _delete_collection(self, call: Call) -> web.Response:
        options = await self._options(call)
        predicate = call.predicate()
        chosen = [
            (key, record)
            for key, record in self._store.records(
                call.resource.key, namespace=call.route.namespace
            )
            if predicate is None or predicate(record.document)
        ]
        for key, _ in chosen:
            self._removal.delete(call.resource, key, options)
        metadata = {"resourceVersion": str(self._store.version)}
        body = call.presenter().many([record for _, record in chosen], metadata)
        return web.Response(body=body, content_type=_JSON)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
