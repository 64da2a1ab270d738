"""`config.json` of the Alibaba Cloud CLI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import msgspec

from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.profiles.resolved import (
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
    sts_host,
    sts_host_of,
)

_MAX_PROFILES = 5


def from_cli_config(text: str, *, name: str | None) -> ResolvedProfile:
    """The profile with that name, or the current one, of a `config.json`.

    Raises:
        ProfileError: the file, the profile or one that it refers to is invalid.
    """
    check_size(text)
    try:
        config = msgspec.json.decode(text.removeprefix("\ufeff"))
        profiles = {str(one["name"]): one for one in config["profiles"]}
        current = config.get("current")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, RecursionError):
        # `from None`: the parser's message may quote the file.
        raise ProfileError(
            "the file is no configuration of the Alibaba Cloud CLI",
            remedy="Put a config.json into the Secret, with a list of profiles that have names.",
        ) from None
    chosen = name or current
    if not chosen:
        raise ProfileError(
            "the file has no current profile", remedy="Name one in profile.name, or set current."
        )
    if name and name not in profiles:
        raise ProfileError(
            f"there is no profile {name}", remedy="Set profile.name to the name of a profile."
        )
    return _resolved(profiles, str(chosen), seen=())


def _resolved(
    profiles: Mapping[str, Section], name: str, *, seen: tuple[str, ...]
) -> ResolvedProfile:
    if name in seen:
        raise ProfileError(
            "the profiles build on each other in a cycle",
            remedy="Let the last source_profile name one that has a key, a node's role or a token.",
        )
    if len(seen) >= _MAX_PROFILES:
        raise ProfileError(
            f"the chain of profiles is longer than {_MAX_PROFILES}", remedy="Shorten it."
        )
    if name not in profiles:
        raise ProfileError(
            "there is no profile of the name that is asked for",
            remedy="Set profile.name, current or source_profile to the name of a profile.",
        )
    section = profiles[name]
    mode = section.get("mode")
    read = _MODES.get(str(mode))
    if read is not None:
        return read(name, section)
    if mode == "ChainableRamRoleArn":
        before = _resolved(profiles, required(section, "source_profile"), seen=(*seen, name))
        role = _cli_role(section)
        return ResolvedProfile(name, before.start, (*before.roles, role))
    raise ProfileError(
        _REFUSED_MODES.get(str(mode), "the profile has a mode that is not known"),
        remedy=f"Use a profile of mode {', '.join([*_MODES, 'ChainableRamRoleArn'])}.",
    )


def _ak(name: str, section: Section) -> ResolvedProfile:
    return ResolvedProfile(name, stored_key(section))


def _sts_token(name: str, section: Section) -> ResolvedProfile:
    token = Sensitive(required(section, "sts_token"))
    key = stored_key(section)
    return ResolvedProfile(name, StoredKey(key.access_key_id, key.secret, token))


def _ram_role(name: str, section: Section) -> ResolvedProfile:
    return ResolvedProfile(name, stored_key(section), (_cli_role(section),))


def _node(name: str, section: Section) -> ResolvedProfile:
    return ResolvedProfile(name, NodeRole(optional(section, "ram_role_name")))


def _oidc(name: str, section: Section) -> ResolvedProfile:
    # The CLI has ram_session_name in every mode; the SDKs write role_session_name in this one.
    role = _cli_role(section)
    role = replace(
        role,
        session_name=session_name(section, "role_session_name") or role.session_name,
        provider_arn=arn(section, "oidc_provider_arn", kind="oidc-provider"),
    )
    return ResolvedProfile(name, None, (role,))


_MODES: Final[Mapping[str, Callable[[str, Section], ResolvedProfile]]] = {
    "AK": _ak,
    "StsToken": _sts_token,
    "RamRoleArn": _ram_role,
    "EcsRamRole": _node,
    "OIDC": _oidc,
}
_REFUSED_MODES: Final = {
    "External": "the profile has the mode External, which runs a command: an operator runs none",
    "CloudSSO": "the profile has the mode CloudSSO, which needs a person and a browser to sign in",
    "OAuth": "the profile has the mode OAuth, which needs a person and a browser to sign in",
}


def _cli_role(section: Section) -> ProfileRole:
    seconds = section.get("expired_seconds")
    if seconds is not None and (not isinstance(seconds, int) or seconds < 0):
        raise ProfileError(
            "expired_seconds of the profile is no number of seconds", remedy="Write it like 3600."
        )
    return ProfileRole(
        arn=arn(section, "ram_role_arn", kind="role"),
        session_name=session_name(section, "ram_session_name"),
        seconds=seconds or None,
        policy=optional(section, "policy"),
        external_id=optional(section, "external_id"),
        host=_host(section),
    )


def _host(section: Section) -> str | None:
    """As in the CLI: sts_endpoint, otherwise sts_region; None for the source's endpoint."""
    endpoint = optional(section, "sts_endpoint")
    if endpoint is not None:
        return sts_host(endpoint)
    vpc = section.get("enable_vpc") is True
    return sts_host_of(optional(section, "sts_region"), field="sts_region", vpc=vpc)
