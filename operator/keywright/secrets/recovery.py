"""How a key is read back from the Secret that holds it.

This is what lets a changed layout be written without a new key. It trusts nothing but the
fingerprint: whatever stands in the Secret is tried, and only values whose keyed hash is the
recorded one are taken. So no other layout, no foreign key and no forged one can pass for the key.
"""

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from keywright.api.formats import Variable
from keywright.api.keys import KEY_TYPES, KeyKind
from keywright.api.sensitive import Sensitive
from keywright.secrets.credential import (
    ACCESS_KEY_ID,
    SECRET_ACCESS_KEY,
    SESSION_TOKEN,
)
from keywright.secrets.fingerprint import same_values
from keywright.secrets.templates import Template

CANONICAL_FILE: Final = "keywright.json"
"""The key that carries the canonical values where nothing else in the Secret does."""

_BEARER_PREFIX: Final = "Bearer "
_ONE_KEY: Final = frozenset({Variable.API_KEY, Variable.DOT_ENV, Variable.HEADER})
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
# The shapes of the three values: AWS's ids are short words in capitals, Alibaba Cloud's begin in
# one of a few ways; a secret is a word, a token a long one. A bare key has an empty token.
_ID: Final = re.compile(r"[A-Z0-9]{16,32}|(?:LTAI|STS\.|TMP[A-Z]*\.)[A-Za-z0-9]{8,64}")
_SECRET: Final = re.compile(r"[A-Za-z0-9+/=]{28,64}")
_LEAST_TOKEN: Final = 65
# The longest tokens of the clouds have some four thousand characters.
_LONGEST_WORD: Final = 16_384
_MOST_TRIED: Final = 2000
_MOST_HASHED: Final = 4 * 1_048_576


def recover(
    kind: KeyKind, *, data: Mapping[str, str], fingerprint: str, key: bytes, namespace: str
) -> dict[str, Sensitive] | None:
    """The canonical values in a Secret's (decoded) data, whatever layout wrote it.

    `fingerprint` is the Secret's annotation and `key` the one it was made with. None if no values
    in the data are those that the fingerprint was made of, or not among the first that are tried:
    two thousand, and four megabytes in all, however much somebody has written into the Secret.
    """
    hashed = 0
    for candidate in itertools.islice(_candidates(kind, data), _MOST_TRIED):
        values = {name: Sensitive(text) for name, text in candidate.items()}
        hashed += sum(map(len, candidate.values()))
        if hashed > _MOST_HASHED:
            return None
        if same_values(fingerprint, values=values, key=key, namespace=namespace):
            return values
    return None


def is_recoverable(templates: Iterable[Template], *, kind: KeyKind) -> bool:
    """Whether `recover` finds the key in what these templates write together."""
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
    if stored.keys() == names:
        yield stored
    if len(names) > 1:
        yield from _access_keys(data)
        return
    # Many keys in one Secret, each in an entry of its own.
    yield data
    (name,) = names
    for text in data.values():
        for word in (text, text.removeprefix(_BEARER_PREFIX), *_behind_the_equals(text)):
            if len(word) <= _LONGEST_WORD:
                yield {name: word}


def _access_keys(data: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Every id with every secret and every token, by their shapes."""
    found = (word for text in data.values() for word in _words(text))
    words = list(dict.fromkeys(word for word in found if len(word) <= _LONGEST_WORD))
    ids = [word for word in words if _ID.fullmatch(word)]
    secrets = [word for word in words if _SECRET.fullmatch(word)]
    tokens = [word for word in words if len(word) >= _LEAST_TOKEN and " " not in word]
    for access_key_id, secret, token in itertools.product(ids, secrets, [*tokens, ""]):
        yield {ACCESS_KEY_ID: access_key_id, SECRET_ACCESS_KEY: secret, SESSION_TOKEN: token}


def _words(text: str) -> Iterator[str]:
    """The text itself, the texts of its JSON, and what stands behind the = of its lines."""
    yield text
    yield from _texts(_json(text))
    yield from (value.strip() for value in _behind_the_equals(text))


def _behind_the_equals(text: str) -> Iterator[str]:
    return (line.partition("=")[2] for line in text.splitlines())


def _texts(value: object, *, depth: int = 3) -> Iterator[str]:
    """The texts in a JSON value: those of a profile in the CLI's configuration lie three deep."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner, depth=depth - 1)


def _strings(text: str) -> dict[str, str]:
    """The values of a JSON object that are texts."""
    stored = _json(text)
    if not isinstance(stored, dict):
        return {}
    return {name: value for name, value in stored.items() if isinstance(value, str)}


def _json(text: str) -> object:
    """The value of a JSON text; None where it is none."""
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
