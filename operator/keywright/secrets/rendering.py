"""The keys of a grant's Secret, and their content."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from keywright.api.bedrock_keys import Endpoint
from keywright.api.errors import FieldError, RenderError
from keywright.api.formats import Format, Variable
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import KeyKind
from keywright.api.partitions import partition_of
from keywright.api.sensitive import Sensitive
from keywright.api.source import Provider
from keywright.secrets.credential import Credential
from keywright.secrets.formats import FORMATS, templates_of
from keywright.secrets.previous import uses_previous
from keywright.secrets.recovery import CANONICAL_FILE, has_bare_previous, is_recoverable
from keywright.secrets.templates import (
    TemplateError,
    parse_template,
)
from keywright.secrets.variables import MANTLE_URLS, Values, endpoint_of

_BEARER_KEYS: Final = frozenset({"AWS_BEARER_TOKEN_BEDROCK", "BEDROCK_AWS_BEARER_TOKEN"})
_ACCESS_KEYS: Final = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
_END: Final = frozenset({Variable.EXPIRES_AT, Variable.EXPIRES_AT_UNIX})
_MAX_BYTES: Final = 900 * 1024
"""Below the limit of 1 MiB for a Secret, with room for base64 and metadata."""


def data_keys(grant: ApiKeyGrant) -> frozenset[str]:
    """The names of the Secret's keys, without any value; equal layouts share one set.

    Empty for a bulk import: each key has an entry of its own, whose name the grant does not
    specify.
    """
    if grant.is_bulk_import:
        return frozenset()
    return _data_keys(grant.formats, tuple(grant.own_data.items()), grant.kind)


def validate(grant: ApiKeyGrant) -> list[FieldError]:
    """Return why the Secret cannot be written as `spec.secret` describes it; empty if it can."""
    return [*_check_data(grant), *_check_mixed(grant)]


def check_region(grant: ApiKeyGrant, *, region: str) -> list[FieldError]:
    """Return why there is no key in this Region, or no Secret: hosts that its partition lacks."""
    field_errors = list(grant.key.region_errors(region))
    partition = partition_of(region)
    if field_errors or grant.traits.provider is not Provider.AWS:
        return field_errors
    if partition.has_mantle or grant.is_bulk_import:
        return field_errors
    lacking = MANTLE_URLS
    if endpoint_of(grant) is not Endpoint.RUNTIME:
        lacking = MANTLE_URLS | {Variable.OPENAI_BASE_URL, Variable.DOT_ENV}
    why = f"partition {partition.id} (Region {region}) has no host bedrock-mantle"
    field_errors = [
        FieldError(
            "spec.secret.formats", f"{form} needs a URL of it, but {why}: leave the format out"
        )
        for form in grant.formats
        if any(template.variables & lacking for template in FORMATS[form].values())
    ]
    for key, text in grant.spec.secret.data.items():
        for variable in sorted(_variables(text) & lacking):
            problem = f"{why}, so there is no ${{{variable}}}: remove it"
            field_errors.append(FieldError(f"spec.secret.data[{key}]", problem))
    return field_errors


def _variables(text: str) -> frozenset[str]:
    try:
        return frozenset(parse_template(text).variables)
    except TemplateError:
        return frozenset()


def render(
    grant: ApiKeyGrant, *, credential: Credential, previous: Sensitive | None = None
) -> dict[str, str]:
    """Render the Secret's data, all keys together, for a grant that `validate` accepts.

    `previous` is the value of the key before, if there is one that is still valid.

    Raises:
        RenderError: The credential lacks a value that the templates use, or they become too long.
    """
    if grant.is_bulk_import:
        return {name: value.reveal() for name, value in credential.values.items()}
    values = Values(grant, credential, previous)
    data: dict[str, str] = {}
    for form in grant.formats:
        data |= _filled(form, values)
    for key, text in grant.own_data.items():
        data[key] = _rendered(key, text, values)
    size = sum(map(len, data.values()))
    if size > _MAX_BYTES:
        raise RenderError(
            FieldError(
                "spec.secret.data",
                f"the templates become {size} characters, {_MAX_BYTES} are possible at most: use"
                " fewer variables, or two grants",
            )
        )
    if CANONICAL_FILE in data_keys(grant):
        secrets = {name: value.reveal() for name, value in sorted(credential.values.items())}
        if uses_previous(grant):
            secrets[Variable.PREVIOUS_API_KEY.value] = values[Variable.PREVIOUS_API_KEY]
        data[CANONICAL_FILE] = json.dumps(secrets)
    return data


def _rendered(key: str, text: str, values: Values) -> str:
    try:
        return parse_template(text).render(values)
    except RenderError as error:
        if error.problem.field != "spec.secret.data":
            raise
        raise RenderError(FieldError(f"spec.secret.data[{key}]", error.problem.message)) from None


def _filled(form: Format, values: Values) -> dict[str, str]:
    try:
        return {key: template.render(values) for key, template in FORMATS[form].items()}
    except RenderError as error:
        raise RenderError(
            FieldError(
                "spec.secret.formats",
                f"{form} cannot be filled: {error.problem.message.partition(':')[0]}; choose"
                " another format, or let the source assume a role, whose sessions have all",
            )
        ) from None


@lru_cache(maxsize=256)
def _data_keys(
    formats: tuple[Format, ...], data: tuple[tuple[str, str], ...], kind: KeyKind
) -> frozenset[str]:
    templates = dict(templates_of(formats))
    templates.update((key, parse_template(text)) for key, text in data)
    used = any(Variable.PREVIOUS_API_KEY in each.variables for each in templates.values())
    readable = has_bare_previous(templates.values()) if used else True
    if readable and is_recoverable(templates.values(), kind=kind):
        return frozenset(templates)
    return frozenset({*templates, CANONICAL_FILE})


def _check_data(grant: ApiKeyGrant) -> Iterator[FieldError]:
    taken = {key: form for form in grant.formats for key in FORMATS[form]}
    size = 0
    for key, text in grant.spec.secret.data.items():
        field = f"spec.secret.data[{key}]"
        size += len(text)
        if key == CANONICAL_FILE:
            yield FieldError(field, f"{CANONICAL_FILE} is ours: choose another key")
        if key in taken:
            yield FieldError(field, f"format {taken[key]} writes this key: drop one of the two")
        try:
            template = parse_template(text)
        except TemplateError as error:
            yield FieldError(field, str(error))
            continue
        for variable in sorted(template.variables - grant.key.own_variables):
            yield FieldError(field, f"${{{variable}}} is not available for {grant.kind}: remove it")
        if template.variables & _END and not grant.expires:
            yield FieldError(
                field, "this key has no end: set expiresAfterDays, or drop ${expiresAt}"
            )
    if size > _MAX_BYTES:
        yield FieldError("spec.secret.data", f"has {size} characters: keep it below {_MAX_BYTES}")


def _check_mixed(grant: ApiKeyGrant) -> Iterator[FieldError]:
    """Reject a bearer token beside an access key: SDKs silently prefer the token."""
    if grant.spec.secret.allow_mixed:
        return
    names = grant.spec.secret.data.keys() | templates_of(grant.formats).keys()
    usual = grant.key.environment_for(Provider.AWS).keys()
    if names & _ACCESS_KEYS and (names | usual) & _BEARER_KEYS:
        yield FieldError(
            "spec.secret.data",
            "a bearer key and an access key in one Secret: SDKs silently prefer the bearer; "
            "use two grants, or set spec.secret.allowMixed",
        )
    elif names & _BEARER_KEYS and usual & _ACCESS_KEYS:
        yield FieldError(
            "spec.secret.data",
            "an access key and a bearer key in one Secret: SDKs silently prefer the bearer; "
            "use two grants, or set spec.secret.allowMixed",
        )
