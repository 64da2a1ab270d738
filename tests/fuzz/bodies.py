"""Objects of both kinds: what the schemas let in, with extremes where people write them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.structural import values_of
from tests.unit.api.samples import contract, grant_body, schema, source_body

Body = dict[str, Any]

GRANTS, SOURCES = "apikeygrants", "credentialsources"
_KINDS = {"ApiKeyGrant": GRANTS, "CredentialSource": SOURCES}
_CHOICES = {
    GRANTS: (
        "bedrockShortTermKey",
        "bedrockLongTermKey",
        "sessionCredentials",
        "apiGatewayKey",
        "bearerToken",
    ),
    SOURCES: ("aws", "alibabaCloud"),
}
_TIMES = (
    "0001-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2016-12-31T23:59:60Z",
    "2026-11-22T12:00:00+14:00",
    "2026-11-22T12:00:00",
    "2026-11-22",
)
_TEXTS = (
    "",
    " ",
    "\n",
    "\x00",
    "\u202e",
    "\U0001f511",
    "../../x",
    "a\nb = c",
    "${",
    "${apiKey|json|base64}",
    "$" * 2000,
    "${a" * 500,
    "0d",
    "999999d",
    "1." * 9 + "h",
    "100%",
    "0%",
    "keywright.dev/grant-uid=x",
    "*/1 * * * *",
    "0 0 31 2 *",
    "0 0 29 2 1",
    "Nowhere/Never",
    "x" * 4000,
    *_TIMES,
)
_NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63 - 1, -(2**63), 0.5, 1e308, -0.0)
_DEPTHS = (5, 19, 21, 99, 101, 900, 3000)


def bodies(plural: str) -> SearchStrategy[Body]:
    """A whole object: of the schema, or one of the contract, with extremes in some places."""
    right = _of_the_contract(plural)
    # Few of the schema alone get past the rules; one that was right gets further.
    return st.one_of(_of_the_schema(plural), right, right).flatmap(_with_extremes)


def marks() -> SearchStrategy[Mapping[str, str]]:
    """Annotations under the operator's own names, as a tenant could write them."""
    names = st.sampled_from(
        [
            f"keywright.dev/{name}"
            for name in (
                "owner",
                "issued-at",
                "expires-at",
                "renew-at",
                "revision",
                "fingerprint",
                "key-id",
                "key-proof",
                "grant-id",
                "cluster-id",
                "grant-proof",
                "take-over",
                "replaces-key-id",
                "entries",
                "warning",
                "renew-requested-at",
            )
        ]
        + ["reconcile.fluxcd.io/requestedAt"]
    )
    texts = st.one_of(st.sampled_from(_TEXTS), st.text(max_size=50), st.just("evil/bad bad-uid"))
    return st.dictionaries(names, texts, max_size=8)


def deep(levels: int) -> Any:
    """A value of that many levels."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@st.composite
def _of_the_schema(draw: DrawFn, plural: str) -> Body:
    """An object with one of the choices, which the rest of the rules need not like."""
    chosen = draw(st.sampled_from(_CHOICES[plural]))
    spec: Body = {chosen: draw(_part(plural, f"spec.{chosen}"))}
    if plural == GRANTS:
        for name in draw(st.sets(st.sampled_from(_BESIDE), max_size=3)):
            spec[name] = draw(_part(plural, f"spec.{name}"))
        spec["sourceRef"] = draw(
            st.one_of(st.just({"name": "bedrock"}), _part(plural, "spec.sourceRef"))
        )
    body = _body(plural, spec)
    if draw(st.booleans()):
        body["status"] = draw(_part(plural, "status"))
    return body


_BESIDE = ("secret", "renewal", "probe", "rollout", "deletionPolicy", "suspend")


def _of_the_contract(plural: str) -> SearchStrategy[Body]:
    right = [body["spec"] for body in contract() if _KINDS[body["kind"]] == plural]
    return st.sampled_from(right).map(lambda spec: _body(plural, copy.deepcopy(spec)))


def _body(plural: str, spec: Body) -> Body:
    body = grant_body() if plural == GRANTS else source_body()
    body["metadata"] = body["metadata"] | {
        "namespace": "evil",
        "name": "bad",
        "uid": "bad-uid",
        "generation": 1,
        "resourceVersion": "7",
    }
    body["spec"] = spec
    if plural == GRANTS:
        spec.setdefault("sourceRef", {"name": "bedrock"})
        spec["sourceRef"] = {"name": "bedrock"} | {
            name: text for name, text in spec["sourceRef"].items() if name == "namespace"
        }
    return body


@cache
def _part(plural: str, path: str) -> SearchStrategy[Any]:
    part: Mapping[str, Any] = schema(plural)
    for name in path.split("."):
        part = part["properties"][name]
    return values_of(part, times=st.sampled_from(_TIMES))


def _with_extremes(body: Body) -> SearchStrategy[Body]:
    places = list(_places(body["spec"])) + list(_places(body.get("status", {})))
    return st.lists(st.tuples(st.sampled_from(range(len(places))), _EXTREMES), max_size=3).map(
        lambda edits: _edited(body, edits)
    )


_EXTREMES = st.one_of(
    st.sampled_from(_TEXTS),
    st.sampled_from(_NUMBERS),
    st.booleans(),
    st.none(),
    st.sampled_from(_DEPTHS).map(deep),
    st.text(max_size=20),
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a tree: its container and its step."""
    steps: list[Any] = []
    if isinstance(value, dict):
        steps = list(value)
    elif isinstance(value, list):
        steps = list(range(len(value)))
    for step in steps:
        yield value, step
        yield from _places(value[step])


def _edited(body: Body, edits: list[tuple[int, Any]]) -> Body:
    """The body with other values in those places; of the type that stands there, or any."""
    edited = copy.deepcopy(body)
    places = list(_places(edited["spec"])) + list(_places(edited.get("status", {})))
    for number, value in edits:
        container, step = places[number]
        container[step] = value
    return edited
