"""The mark of a grant in the description of a key: Model Studio has no tags. Pure.

A description has at most 128 characters ("ALIYUN::Bailian::ApiKey" of ROS), so that names and IDs
are hashed. It reads like this, with the grant, hashes of grant name, grant ID and cluster ID, and
the intent that the key was created by:

    keywright chat/qwen 0f1e2d3c4b5a6978.0123456789abcdef.fedcba9876543210 20270101T120000Z.3

`.r` after the hashes: a deletion retained the key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from keywright.clouds.owner_tags import CLUSTER_TAG, GRANT_ID_TAG, RETAIN_TAG, TAG, OwnerMark

MAX_LENGTH: Final = 128
_LABEL: Final = 42
_DIGITS: Final = 16
# Of a grant or cluster that is not known; random, so that no annotation can claim it.
_OTHER: Final = secrets.token_hex(16)
_MARK: Final = re.compile(
    r"keywright (?P<label>[!-~]{1,42}) (?P<owner>[0-9a-f]{16})\.(?P<grant>[0-9a-f]{16})"
    r"\.(?P<cluster>[0-9a-f]{16})(?P<retain>\.r)?(?: (?P<intent>[0-9A-Z.]{1,22}))?"
)


@dataclass(frozen=True, slots=True)
class Description:
    """A description as the operator writes it; `label` may be the beginning of the owner tag."""

    label: str
    owner: str
    grant: str
    cluster: str
    retain: bool
    intent: str


def description(mark: OwnerMark, *, intent: str) -> str:
    """The description of a key of the grant, created by an intent."""
    identity = mark.identity
    hashes = ".".join(
        (
            _hash("owner", mark.owner),
            _hash("grant", identity.grant_id),
            _hash("cluster", identity.cluster_id),
        )
    )
    retain = ".r" if mark.retain else ""
    created = re.sub(r"[^0-9A-Z.]", "", intent)[:22]
    text = f"keywright {mark.owner[:_LABEL]} {hashes}{retain} {created}".rstrip()
    assert len(text) <= MAX_LENGTH
    return text


def parse(text: str | None) -> Description | None:
    """The parts of a description; None for a text of another author."""
    found = _MARK.fullmatch(text or "")
    if found is None:
        return None
    return Description(
        label=found["label"],
        owner=found["owner"],
        grant=found["grant"],
        cluster=found["cluster"],
        retain=found["retain"] is not None,
        intent=found["intent"] or "",
    )


def tags_of(found: Description | None, *, mark: OwnerMark) -> Mapping[str, str]:
    """The tags that the description stands for, as far as they concern the grant."""
    if found is None:
        return {}
    identity = mark.identity
    grants = (identity.grant_id, identity.claimed_id, *identity.ids)
    tags = {
        TAG: _known("owner", found.owner, (mark.owner,)),
        GRANT_ID_TAG: _known("grant", found.grant, grants),
        CLUSTER_TAG: _known("cluster", found.cluster, (identity.cluster_id, *identity.clusters)),
    }
    return tags | ({RETAIN_TAG: "true"} if found.retain else {})


def owner_hash(owner: str) -> str:
    """What the descriptions of all keys of grants with this owner tag have in common."""
    return _hash("owner", owner)


def cluster_hash(cluster_id: str) -> str:
    """What the descriptions of all keys of a cluster have in common."""
    return _hash("cluster", cluster_id)


def _known(what: str, found: str, candidates: Iterable[str]) -> str:
    known = filter(None, candidates)
    return next((each for each in known if _hash(what, each) == found), _OTHER)


def _hash(what: str, value: str) -> str:
    return hashlib.sha256(f"keywright {what} {value}".encode()).hexdigest()[:_DIGITS]
