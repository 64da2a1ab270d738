"""An API server of a few dictionaries, behind the client's one method."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
from typing_extensions import override

from keywright.api.errors import ApiError
from keywright.cluster.client import APPLY, JSON, MERGE, METADATA_LIST, KubernetesClient
from tests.unit.fakes.workloads import WORKLOADS, workload_after_apply
from tests.unit.secrets.samples import metadata_after_apply

_SUBRESOURCES = ("status", "token")
_COLLECTIONS = (
    "secrets",
    "apikeygrants",
    "credentialsources",
    "leases",
    "deployments",
    "statefulsets",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: the path without its query."""

    method: str
    path: str
    body: Any
    content_type: str


class KubernetesInMemory(KubernetesClient):
    """Objects by path, with versions, conflicts and merge patches as the real one has them.

    `answers` are raised or called, one for each request that its words are found in, before
    anything is done; a callable may change the world in between. Those of `after` come when it is
    done, in place of the answer.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.requested: list[Asked] = []
        self.answers: list[tuple[str, Exception | Callable[[], None]]] = []
        self.after: list[tuple[str, Exception | Callable[[], None]]] = []
        self._version = 100

    def put(self, collection: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object, as another client."""
        meta = body["metadata"]
        return self._store(f"{collection}/{meta['name']}", copy.deepcopy(dict(body)))

    def writes(self) -> list[str]:
        """What was written, Events left out."""
        return [
            f"{requested.method} {requested.path}"
            for requested in self.requested
            if requested.method != "GET" and not requested.path.endswith("/events")
        ]

    def events(self) -> list[tuple[str, str]]:
        """Type and reason of each Event."""
        return [
            (a.body["type"], a.body["reason"]) for a in self.requested if a.path.endswith("events")
        ]

    @override
    async def close(self) -> None:
        pass

    @override
    async def own_audiences(self) -> frozenset[str]:
        return frozenset({"https://api.example.com"})

    @override
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        seconds: float | None = None,
        into: type[Any] | None = None,
    ) -> Any:
        bare, _, query = path.partition("?")
        self.requested.append(Asked(method, bare, copy.deepcopy(body), content_type))
        _interrupt(f"{method} {bare}", self.answers)
        answer = self._answer(method, bare, query, body=body, content_type=content_type)
        _interrupt(f"{method} {bare}", self.after)
        if accept == METADATA_LIST and "items" in answer:
            found = [{"metadata": item["metadata"]} for item in answer["items"]]
            answer = answer | {"items": found or None}
        return copy.deepcopy(answer) if into is None else msgspec.convert(answer, into)

    def _answer(
        self,
        method: str,
        path: str,
        query: str,
        *,
        body: Mapping[str, Any] | None,
        content_type: str,
    ) -> dict[str, Any]:
        path, _, last = path.rpartition("/")
        subresource = last if last in _SUBRESOURCES else ""
        path = path if subresource else f"{path}/{last}"
        sent = copy.deepcopy(dict(body or {}))
        match method, content_type:
            case "GET", _ if path in self.objects:
                return self.objects[path]
            case "GET", _ if last in _COLLECTIONS:
                return self._listed(path, query)
            case "POST", _ if subresource == "token":
                self._found(path)
                return {"status": {"token": f"token for {sent['spec']['audiences'][0]}"}}
            case "POST", _:
                name = sent["metadata"].get("name") or f"generated-{self._version}"
                sent["metadata"]["name"] = name
                if f"{path}/{name}" in self.objects:
                    _refuse(409, "AlreadyExists")
                return self._store(f"{path}/{name}", sent)
            case "PUT", _:
                self._check_version(self._found(path), sent)
                return self._store(path, sent)
            case "PATCH", _ if content_type == APPLY:
                return self._apply(path, sent)
            case "PATCH", _ if content_type == MERGE:
                found = self._found(path)
                self._check_version(found, sent)
                if not subresource:
                    return self._store(
                        path, {**found, "metadata": found["metadata"] | sent["metadata"]}
                    )
                status = {**found.get("status", {}), **sent["status"]}
                merged = {key: value for key, value in status.items() if value is not None}
                return self._store(path, {**found, "status": merged})
            case _:
                raise ApiError(status=404, reason="NotFound", message="NotFound")

    def _listed(self, path: str, query: str) -> dict[str, Any]:
        collection = path.rpartition("/")[2]
        labelled = "labelSelector=" in query
        items = [
            found
            for known, found in self.objects.items()
            if known.rpartition("/")[0].endswith(f"/{collection}")
            and (not labelled or found["metadata"].get("labels"))
        ]
        return {"metadata": {}, "items": items}

    def _apply(self, path: str, sent: dict[str, Any]) -> dict[str, Any]:
        known = self.objects.get(path)
        if path.startswith(WORKLOADS):
            return self._store(path, workload_after_apply(self._found(path), sent))
        if known is not None:
            self._check_version(known, sent)
        meta = metadata_after_apply(sent)
        meta["uid"] = known["metadata"]["uid"] if known else f"uid-{self._version}"
        return self._store(path, {**sent, "metadata": meta})

    def _store(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self._version += 1
        body["metadata"] = {**body["metadata"], "resourceVersion": str(self._version)}
        self.objects[path] = body
        return body

    def _found(self, path: str) -> dict[str, Any]:
        if path not in self.objects:
            _refuse(404, "NotFound")
        return self.objects[path]

    @staticmethod
    def _check_version(known: Mapping[str, Any], sent: Mapping[str, Any]) -> None:
        version = sent["metadata"].get("resourceVersion")
        if version is not None and version != known["metadata"]["resourceVersion"]:
            _refuse(409, "Conflict")


def _interrupt(request: str, answers: list[tuple[str, Exception | Callable[[], None]]]) -> None:
    for index, (words, answer) in enumerate(answers):
        if words in request:
            del answers[index]
            if isinstance(answer, Exception):
                raise answer
            answer()
            return


def _refuse(status: int, reason: str) -> NoReturn:
    raise ApiError(status=status, reason=reason, message=reason)
