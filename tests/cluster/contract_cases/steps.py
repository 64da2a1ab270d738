"""The words in which cases are written: requests, what is expected of each answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `document` is None when it was no JSON."""

    status: int
    document: Any
    warning: str = ""


Body: TypeAlias = "object | Callable[[list[Answer]], object]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request and what its answer must be.

    `{ns}` in a path is the case's own namespace, `{first}` the version in the first answer. A body
    may be computed from the answers so far. `fields` names members by path (`spec.items.0.name`);
    a path that leads nowhere is None. With `events` the request is a watch, ended after so many;
    with `eventually` it is repeated until the answer is as expected. `compare` is off where the
    servers may differ in more than the expectation says, with the reason beside it.
    """

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    accept: str = "application/json"
    token: Callable[[list[Answer]], str] | None = None
    status: int = 200
    reason: str | None = None
    message: str | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    events: int = 0
    eventually: bool = False
    compare: bool = True


@dataclass(frozen=True, slots=True)
class Case:
    """A sequence of requests in a namespace of its own."""

    name: str
    steps: tuple[Step, ...]

    @property
    def namespace(self) -> str:
        """The namespace that the case has to itself."""
        return f"contract-{self.name}"


def member(document: object, path: str) -> object:
    r"""The member at a dotted path; None where there is none. `\.` is a dot in a name."""
    for part in path.replace("\\.", "\0").split("."):
        name = part.replace("\0", ".")
        if isinstance(document, list) and name.isdigit() and int(name) < len(document):
            document = document[int(name)]
        elif isinstance(document, dict):
            document = document.get(name)
        else:
            return None
    return document


def version_of(index: int) -> Callable[[list[Answer]], str]:
    """The resourceVersion in an earlier answer."""
    return lambda answers: str(answers[index].document["metadata"]["resourceVersion"])
