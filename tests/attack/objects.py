"""`python -m tests.attack.objects`: apply and edit the objects of a hostile tenant, without end.

All that a tenant may write in namespaces of its own: sources at the hostile endpoints, grants by
the hundred, Secrets that imitate ours, specs that are as deep or as large as the API server lets
in. Writes are capped, and the process is niced: the attack is on the operator, not on the machine.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from testbed.clusters.api import MERGE, Api
from testbed.operators import NAMESPACE, SERVICE_ACCOUNT
from testbed.readers.secret_source import connection_to

Document = dict[str, Any]
HOME: Final = "mallory"
"""The namespace of the flood; further ones have its name and a number."""

LIES: Final = "mallory-lies"
"""The namespace of the endpoints that answer, separate from those that hang."""

PASSWORD: Final = "correct-horse-battery-staple"
"""What must not leave the tenant's own cluster: another team's Secret beside its sources."""

_ACCOUNT: Final = "mallory"
_KEYWRIGHT: Final = "/apis/keywright.dev/v1alpha1"
_NICENESS: Final = 10
_DEPTH: Final = 3000
_CSV_BYTES: Final = 700_000
_ROLE: Final = "arn:aws:iam::123456789012:role/mallory"


def namespaces(count: int) -> list[str]:
    """The home, and the namespaces that have a Secret watch each."""
    return [HOME, LIES, *(f"{HOME}-{number}" for number in range(count))]


def prepare(api: Api, *, count: int) -> None:
    """Namespaces, a ServiceAccount with the right to its tokens, and another team's Secret."""
    for name in namespaces(count):
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for name in (HOME, LIES):
        _allow_tokens(api, name)
        api.apply(_secret("database", {"password": PASSWORD, "id": PASSWORD}, namespace=name))


def _allow_tokens(api: Api, namespace: str) -> None:
    metadata = {"namespace": namespace, "name": _ACCOUNT}
    api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [
                {
                    "apiGroups": [""],
                    "resources": ["serviceaccounts/token"],
                    "resourceNames": [_ACCOUNT],
                    "verbs": ["create"],
                }
            ],
        }
    )
    api.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": _ACCOUNT,
            },
            "subjects": [
                {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}
            ],
        }
    )


def _secret(name: str, data: dict[str, str], *, namespace: str = HOME, **metadata: Any) -> Document:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name, **metadata},
        "data": encoded,
    }


def _source(name: str, spec: Document, *, namespace: str = HOME) -> Document:
    return {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "CredentialSource",
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    }


def _grant(name: str, source: str, *, namespace: str = HOME, **spec: Any) -> Document:
    return {
        "apiVersion": "keywright.dev/v1alpha1",
        "kind": "ApiKeyGrant",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"sourceRef": {"name": source}, **spec},
    }


def _web_identity(endpoint: str, **more: Any) -> Document:
    identity = {"serviceAccountRef": {"name": _ACCOUNT}, "roleArn": _ROLE}
    return {
        "aws": {
            "region": "us-west-2",
            "stsEndpoint": endpoint,
            "webIdentity": {**identity, **more},
        }
    }


