"""How long the key of a grant will be valid, as far as the manifests say."""

from __future__ import annotations

from datetime import timedelta

from keywright.api.alibaba_source import AlibabaSource, OidcRoleArn, RamRoleArn, RsaKeyPair
from keywright.api.aws_source import AwsSource
from keywright.api.durations import parse_duration
from keywright.api.grant import ApiKeyGrant
from keywright.api.keys import SessionCredentials
from keywright.api.presigned_key import PresignedKey
from keywright.api.registry_tokens import CodeArtifactToken
from keywright.api.source import CredentialSource
from keywright.api.user_key import UserKey

_DEFAULT = timedelta(hours=1)
_CHAINED = timedelta(hours=1)


def key_lifetime(grant: ApiKeyGrant, *, source: CredentialSource | None) -> timedelta | None:
    """The lifetime of the key; None if the key has no expiry, or only the cloud knows it."""
    session = None if source is None else session_lifetime(source)
    key = grant.key
    if isinstance(key, PresignedKey):
        requested = timedelta(seconds=key.duration_seconds)
        return requested if session is None else min(requested, session)
    if isinstance(key, UserKey):
        days = key.expires_after_days
        return None if days is None else timedelta(days=min(days, 36_600))
    if isinstance(key, CodeArtifactToken):
        return session if key.bound_to_session else timedelta(seconds=key.duration_seconds)
    if isinstance(key, SessionCredentials):
        if key.duration_seconds is None:
            return session
        requested = timedelta(seconds=key.duration_seconds)
        is_chained = source is not None and _is_chained(source)
        return min(requested, _CHAINED) if is_chained else requested
    return None


def session_lifetime(source: CredentialSource) -> timedelta | None:
    """The lifetime of the last session of a source; None if it has none, or of its own."""
    cloud = source.cloud
    if isinstance(cloud, AwsSource):
        if cloud.assume_roles:
            lifetime = _duration(cloud.assume_roles[-1].session_duration)
            return min(lifetime, _CHAINED) if _is_chained(source) else lifetime
        role = cloud.base_role
        return None if role is None else _duration(role.session_duration)
    return _session_of_alibaba(cloud) if isinstance(cloud, AlibabaSource) else None


def _session_of_alibaba(cloud: AlibabaSource) -> timedelta | None:
    if cloud.assume_roles:
        return _duration(cloud.assume_roles[-1].role_session_expiration)
    identity = cloud.identity
    if isinstance(identity, OidcRoleArn | RamRoleArn):
        return _duration(identity.role_session_expiration)
    return _duration(identity.session_expiration) if isinstance(identity, RsaKeyPair) else None


def _is_chained(source: CredentialSource) -> bool:
    """Whether the last role is assumed with a session of another role, which AWS limits."""
    cloud = source.cloud
    if not isinstance(cloud, AwsSource):
        return False
    before = len(cloud.assume_roles) - 1 + (cloud.access_key is None)
    return bool(cloud.assume_roles) and before > 0


def _duration(text: str | None) -> timedelta:
    return _DEFAULT if text is None else timedelta(seconds=parse_duration(text))
