"""Read a key back from the Secret that holds it.

This allows a changed layout to be written without a new key. Only the fingerprint is trusted: all
values in the Secret are candidates, and only those with the recorded keyed hash are accepted. So no
other layout, foreign key, earlier key or forged key can be mistaken for the key.
"""

import hmac
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from keywright.api.formats import Variable
from keywright.api.keys import KEY_TYPES, KeyKind
from keywright.api.sensitive import Sensitive
from keywright.secrets.credential import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
)
from keywright.secrets.fingerprint import KeyFacts, same_key, same_values, value_hash
from keywright.secrets.templates import Template

CANONICAL_FILE: Final = "keywright.json"
"""The key with the canonical values, if no other key of the Secret contains them."""

_BEARER_PREFIX: Final = "Bearer "
_OTLP_PREFIX: Final = "Authorization=Bearer%20"
_ONE_KEY: Final = frozenset(
    {
        Variable.API_KEY,
        Variable.DOT_ENV,
        Variable.HEADER,
        Variable.OTLP_HEADERS,
        Variable.PIP_INDEX_URL,
        Variable.PIP_CONF,
        Variable.NPMRC,
        Variable.MAVEN_SETTINGS,
        Variable.DOCKER_CONFIG_JSON,
    }
)
# A token within a URL, a setting or an element: no shorter word of such a file is one.
_INNER_WORD: Final = re.compile(r"[A-Za-z0-9._~+/=%-]{32,}")
_ACCESS_KEY: Final = frozenset(
    {Variable.ACCESS_KEY_ID, Variable.SECRET_ACCESS_KEY, Variable.SESSION_TOKEN}
)
_ACCESS_KEY_FILES: Final = frozenset(
    {
        Variable.AWS_CREDENTIALS_FILE,
        Variable.AWS_CREDENTIAL_PROCESS,
        Variable.ALIBABA_CONFIG_JSON,
        Variable.ALIBABA_CREDENTIALS_FILE,
        Variable.ALIBABA_CREDENTIALS_URI_BODY,
        Variable.ALIBABA_CROSSPLANE_FILE,
        Variable.DOT_ENV,
    }
)
# The patterns of the three values: IDs of AWS are short words in capitals, those of Alibaba Cloud
# start with one of a few prefixes; a secret is a word, a token a long one. A key without a session
# has an empty token.
_ID: Final = re.compile(r"[A-Z0-9]{16,32}|(?:LTAI|STS\.|TMP[A-Z]*\.)[A-Za-z0-9]{8,64}")
_SECRET: Final = re.compile(r"[A-Za-z0-9+/=]{28,64}")
_MIN_TOKEN: Final = 65
# The longest tokens of the clouds have about four thousand characters.
_MAX_WORD: Final = 16_384
_MAX_TRIED: Final = 2000
_MAX_HASHED: Final = 4 * 1_048_576


@dataclass(frozen=True, slots=True)
class Record:
    """What Secret and status record about the key in a Secret, by which its values are recognized.

    `fingerprint` is the Secret's annotation. `facts`: what may be true of the key, at most a few
    alternatives. `is_in_status`: the status has the same fingerprint, so that one without facts,
    of an earlier version, counts as well.
    """

    fingerprint: str
    facts: tuple[KeyFacts, ...]
    is_in_status: bool = False


def recover(
    kind: KeyKind, *, data: Mapping[str, str], record: Record, key: bytes, namespace: str
) -> dict[str, Sensitive] | None:
    """Return the canonical values in a Secret's (decoded) data, whatever layout wrote it.

    `key` is the one that the fingerprint was computed with. None if no candidate values match the
    record, or only beyond the limits: two thousand candidates and four megabytes, regardless of the
    Secret's content.
    """
    fingerprint, hashed = record.fingerprint, 0
    for candidate in itertools.islice(_candidates(kind, data), _MAX_TRIED):
        values = {name: Sensitive(text) for name, text in candidate.items()}
        hashed += sum(map(len, candidate.values())) * max(len(record.facts), 1)
        if hashed > _MAX_HASHED:
            return None
        if any(
            same_key(fingerprint, values=values, facts=facts, key=key, namespace=namespace)
            for facts in record.facts
        ):
            return values
        if record.is_in_status and same_values(
            fingerprint, values=values, key=key, namespace=namespace
        ):
            return values
    return None