class Attack:
    """The objects, in an order that lets each kind of attack begin early."""

    def __init__(self, *, endpoint: str, grants: int, extra: int) -> None:
        self._endpoint = endpoint
        self._grants = grants
        self._extra = extra

    def bodies(self) -> Iterator[Document | str]:
        """Each object once; a text is an object that no JSON encoder would make."""
        rounds = [
            self._slow_sources(),
            self._lying_sources(),
            self._bad_objects(),
            self._watched_namespaces(),
            self._refused_endpoints(),
            self._many_endpoints(),
            self._flood(),
        ]
        for row in itertools.zip_longest(*rounds):
            yield from (body for body in row if body is not None)

    def _at(self, behavior: str, number: int = 0) -> str:
        return f"{self._endpoint}/{behavior}/{number}"

    def _slow_sources(self) -> Iterator[Document]:
        """Dripping and hanging endpoints, with the longest timeouts that a source may ask for."""
        for number in range(8):
            for behavior in ("drip", "drip-headers", "hang"):
                name = f"{behavior}-{number}"
                yield _source(name, _web_identity(self._at(behavior, number)))
                yield _grant(name, name, bedrockShortTermKey={"duration": "1h"})
        for number in range(4):
            spec = {
                "regionId": "cn-hangzhou",
                "connectTimeout": "5m",
                "readTimeout": "5m",
                "credentialsUri": {"uri": self._at("hang", number)},
            }
            yield _source(f"uri-{number}", {"alibabaCloud": spec})
        for number in range(40):
            yield _grant(f"uri-{number}", "uri-0", sessionCredentials={})

    def _lying_sources(self) -> Iterator[Document]:
        for behavior in ("lie", "brief", "inject", "without-zone", "garbage", "cut", "endless"):
            for number in range(4):
                name = f"{behavior}-{number}"
                endpoint = _web_identity(self._at(behavior, number))
                yield _source(name, endpoint, namespace=LIES)
                yield _source(name, endpoint)
                yield _grant(
                    name,
                    name,
                    namespace=LIES,
                    sessionCredentials={},
                    secret={"formats": ["AwsCredentialsFile", "AwsEnv"]},
                )
        yield _source(
            "exfiltrate",
            {
                **_web_identity(self._at("lie")),
                "aws": {
                    **_web_identity(self._at("lie"))["aws"],
                    "assumeRoles": [
                        {
                            "roleArn": _ROLE,
                            "externalIdFrom": {
                                "secretKeyRef": {"name": "database", "key": "password"}
                            },
                        }
                    ],
                },
            },
            namespace=LIES,
        )
        yield _grant("exfiltrate", "exfiltrate", namespace=LIES, sessionCredentials={})

    def _bad_objects(self) -> Iterator[Document | str]:
        yield _deep_source()
        yield _deep_grant()
        yield _secret(
            "forged",
            {"AWS_BEARER_TOKEN_BEDROCK": "x"},
            labels={"keywright.dev/managed": "true"},
            annotations={
                "keywright.dev/owner": f"{HOME}/forged 1",
                "keywright.dev/issued-at": "0001-01-01T00:00:00Z",
                "keywright.dev/expires-at": "9999-12-31T23:59:59Z",
                "keywright.dev/renew-at": "0001-01-01T00:00:00Z",
                "keywright.dev/revision": "1",
                "keywright.dev/fingerprint": "1 2 3",
            },
        )
        yield _grant("forged", "drip-0", bedrockShortTermKey={"duration": "1h"})
        yield _secret(
            "file",
            {"keys": _csv()},
            labels={"keywright.dev/allow-reference": "true"},
        )
        yield _grant(
            "file",
            "lie-0",
            apiGatewayKey={
                "usagePlan": {"id": "abc123"},
                "csvFrom": {"secretKeyRef": {"name": "file", "key": "keys"}},
            },
        )
        yield _secret(
            "tokens",
            {f"key-{number}": "x" * 340 for number in range(2000)},
            labels={"keywright.dev/managed": "true"},
            annotations={"keywright.dev/owner": f"{HOME}/tokens 1"},
        )
        yield _grant("tokens", "lie-1", sessionCredentials={}, secret={"formats": ["AwsEnv"]})

    def _watched_namespaces(self) -> Iterator[Document]:
        """A source that reads a Secret in each of many namespaces."""
        for name in namespaces(self._extra)[2:]:
            spec = {"region": "us-west-2", "accessKey": {"secretRef": {"name": "nothing"}}}
            yield _source("watched", {"aws": spec}, namespace=name)

    def _refused_endpoints(self) -> Iterator[Document]:
        for number, url in enumerate(
            (
                "https://kubernetes.default.svc",
                "https://127.0.0.1:1",
                "https://localhost",
                "https://169.254.169.254",
                "https://[fd00:ec2::254]",
                "https://[64:ff9b::7f00:1]",
                "https://[::ffff:127.0.0.1]",
            )
        ):
            yield _source(f"refused-{number}", _web_identity(url))

    def _many_endpoints(self) -> Iterator[Document]:
        """A client cache that grows with each endpoint would not forget one of them."""
        for number in range(150):
            yield _source(f"many-{number}", _web_identity(self._at("garbage", 1000 + number)))

    def _flood(self) -> Iterator[Document]:
        for number in range(self._grants):
            yield _grant(
                f"flood-{number}",
                f"brief-{number % 4}" if number % 2 else f"drip-{number % 8}",
                namespace=HOME if number % 4 < 2 else LIES,
                bedrockShortTermKey={"duration": "1h"},
            )


