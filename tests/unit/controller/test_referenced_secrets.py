"""Which Secrets sources read, and what their watch makes of them."""

import asyncio
import base64
from typing import Any

import pytest
from typing_extensions import override

from keywright.cluster.objects import ResourceClient
from keywright.cluster.source_secrets import SecretCache
from keywright.controller.referenced_secrets import ReferencedSecretsWatch
from keywright.controller.store import Store
from tests.unit.api.samples import source_body
from tests.unit.fakes.kubernetes import KubernetesInMemory

PATH = "/api/v1/namespaces/chat/secrets"
_ROLE = "arn:aws:iam::123456789012:role/invoker"
_RAM_ROLE = "acs:ram::123456789012:role/invoker"
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class WithoutWatches(KubernetesInMemory):
    """Refuses nothing, and never ends a watch."""

    @override
    async def watch(self, path: str, *, accept: str, seconds: float) -> Any:
        del path, accept, seconds
        await asyncio.Event().wait()
        yield {}

    @override
    async def request(self, method: str, path: str, **more: Any) -> Any:
        if path.endswith("/secrets?limit=1"):
            return {"metadata": {"resourceVersion": "5"}, "items": None}
        return await super().request(method, path, **more)


class Desk:
    """A store with a watch."""

    def __init__(self) -> None:
        self.api = WithoutWatches()
        self.store = Store()
        self.heard = asyncio.Event()
        self.values = SecretCache(ResourceClient(self.api))
        self.reported: list[tuple[str, str]] = []
        self.watch = ReferencedSecretsWatch(
            self.api,
            store=self.store,
            values=self.values,
            changed=self._changed,
        )

    def _changed(self, namespace: str, name: str) -> None:
        self.reported.append((namespace, name))
        self.heard.set()

    def source(self, name: str, *, version: int, **aws: Any) -> None:
        """A source came, or was edited."""
        body = source_body(**aws)
        body["metadata"] |= {"name": name, "uid": name, "resourceVersion": str(version)}
        self.store.put_source(body)
        self.watch.sources_changed()

    def put(self, spec: dict[str, Any]) -> None:
        """A source with that spec came."""
        body = source_body()
        body["metadata"] |= {"name": "a", "uid": "a", "resourceVersion": "1"}
        self.store.put_source(body | {"spec": spec})
        assert not isinstance(self.store.sources["chat", "a"].value, list)
        self.watch.sources_changed()

    def secret(self, name: str, text: str, *, keys: tuple[str, ...] = _KEYS) -> None:
        """A Secret came, or was edited."""
        data = dict.fromkeys(keys, base64.b64encode(text.encode()).decode())
        self.api.put(PATH, {"metadata": {"namespace": "chat", "name": name}, "data": data})


def _alibaba(**identity: Any) -> dict[str, Any]:
    return {"alibabaCloud": {"regionId": "cn-hangzhou", **identity}}


_ONE = {"secretRef": {"name": "one"}}
_ALIBABA_KEY = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET")
# Every field of a source that refers to a Secret, and the keys that it needs there.
_IDENTITIES: tuple[tuple[dict[str, Any], tuple[str, ...]], ...] = (
    ({"aws": {"region": "us-west-2", "accessKey": _ONE}}, _KEYS),
    (
        {
            "aws": {
                "region": "us-west-2",
                "webIdentity": {"serviceAccountRef": {"name": "chat-bedrock"}, "roleArn": _ROLE},
                "assumeRoles": [
                    {
                        "roleArn": _ROLE,
                        "externalIdFrom": {"secretKeyRef": {"name": "one", "key": "id"}},
                    }
                ],
            }
        },
        ("id",),
    ),
    (_alibaba(accessKey=_ONE), _ALIBABA_KEY),
    (_alibaba(ramRoleArn={**_ONE, "roleArn": _RAM_ROLE}), _ALIBABA_KEY),
    (_alibaba(sts=_ONE), (*_ALIBABA_KEY, "ALIBABA_CLOUD_SECURITY_TOKEN")),
    (_alibaba(bearer=_ONE), ("ALIBABA_CLOUD_BEARER_TOKEN",)),
    (_alibaba(profile=_ONE), ("config.json",)),
    (_alibaba(profile={**_ONE, "format": "CredentialsFile"}), ("credentials",)),
    (_alibaba(profile={**_ONE, "key": "mine"}), ("mine",)),
    (
        _alibaba(
            rsaKeyPair={
                "publicKeyId": "LTAI5",
                "privateKeySecretRef": {"name": "one", "key": "private.pem"},
            }
        ),
        ("private.pem",),
    ),
)


def keyed(name: str) -> dict[str, Any]:
    """The identity of an access key."""
    return {"webIdentity": None, "accessKey": {"secretRef": {"name": name}}}


async def test_only_namespaces_with_such_sources_are_watched() -> None:
    """And a watch goes with the last of them."""
    desk = Desk()
    desk.source("plain", version=1)
    assert desk.watch._watch.scopes == frozenset()
    desk.source("keyed", version=2, **keyed("key"))
    assert desk.watch._watch.scopes == {"chat"}
    del desk.store.sources["chat", "keyed"]
    desk.watch.sources_changed()
    assert desk.watch._watch.scopes == frozenset()
    await desk.watch.close()


async def test_only_secrets_that_sources_read_are_looked_at() -> None:
    """One by its name, all of them after a gap; only changed values are reported."""
    desk = Desk()
    for name in ("one", "two", "other"):
        desk.secret(name, "before")
    desk.source("a", version=1, **keyed("one"))
    desk.source("b", version=2, **keyed("two"))
    await desk.watch.look("chat", None)
    assert desk.reported == []
    for name in ("one", "two", "other"):
        desk.secret(name, "after")
    await desk.watch.look("chat", "other")
    await desk.watch.look("elsewhere", "one")
    assert desk.reported == []
    await desk.watch.look("chat", "one")
    assert desk.reported == [("chat", "one")]
    await desk.watch.look("chat", None)
    assert desk.reported == [("chat", "one"), ("chat", "two")]
    await desk.watch.close()


async def test_a_change_before_a_secret_is_watched_is_noticed() -> None:
    """Between the first read by the source and the start of the watch, events are not delivered."""
    desk = Desk()
    desk.secret("one", "before")
    await desk.values.values(namespace="chat", name="one", field="spec")
    desk.secret("one", "after")
    desk.source("a", version=1, **keyed("one"))
    async with asyncio.timeout(10):
        await desk.heard.wait()
    assert desk.reported == [("chat", "one")]
    await desk.watch.close()


@pytest.mark.parametrize(("identity", "keys"), _IDENTITIES, ids=lambda value: next(iter(value)))
async def test_a_key_that_went_while_no_operator_ran_is_noticed(
    identity: dict[str, Any], keys: tuple[str, ...]
) -> None:
    """At the first look each key that the source needs must be there, whatever the identity."""
    for missing in keys:
        desk = Desk()
        desk.secret("one", "text", keys=tuple(key for key in keys if key != missing))
        desk.put(identity)
        await desk.watch.look("chat", "one")
        assert desk.reported == [("chat", "one")]
        await desk.watch.look("chat", "one")
        assert desk.reported == [("chat", "one")]
        await desk.watch.close()
    desk = Desk()
    desk.secret("one", "text", keys=keys)
    desk.put(identity)
    await desk.watch.look("chat", "one")
    assert desk.reported == []
    await desk.watch.close()
