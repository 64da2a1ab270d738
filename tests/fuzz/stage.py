"""An honest grant beside one bad object: through list, watch, parse, decide and render."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Final

import aiohttp
from typing_extensions import override

from keywright.api.errors import ApiError, ApiUnreachableError, ConflictError, Failure
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KEY_TYPES
from keywright.api.sensitive import Sensitive
from keywright.api.source import CredentialSource
from keywright.clouds.interfaces import NO_EVIDENCE, Evidence, Intent, IssuedKey, ManagedKeys
from keywright.cluster.decoding import ShallowLines, decode_list
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.secrets.credential import Credential
from tests.fuzz.bodies import GRANTS, SOURCES, Body
from tests.fuzz.findings import Finding
from tests.unit.api.samples import grant_body, source_body
from tests.unit.controller.samples import SECRET, UID, Scene
from tests.unit.fakes.clock import FakeClock
from tests.unit.fakes.managed_keys import SmallIam
from tests.unit.fakes.provider import LIFE, ScriptedProvider

_COLLECTION: Final = "/apis/keywright.dev/v1alpha1/namespaces/{namespace}/{plural}"
_STEPS: Final = 12
# Of processor time: what else the machine does is not the object's fault. The worst takes 0.1 s.
_LONGEST_SECONDS: Final = 3.0

# What a step may raise: answers of the API server, and that it must be looked at again.
CLASSIFIED: Final = (ApiError, ApiUnreachableError, ConflictError, Failure)


class AnyVendor(ScriptedProvider):
    """A cloud that issues any kind of key; each grant has an IAM of its own."""

    def __init__(self, *, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self._times = clock
        self._iam: dict[str, SmallIam] = {}

    @override
    async def keys(
        self, grant: ApiKeyGrant, *, source: CredentialSource, evidence: Evidence = NO_EVIDENCE
    ) -> ManagedKeys:
        found = self._iam.setdefault(grant.uid, SmallIam(self._times))
        found.evidence = evidence
        return found

    @override
    async def mint(
        self,
        grant: ApiKeyGrant,
        *,
        source: CredentialSource,
        intent: Intent | None = None,
        not_before: datetime | None = None,
    ) -> IssuedKey:
        if grant.managed is not None:
            return await super().mint(grant, source=source, intent=intent, not_before=not_before)
        now = self._times()
        names = KEY_TYPES[grant.kind].values
        return IssuedKey(
            Credential(
                values={name: Sensitive(f"planted-{name}") for name in names},
                region=grant.region(source),
                account_id="123456789012",
                key_id="ASIA1",
                issued_at=now,
                expires_at=now + LIFE,
                provider=source.provider,
            )
        )


class _Content:
    """The content of a watch, as the network brings it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        for start in range(0, len(self._raw), size):
            yield self._raw[start : start + size]


def text_of(value: Any) -> bytes:
    """JSON of a value of any depth, as the API server would write it."""
    parts: list[str] = []
    rest: list[Any] = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, _Word):
            parts.append(item.text)
        elif isinstance(item, dict):
            rest.append(_Word("}"))
            for number, (name, inner) in enumerate(reversed(item.items())):
                comma = "," if number < len(item) - 1 else ""
                rest += [inner, _Word(f"{comma}{json.dumps(name)}:")]
            rest.append(_Word("{"))
        elif isinstance(item, list):
            rest.append(_Word("]"))
            for number, inner in enumerate(reversed(item)):
                rest += [inner, _Word("," if number < len(item) - 1 else "")]
            rest.append(_Word("["))
        else:
            parts.append(json.dumps(item))
    return "".join(parts).encode()