def recover_previous(
    *, data: Mapping[str, str], key_id: str, recorded_hash: str, key: bytes, namespace: str
) -> Sensitive | None:
    """Return the previous value in a Secret's (decoded) data; None if none has the recorded hash.

    The hash is that of the value and of the ID of its key.

    The limits are those of `recover`.
    """
    hashed = 0
    for text in itertools.islice(_previous_candidates(data), _MAX_TRIED):
        hashed += len(text)
        if hashed > _MAX_HASHED:
            return None
        found = Sensitive(text)
        digest = value_hash(found, key_id=key_id, key=key, namespace=namespace)
        if hmac.compare_digest(digest, recorded_hash):
            return found
    return None


def _previous_candidates(data: Mapping[str, str]) -> Iterator[str]:
    stored = _strings(data.get(CANONICAL_FILE, "")).get(Variable.PREVIOUS_API_KEY.value)
    if stored is not None and len(stored) <= _MAX_WORD:
        yield stored
    yield from _single_words(data)


def has_bare_previous(templates: Iterable[Template]) -> bool:
    """Whether `recover_previous` finds the value in the output of these templates."""
    return any(template.only is Variable.PREVIOUS_API_KEY for template in templates)


def is_recoverable(templates: Iterable[Template], *, kind: KeyKind) -> bool:
    """Whether `recover` finds the key in the combined output of these templates."""
    bare = {_without_prefix(template).only for template in templates}
    if len(KEY_TYPES[kind].values) == 1:
        return bool(bare & _ONE_KEY)
    return bare >= _ACCESS_KEY or bool(bare & _ACCESS_KEY_FILES)


def _without_prefix(template: Template) -> Template:
    parts = template.parts
    return Template(parts[1:]) if parts[:1] == (_BEARER_PREFIX,) else template


def _candidates(kind: KeyKind, data: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    names = KEY_TYPES[kind].values
    stored = _strings(data.get(CANONICAL_FILE, ""))
    if stored.keys() - {Variable.PREVIOUS_API_KEY.value} == names:
        yield {name: stored[name] for name in names}
    if len(names) > 1:
        yield from _access_keys(data)
        return
    # Many keys in one Secret, each in its own entry.
    yield data
    (name,) = names
    yield from ({name: word} for word in _single_words(data))


def _single_words(data: Mapping[str, str]) -> Iterator[str]:
    """Each entry, without the prefix of a header, and the values after the = of its lines.

    Also the key in the headers of an OTLP exporter, which are one entry or the value of a line, and
    the token in a URL or in a file of settings.
    """
    for text in data.values():
        inner = tuple(_behind_the_equals(text))
        for word in (text, text.removeprefix(_BEARER_PREFIX), *inner):
            if len(word) <= _MAX_WORD:
                yield word
        for line in (text, *inner):
            if line.startswith(_OTLP_PREFIX) and len(line) <= _MAX_WORD:
                yield unquote(line.removeprefix(_OTLP_PREFIX).partition(",")[0])
    # Last: a foreign file of many lines must not use up the attempts.
    for text in data.values():
        for found in _INNER_WORD.finditer(text):
            if found[0] != text and len(found[0]) <= _MAX_WORD:
                yield unquote(found[0])


def _access_keys(data: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Combine every ID with every secret and every token, by their patterns."""
    found = (word for text in data.values() for word in _words(text))
    words = list(dict.fromkeys(word for word in found if len(word) <= _MAX_WORD))
    ids = [word for word in words if _ID.fullmatch(word)]
    secrets = [word for word in words if _SECRET.fullmatch(word)]
    tokens = [word for word in words if len(word) >= _MIN_TOKEN and " " not in word]
    for access_key_id, secret, token in itertools.product(ids, secrets, [*tokens, ""]):
        yield {ACCESS_KEY_ID: access_key_id, SECRET_ACCESS_KEY: secret, SESSION_TOKEN: token}


def _words(text: str) -> Iterator[str]:
    """The text itself, the strings of its JSON, and the values after the = of its lines."""
    yield text
    yield from _texts(_json(text))
    yield from (value.strip() for value in _behind_the_equals(text))


def _behind_the_equals(text: str) -> Iterator[str]:
    return (line.partition("=")[2] for line in text.splitlines())


def _texts(value: object, *, depth: int = 3) -> Iterator[str]:
    """The strings in a JSON value: a profile in the CLI's configuration has them at level three."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner, depth=depth - 1)


def _strings(text: str) -> dict[str, str]:
    """The string values of a JSON object."""
    stored = _json(text)
    if not isinstance(stored, dict):
        return {}
    return {name: value for name, value in stored.items() if isinstance(value, str)}


def _json(text: str) -> object:
    """The parsed JSON; None if the text is invalid."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