def _deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def _deep_source() -> str:
    """A policy of 3,000 levels: written as text, since no encoder would."""
    spec = _web_identity("https://sts.us-west-2.amazonaws.com")
    spec["aws"]["webIdentity"]["policy"] = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": "DEEP"}],
    }
    return json.dumps(_source("deep", spec)).replace('"DEEP"', _deep(_DEPTH))


def _deep_grant() -> str:
    body = _grant("deep", "lie-0", sessionCredentials={"policy": "DEEP"})
    policy = '{"Version": "2012-10-17", "Statement": [{"Condition": ' + _deep(_DEPTH) + "}]}"
    return json.dumps(body).replace('"DEEP"', policy)


def _csv() -> str:
    """A file of keys, as large as a Secret may be, with every name twice."""
    rows = ["name,key,description,enabled,usageplanids"]
    size = 0
    for number in itertools.count():
        row = f"partner-{number // 2},{number:024d},,true,"
        rows.append(row)
        size += len(row) + 1
        if size > _CSV_BYTES:
            return "\n".join(rows)
    raise AssertionError("unreachable")


class Writer:
    """Sends objects at a bounded rate; what the API server refuses is refused."""

    def __init__(self, kubeconfig: Path, *, per_second: float, ended: threading.Event) -> None:
        self._kubeconfig = kubeconfig
        self._pause = 1.0 / per_second
        self._ended = ended
        self.accepted = 0
        self.refused: list[str] = []

    def write(self, body: Document | str) -> None:
        """Create one object."""
        text = body if isinstance(body, str) else json.dumps(body)
        self._send("POST", _collection(text), text, content_type="application/json")

    def touch(self, plural: str, name: str, number: int, *, namespace: str = HOME) -> None:
        """Edit an annotation: an event for every watcher."""
        change = {"metadata": {"annotations": {"example.com/touched": str(number)}}}
        path = f"{_KEYWRIGHT}/namespaces/{namespace}/{plural}/{name}"
        self._send("PATCH", path, json.dumps(change), content_type=MERGE)

    def _send(self, method: str, path: str, text: str, *, content_type: str) -> None:
        """One request, by a connection of its own: no client parses what is sent."""
        connection, headers = connection_to(self._kubeconfig, seconds=10.0)
        with closing(connection):
            try:
                connection.request(
                    method, path, body=text, headers={**headers, "Content-Type": content_type}
                )
                answer = connection.getresponse()
                if answer.status < 400:
                    self.accepted += 1
                else:
                    self.refused.append(f"{path}: {answer.read(300).decode(errors='replace')}")
            except (OSError, HTTPException) as error:
                self.refused.append(f"{path}: {error}")
        self._ended.wait(self._pause)


def _collection(text: str) -> str:
    """The URL path at which an object is created."""
    namespace = text.split('"namespace": "')[1].split('"', maxsplit=1)[0]
    if '"kind": "Secret"' in text:
        return f"/api/v1/namespaces/{namespace}/secrets"
    plural = "credentialsources" if '"kind": "CredentialSource"' in text else "apikeygrants"
    return f"{_KEYWRIGHT}/namespaces/{namespace}/{plural}"


def main() -> None:
    """Create everything once, then edit it, until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.objects")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--grants", type=int, required=True)
    parser.add_argument("--namespaces", type=int, required=True)
    parser.add_argument("--writes-per-second", type=float, default=25.0)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    os.nice(_NICENESS)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    writer = Writer(options.kubeconfig, per_second=options.writes_per_second, ended=ended)
    attack = Attack(endpoint=options.endpoint, grants=options.grants, extra=options.namespaces)
    for body in attack.bodies():
        if ended.is_set():
            break
        writer.write(body)
    for number in itertools.count():
        if ended.is_set():
            break
        flood = number % options.grants
        namespace = HOME if flood % 4 < 2 else LIES
        writer.touch("apikeygrants", f"flood-{flood}", number, namespace=namespace)
        writer.touch("credentialsources", f"brief-{number % 4}", number, namespace=LIES)
    options.report.write_text(
        json.dumps({"accepted": writer.accepted, "refused": sorted(set(writer.refused))})
    )


if __name__ == "__main__":
    main()