class _Word:
    """A piece of text that is written as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


async def listed(*bodies: Body) -> list[Body]:
    """The objects as a list brings them."""
    raw = b'{"metadata":{"resourceVersion":"9"},"items":[' + b",".join(map(text_of, bodies)) + b"]}"
    page: dict[str, Any] = await decode_list(raw)
    items: list[Body] = page["items"]
    return items


async def watched(*bodies: Body) -> list[Body]:
    """The objects as a watch brings them, to kopf."""
    lines = b"".join(b'{"type":"ADDED","object":%s}\n' % text_of(body) for body in bodies)
    reader: Any = _Content(lines)
    content = ShallowLines(aiohttp_reader(reader))
    read = b"".join([chunk async for chunk in content.iter_chunked(2**16)])
    return [json.loads(line)["object"] for line in read.split(b"\n") if line]


def aiohttp_reader(content: Any) -> aiohttp.StreamReader:
    """What stands for a reader of aiohttp here: it has the one method that is used."""
    reader: aiohttp.StreamReader = content
    return reader


class Stage:
    """A cluster in memory with an honest grant; the bad object comes before it."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.scene.use_vendor(AnyVendor(clock=self.scene.clock))
        # A source of the bad object's own namespace, as good as it gets.
        source = source_body()
        source["metadata"] = source["metadata"] | {"namespace": "evil", "uid": "evil-source"}
        self.put(SOURCES, source)
        self.put(SOURCES, source_body())
        self.put(GRANTS, grant_body())

    def put(self, plural: str, body: Body) -> Body:
        """The object is in the cluster, and the watch shows it."""
        namespace = body["metadata"]["namespace"]
        collection = _COLLECTION.format(namespace=namespace, plural=plural)
        stored = self.scene.api.put(collection, body)
        self.see(plural, stored)
        return stored

    def see(self, plural: str, body: Body) -> None:
        """The watch shows it."""
        event_handlers = self.scene.event_handlers
        (event_handlers.grant if plural == GRANTS else event_handlers.source)(body)

    async def reconcile(self, uid: str) -> None:
        """Look at a grant until it waits; whatever else is raised is a finding."""
        for _ in range(_STEPS):
            try:
                due = await self.scene.reconcile(uid)
                if isinstance(due, DeferredStatusWrite):
                    due = await due.finish()
            except CLASSIFIED:
                continue
            if due is None or due > self.scene.clock.now:
                return

    async def verify(self, namespace: str, name: str) -> None:
        """Look at a source once."""
        try:
            await self.scene.sources.reconcile((namespace, name))
        except CLASSIFIED:
            return

    def of_the_honest(self) -> Mapping[str, Any]:
        """What the honest grant has come to: its status and all of its Secret but versions."""
        secret = dict(self.scene.api.objects[SECRET])
        metadata = {
            name: value
            for name, value in secret["metadata"].items()
            if name not in ("resourceVersion", "managedFields", "uid")
        }
        return {"status": self.scene.status(), "secret": {**secret, "metadata": metadata}}


async def alone() -> Mapping[str, Any]:
    """The final state of the honest grant without any other objects."""
    stage = Stage()
    await stage.reconcile(UID)
    return stage.of_the_honest()


async def beside(finding: Finding) -> Mapping[str, Any]:
    """What it comes to beside that object; raises what is no classified failure."""
    plural, body, secret = finding.plural, finding.body, finding.secret
    began = time.process_time()
    stage = Stage()
    honest = grant_body()
    by_list, by_watch = await listed(body, honest), await watched(body, honest)
    assert by_list[1] == by_watch[1] == honest
    for read in (by_list[0], by_watch[0]):
        stage.put(plural, read)
    if secret is not None:
        stage.scene.event_handlers.secret(secret["metadata"])
    if plural == GRANTS:
        await stage.reconcile("bad-uid")
        stage.scene.store.priority("bad-uid", now=stage.scene.clock.now)
    else:
        await stage.verify("evil", "bad")
        await stage.reconcile(UID)
    await stage.reconcile(UID)
    stage.scene.metrics.text()
    assert not stage.scene.invalid.count()
    spent = time.process_time() - began
    assert spent < _LONGEST_SECONDS, f"one object took {spent:.1f} s"
    return stage.of_the_honest()


def run(finding: Finding) -> None:
    """Raise AssertionError, or what was raised, where another object notices anything."""

    async def play() -> None:
        assert await beside(finding) == await alone()

    asyncio.run(play())
