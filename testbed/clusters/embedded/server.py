"""The HTTP server: authentication, faults, audit, and the paths that are not resources."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from aiohttp import web

from testbed.clusters.embedded import crds, faults, kinds
from testbed.clusters.embedded.answers import refused
from testbed.clusters.embedded.api import Api, Call
from testbed.clusters.embedded.audit import AuditLog, micro_time
from testbed.clusters.embedded.documents import Document, decode
from testbed.clusters.embedded.faults import FaultKind, Faults, parse_fault
from testbed.clusters.embedded.field_errors import ApiError, UnknownPathError
from testbed.clusters.embedded.plain import PUBLIC, PlainPaths
from testbed.clusters.embedded.removal import DEFINITIONS, Removal
from testbed.clusters.embedded.resources import Registry
from testbed.clusters.embedded.routes import Route, parse_route, verb_of
from testbed.clusters.embedded.store import Event, Store
from testbed.clusters.embedded.tokens import TokenIssuer
from testbed.clusters.embedded.writes import NAMESPACES, Target, Writes

if TYPE_CHECKING:
    from testbed.clusters.embedded.resources import ResourceKey

ADMIN: Final = "admin"
_ANONYMOUS: Final = "system:anonymous"


class Server:
    """One cluster: its state and its request handler."""

    def __init__(self, *, address: str, admin_token: str, audit_log: AuditLog) -> None:
        self._store = Store()
        self._registry = Registry(kinds.BUILT_IN)
        self._writes = Writes(self._store)
        self._store.observe(self._on_event)
        self._tokens = TokenIssuer(f"https://{address}", self._store)
        self._api = Api(
            store=self._store,
            registry=self._registry,
            writes=self._writes,
            removal=Removal(self._store, self._registry),
            tokens=self._tokens,
        )
        self._plain = PlainPaths(self._registry, self._tokens, address=address)
        self._admin_token = admin_token.encode()
        self._audit = audit_log
        self._faults = Faults()
        for kind in self._registry:
            self._store.bucket(kind.key)

    def populate(self) -> None:
        """Create the namespaces that every cluster has."""
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self._create("Namespace", {"name": name}, namespace="")

    def _create(self, kind: str, metadata: Document, *, namespace: str) -> None:
        resource = self._registry.of_kind("v1", kind)
        assert resource is not None
        target = Target(resource=resource, namespace=namespace, manager="embedded")
        self._writes.create(target, {"apiVersion": "v1", "kind": kind, "metadata": metadata})

    def _on_event(self, kind: ResourceKey, event: Event) -> None:
        """Serve the resources of a definition; give each namespace its ServiceAccount."""
        document = event.record.document
        if kind == NAMESPACES and event.type == "ADDED":
            self._create("ServiceAccount", {"name": "default"}, namespace=event.key[1])
        elif kind == DEFINITIONS:
            group, plural = document["spec"]["group"], document["spec"]["names"]["plural"]
            if event.type == "DELETED":
                self._registry.remove_all(group, plural)
                self._store.forget((group, plural))
                return
            before = event.previous.document["spec"] if event.previous else None
            if before != document["spec"]:
                self._registry.remove_all(group, plural)
                for resource in crds.resources_of(document):
                    self._registry.add(resource)
                self._store.bucket((group, plural))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request."""
        received = micro_time()
        route = parse_route(request.path)
        watching = request.query.get("watch") in {"true", "1"}
        verb = verb_of(request.method, route, watching=watching)
        user = _ANONYMOUS
        code = 500
        try:
            user = self._authenticate(request)
            response = await self._with_faults(request, route, verb, user)
            code = response.status
        except ApiError as error:
            code = error.code
            response = refused(error)
        except UnknownPathError:
            code = 404
            response = web.Response(text="404 page not found\n", status=404)
        except ConnectionResetError:
            code = 0
            raise
        finally:
            self._audit.write(
                verb=verb,
                uri=request.path_qs,
                user=user,
                object_ref=route.object_ref() if route else None,
                code=code,
                received=received,
                user_agent=request.headers.get("User-Agent", ""),
            )
        return response

    def _authenticate(self, request: web.BaseRequest) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            if hmac.compare_digest(token.encode(), self._admin_token):
                return ADMIN
            if (user := self._tokens.user_of(token)) is not None:
                return user
            raise ApiError("Unauthorized", code=401, reason="Unauthorized")
        return _ANONYMOUS

    async def _with_faults(
        self, request: web.BaseRequest, route: Route | None, verb: str, user: str
    ) -> web.StreamResponse:
        path = request.path_qs
        if path.startswith("/_faults"):
            return await self._control(request, user)
        if self._faults:
            fault = self._faults.take(path, verb, after=False)
            if fault is not None and await faults.happen(fault, request):
                raise ConnectionResetError
        response = await self._answer(request, route, verb, user)
        if self._faults and not response.prepared:
            fault = self._faults.take(path, verb, after=True)
            if fault is not None and await faults.happen(fault, request):
                raise ConnectionResetError
        return response

    async def _answer(
        self, request: web.BaseRequest, route: Route | None, verb: str, user: str
    ) -> web.StreamResponse:
        if user == _ANONYMOUS and request.path not in PUBLIC:
            raise _forbidden(request, route, verb)
        if route is None or request.path.startswith(("/openapi/", "/openid/")):
            return self._plain.answer(request)
        resource = self._api.resource_of(route)
        return await self._api.answer(Call(request, route, verb, resource))

    async def _control(self, request: web.BaseRequest, user: str) -> web.Response:
        """Arm and clear faults; for the administrator only."""
        if user != ADMIN:
            raise ApiError("Unauthorized", code=401, reason="Unauthorized")
        if request.method == "DELETE":
            self._faults.clear()
            return web.json_response({})
        fault = parse_fault(decode(await request.read()))
        if fault.kind is FaultKind.GONE:
            matching = [
                kind
                for kind in self._store.kinds()
                if fault.match.search(f"/{kind[1]}") or fault.match.search(f"{kind[0]}/{kind[1]}")
            ]
            self._store.compact(matching)
            return web.json_response({})
        self._faults.arm(fault)
        if not fault.after and fault.kind in {FaultKind.CLOSE, FaultKind.RESET, FaultKind.STALL}:
            for watch, path in list(self._api.watches.items()):
                if fault.meets(path, "watch"):
                    watch.interrupt(fault)
        return web.json_response({})


def _forbidden(request: web.BaseRequest, route: Route | None, verb: str) -> ApiError:
    if route is None:
        what = f'cannot {verb} path "{request.path}"'
        return ApiError(
            f'forbidden: User "{_ANONYMOUS}" {what}', code=403, reason="Forbidden", details={}
        )
    title = f"{route.plural}.{route.group}" if route.group else route.plural
    name = f' "{route.name}"' if route.name else ""
    place = f' in the namespace "{route.namespace}"' if route.namespace else " at the cluster scope"
    details = {"name": route.name, "group": route.group, "kind": route.plural}
    return ApiError(
        f'{title}{name} is forbidden: User "{_ANONYMOUS}" cannot {verb} resource "{route.plural}" '
        f'in API group "{route.group}"{place}',
        code=403,
        reason="Forbidden",
        details={key: value for key, value in details.items() if value},
    )
