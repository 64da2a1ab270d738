"""The INI credentials file of Alibaba Cloud's SDKs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from configparser import ConfigParser, DuplicateOptionError, DuplicateSectionError, Error
from dataclasses import replace
from typing import Final

from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.profiles.resolved import (
    KeyPair,
    NodeRole,
    ProfileError,
    ProfileRole,
    ResolvedProfile,
    Section,
    StoredKey,
    arn,
    check_size,
    optional,
    required,
    session_name,
    stored_key,
    sts_host_of,
)

# The parser tries every space of a sequence as the end of a name: quadratic in their number.
_MANY_BLANKS: Final = re.compile(r"[^\S\n]{101}")
_SECTION: Final = re.compile(r"\[.+\]")
_OPTION: Final = re.compile(r"[^=:]+[=:]")


def from_credentials_file(text: str, *, name: str | None) -> ResolvedProfile:
    """The section with that name, or `default`, of an INI credentials file.

    Raises:
        ProfileError: the file or the section is invalid.
    """
    check_size(text)
    text = text.removeprefix("\ufeff")
    if _MANY_BLANKS.search(text):
        raise ProfileError(
            "a line of the file has more than a hundred blanks in a row",
            remedy="Write lines of name = value.",
        )
    if not _is_ini(text):
        # The parser collects the errors of all lines, at a quadratic cost.
        raise _no_ini_file()
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except (DuplicateSectionError, DuplicateOptionError):
        raise ProfileError(
            "a section, or a name in a section, is in the file twice",
            remedy="Keep one of them.",
        ) from None
    except Error:
        raise _no_ini_file() from None
    chosen = name or "default"
    if not parser.has_section(chosen):
        raise ProfileError(
            f"there is no section [{name}]" if name else "there is no section [default]",
            remedy="Set profile.name to the name of a section, or name one [default].",
        )
    # As in the library: a # ends a value at any position.
    section = {key: value.partition("#")[0].strip() for key, value in parser.items(chosen)}
    if section.get("enable", "true").lower() == "false":
        raise ProfileError(
            "the section is switched off (enable = false)",
            remedy="Set enable to true, remove the line, or name another section.",
        )
    type_ = section.get("type", "")
    read = _TYPES.get(type_)
    if read is None:
        raise ProfileError(
            "the section has a type that is not known" if type_ else "the section has no type",
            remedy=f"Use one of {', '.join(_TYPES)}.",
        )
    return read(chosen, section)


def _is_ini(text: str) -> bool:
    """Whether each line is a section, an option, or a continuation line to `ConfigParser`."""
    indent_of_option: int | None = None
    for line in text.split("\n"):
        content = line.strip()
        if not content or content[0] in "#;":
            continue
        indent = len(line) - len(line.lstrip())
        if indent_of_option is not None and indent > indent_of_option:
            continue
        if _SECTION.match(content):
            indent_of_option = None
        elif _OPTION.match(content):
            indent_of_option = indent
        else:
            return False
    return True


def _no_ini_file() -> ProfileError:
    return ProfileError(
        "the file is no INI file", remedy="Write sections in brackets, and lines of name = value."
    )


def _access_key(name: str, section: Section) -> ResolvedProfile:
    return ResolvedProfile(name, stored_key(section))


def _role(section: Section) -> ProfileRole:
    return ProfileRole(
        arn=arn(section, "role_arn", kind="role"),
        session_name=session_name(section, "role_session_name"),
        policy=optional(section, "policy"),
        host=sts_host_of(optional(section, "region_id"), field="region_id"),
    )


def _ram_role(name: str, section: Section) -> ResolvedProfile:
    return ResolvedProfile(name, stored_key(section), (_role(section),))


def _node(name: str, section: Section) -> ResolvedProfile:
    return ResolvedProfile(name, NodeRole(optional(section, "role_name")))


def _oidc(name: str, section: Section) -> ResolvedProfile:
    provider = arn(section, "oidc_provider_arn", kind="oidc-provider")
    return ResolvedProfile(name, None, (replace(_role(section), provider_arn=provider),))


def _rsa(name: str, section: Section) -> ResolvedProfile:
    file = required(section, "private_key_file").rpartition("/")[2]
    return ResolvedProfile(name, KeyPair(required(section, "public_key_id"), file))


def _sts(name: str, section: Section) -> ResolvedProfile:
    token, key = Sensitive(required(section, "security_token")), stored_key(section)
    return ResolvedProfile(name, StoredKey(key.access_key_id, key.secret, token))


_TYPES: Final[Mapping[str, Callable[[str, Section], ResolvedProfile]]] = {
    "access_key": _access_key,
    "sts": _sts,
    "ram_role_arn": _ram_role,
    "ecs_ram_role": _node,
    "oidc_role_arn": _oidc,
    "rsa_key_pair": _rsa,
}
