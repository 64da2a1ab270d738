"""Which keys a grant's Secret has, what stands in them, and how the key is read back from them.

Reading back is what lets a changed layout be written without a new key. It trusts nothing but the
fingerprint: whatever stands in the Secret is tried, and only values whose keyed hash is the
recorded one are taken. So no other layout, no foreign key and no forged one can pass for the key.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.problems import Problem
from keywright.api.secret_spec import Format
from keywright.api.sensitive import Sensitive
from keywright.secrets.credential import CANONICAL_NAMES, Credential
from keywright.secrets.fingerprint import same_values
from keywright.secrets.formats import FORMATS, templates_of
from keywright.secrets.templates import (
    Template,
    TemplateError,
    parse_template,
    unknown_variables,
)
from keywright.secrets.variables import Values, Variable

CANONICAL_FILE: Final = "keywright.json"
"""The key that carries the canonical values where nothing else in the Secret does."""

_BEARER_KEYS: Final = frozenset({"AWS_BEARER_TOKEN_BEDROCK", "BEDROCK_AWS_BEARER_TOKEN"})
_ACCESS_KEYS: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
_END: Final = frozenset({Variable.EXPIRES_AT, Variable.EXPIRES_AT_UNIX})
_BEDROCK: Final = frozenset({KeyKind.BEDROCK_SHORT_TERM_KEY, KeyKind.BEDROCK_LONG_TERM_KEY})
_BEARER_PREFIX: Final = "Bearer "
_MOST_BYTES: Final = 900 * 1024
"""Below the 1 MiB that a Secret may have, with room for base64 and metadata to differ."""


def data_keys(grant: ApiKeyGrant) -> frozenset[str]:
    """The names of the Secret's keys, without any value; equal layouts share one set."""
    return _data_keys(grant.formats, tuple(grant.spec.secret.data.items()), grant.kind)


def check(grant: ApiKeyGrant) -> list[Problem]:
    """What keeps the Secret from being written as `spec.secret` asks; empty when nothing does."""
    return [*_check_formats(grant), *_check_data(grant), *_check_mixed(grant)]


def render(grant: ApiKeyGrant, *, credential: Credential) -> dict[str, str]:
    """The Secret's data, all keys at once, for a grant that `check` has nothing against.

    Raises:
        LayoutError: The credential lacks a value that the templates use.
    """
    values = Values(grant, credential)
    templates = templates_of(grant.formats)
    data = {key: template.render(values) for key, template in templates.items()}
    for key, text in grant.spec.secret.data.items():
        data[key] = parse_template(text).render(values)
    if CANONICAL_FILE in data_keys(grant):
        secrets = {name: value.reveal() for name, value in sorted(credential.values.items())}
        data[CANONICAL_FILE] = json.dumps(secrets)
    return data


def recover(
    kind: KeyKind, *, data: Mapping[str, str], fingerprint: str, key: bytes
) -> dict[str, Sensitive] | None:
    """The canonical values in a Secret's (decoded) data, whatever layout wrote it.

    `fingerprint` is the Secret's annotation and `key` the one it was made with. None if no values
    in the data are those that the fingerprint was made of.
    """
    for candidate in _candidates(kind, data):
        values = {name: Sensitive(text) for name, text in candidate.items()}
        if same_values(fingerprint, values=values, key=key):
            return values
    return None


@lru_cache(maxsize=256)
def _data_keys(
    formats: tuple[Format, ...], data: tuple[tuple[str, str], ...], kind: KeyKind
) -> frozenset[str]:
    templates = dict(templates_of(formats))
    templates.update((key, parse_template(text)) for key, text in data)
    if any(_carries(template, kind) for template in templates.values()):
        return frozenset(templates)
    return frozenset({*templates, CANONICAL_FILE})


def _carries(template: Template, kind: KeyKind) -> bool:
    """Whether `_candidates` finds the key in what the template writes."""
    parts = template.parts
    if parts[:1] == (_BEARER_PREFIX,):
        template = Template(parts[1:])
    found = template.only in (Variable.API_KEY, Variable.DOT_ENV)
    return found and len(CANONICAL_NAMES[kind]) == 1


def _candidates(kind: KeyKind, data: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    names = CANONICAL_NAMES[kind]
    stored = _canonical_file(data.get(CANONICAL_FILE))
    if stored.keys() == names:
        yield stored
    if len(names) > 1:
        return
    (name,) = names
    for text in data.values():
        yield {name: text}
        yield {name: text.removeprefix(_BEARER_PREFIX)}
        for line in text.splitlines():
            yield {name: line.partition("=")[2]}


def _canonical_file(text: str | None) -> dict[str, str]:
    try:
        stored = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(stored, dict):
        return {}
    return {name: value for name, value in stored.items() if isinstance(value, str)}


def _check_formats(grant: ApiKeyGrant) -> Iterator[Problem]:
    for form in grant.formats:
        if form not in FORMATS:
            yield Problem("spec.secret.formats", f"{form} is not implemented yet: use another")


def _check_data(grant: ApiKeyGrant) -> Iterator[Problem]:
    taken = {key: form for form in grant.formats for key in FORMATS.get(form, {})}
    size = 0
    for key, text in grant.spec.secret.data.items():
        field = f"spec.secret.data[{key}]"
        size += len(text)
        if key == CANONICAL_FILE:
            yield Problem(field, f"{CANONICAL_FILE} is ours: choose another key")
        if key in taken:
            yield Problem(field, f"format {taken[key]} writes this key: drop one of the two")
        try:
            template = parse_template(text)
        except TemplateError as error:
            yield Problem(field, str(error))
            continue
        for variable in sorted(unknown_variables(template, kind=grant.kind)):
            yield Problem(field, f"${{{variable}}} is not available for {grant.kind}: remove it")
        if template.variables & _END and not grant.ends:
            yield Problem(field, "this key has no end: set expiresAfterDays, or drop ${expiresAt}")
    if size > _MOST_BYTES:
        yield Problem("spec.secret.data", f"has {size} characters: keep it below {_MOST_BYTES}")


def _check_mixed(grant: ApiKeyGrant) -> Iterator[Problem]:
    """SDKs prefer a bearer token without a word wherever they find one beside an access key."""
    if grant.spec.secret.allow_mixed:
        return
    names = frozenset(grant.spec.secret.data).union(
        *(FORMATS.get(form, {}) for form in grant.formats)
    )
    if names & _ACCESS_KEYS and (names & _BEARER_KEYS or grant.kind in _BEDROCK):
        yield Problem(
            "spec.secret.data",
            "a bearer key and an access key in one Secret: SDKs silently prefer the bearer; "
            "use two grants, or set spec.secret.allowMixed",
        )
    elif names & _BEARER_KEYS and grant.kind is KeyKind.SESSION_CREDENTIALS:
        yield Problem(
            "spec.secret.data",
            "an access key and a bearer key in one Secret: SDKs silently prefer the bearer; "
            "use two grants, or set spec.secret.allowMixed",
        )
