"""Secrets that another client has edited: an earlier key, or a later expiry, looks like ours."""

from __future__ import annotations

import asyncio
import copy
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest

from keywright.api.names import (
    ANNOTATION_EXPIRES_AT,
    ANNOTATION_FINGERPRINT,
    ANNOTATION_ISSUED_AT,
    ANNOTATION_RENEW_AT,
    ANNOTATION_REVISION,
)
from keywright.api.sensitive import Sensitive
from keywright.api.times import format_time
from keywright.secrets.fingerprint import key_identity
from tests.unit.controller.crashing import Account
from tests.unit.controller.samples import GRANTS, SECRET, Scene, scene
from tests.unit.controller.test_rollouts import parsed
from tests.unit.fakes.provider import LIFE
from tests.unit.secrets.samples import earlier_fingerprint

_IN_OVERLAP = timedelta(seconds=30)
_ENTRY = "AWS_BEARER_TOKEN_BEDROCK"


def _play(account: Account, *, idle: timedelta = timedelta(days=1)) -> None:
    asyncio.run(account.live(requests=None, idle=idle))


def _entries(body: dict[str, Any]) -> dict[str, str]:
    return {name: b64decode(text).decode() for name, text in body["data"].items()}


def _edit(body: dict[str, Any], *, data: dict[str, str], annotations: dict[str, str]) -> None:
    """Another field manager changes these fields, and owns them from then on."""
    fields = body["metadata"]["managedFields"][0]["fieldsV1"]
    for name, text in data.items():
        body["data"][name] = b64encode(text.encode()).decode()
        fields["f:data"].pop(f"f:{name}", None)
    for name, text in annotations.items():
        body["metadata"]["annotations"][name] = text
        fields["f:metadata"]["f:annotations"].pop(f"f:{name}", None)


@pytest.mark.parametrize("renewal", [False, True], ids=["at once", "with a renewal"])
@pytest.mark.parametrize("copied", ["all", "values"])
@pytest.mark.parametrize("with_previous", [False, True])
def test_a_retired_key_is_not_published_again(
    copied: str, *, with_previous: bool, renewal: bool
) -> None:
    """Its value and its fingerprint, under the ID of the present key: it may have been leaked."""
    previous = {"data": {"previous": "${previous.apiKey}"}} if with_previous else {}
    account = Account(secret={"formats": ["ApiKey"], **previous})
    _play(account)
    old = account.api.objects[SECRET]["metadata"]["annotations"][ANNOTATION_FINGERPRINT]
    account.ask()
    _play(account)
    body = account.api.objects[SECRET]
    present = body["metadata"]["annotations"][ANNOTATION_FINGERPRINT]
    mixed = f"{present.rpartition('.')[0]}.{old.rpartition('.')[2]}"
    _edit(
        body,
        data={"apiKey": "ABSK-planted1"},
        annotations={ANNOTATION_FINGERPRINT: old if copied == "all" else mixed},
    )
    account.api.put(SECRET.rpartition("/")[0], body)
    if renewal:
        account.ask()
    writes = len(account.api.requested)
    _play(account, idle=_IN_OVERLAP)
    written = [
        b64decode(text).decode()
        for action in account.api.requested[writes:]
        if action.method == "PATCH" and action.path == SECRET
        for text in action.body["data"].values()
    ]
    assert written
    assert "ABSK-planted1" not in written
    assert _entries(account.api.objects[SECRET])["apiKey"] == account.iam.values[account.key_id]


@pytest.mark.parametrize("lost", [False, True], ids=["with status", "without status"])
async def test_an_edited_expiry_is_not_believed(*, lost: bool) -> None:
    """With another hash of the data, so that the status seems to be of another key."""
    made = scene()
    await made.settle()
    body = made.api.objects[SECRET]
    identity, _, values = body["metadata"]["annotations"][ANNOTATION_FINGERPRINT].split(".")
    later = format_time(made.clock.now + 20 * LIFE)
    _edit(
        body,
        data={},
        annotations={
            ANNOTATION_FINGERPRINT: f"{identity}.{'0' * 32}.{values}",
            ANNOTATION_EXPIRES_AT: later,
            ANNOTATION_RENEW_AT: later,
        },
    )
    made.see_secret()
    if lost:
        _without_status(made)
    await made.settle()
    assert made.cloud_provider.issued_key == 2
    status = made.api.objects[f"{GRANTS}/chat-key"]["status"]
    assert status["expiresAt"] == format_time(made.clock.now + LIFE)


async def test_an_earlier_short_term_key_is_not_published_again() -> None:
    """Its value with all annotations of its time, and a later expiry."""
    made = scene()
    await made.settle()
    old = _entries(made.api.objects[SECRET])[_ENTRY]
    marks = dict(made.api.objects[SECRET]["metadata"]["annotations"])
    made.clock.advance(seconds=LIFE.total_seconds() * 0.9)
    await made.settle()
    body = made.api.objects[SECRET]
    assert _entries(body)[_ENTRY] != old
    later = format_time(made.clock.now + 20 * LIFE)
    copied = {name: marks[name] for name in (ANNOTATION_FINGERPRINT, ANNOTATION_ISSUED_AT)}
    end = {ANNOTATION_EXPIRES_AT: later, ANNOTATION_RENEW_AT: later}
    _edit(body, data={_ENTRY: old}, annotations=copied | end)
    made.see_secret()
    await made.settle()
    assert _entries(made.api.objects[SECRET])[_ENTRY] != old
    status = made.api.objects[f"{GRANTS}/chat-key"]["status"]
    assert status["expiresAt"] == format_time(made.clock.now + LIFE)


@pytest.mark.parametrize("edited", [False, True], ids=["as it was", "with a later revision"])
async def test_an_old_copy_of_a_secret_is_replaced(*, edited: bool) -> None:
    """All of it, with the times of its key, which is still valid: it may have leaked."""
    made = scene()
    await made.settle()
    copied = copy.deepcopy(made.api.objects[SECRET])
    old = _entries(copied)[_ENTRY]
    made.clock.advance(seconds=60)
    made.put_grant()
    _request(made)
    await made.settle()
    assert made.status()["revision"] == 2
    body = made.api.objects[SECRET]
    marks = dict(copied["metadata"]["annotations"])
    if edited:
        marks[ANNOTATION_REVISION] = "3"
    _edit(body, data=_entries(copied), annotations=marks)
    made.see_secret()
    await made.settle()
    assert _entries(made.api.objects[SECRET])[_ENTRY] != old
    assert made.cloud_provider.issued_key == 3
    assert made.conditions()[0] == "Ready True Succeeded"


def _request(made: Scene) -> None:
    body = copy.deepcopy(made.api.objects[f"{GRANTS}/chat-key"])
    annotations = {"keywright.dev/renew-requested-at": format_time(made.clock.now)}
    body["metadata"]["annotations"] = body["metadata"].get("annotations", {}) | annotations
    made.store.put_grant(made.api.put(GRANTS, body))


@pytest.mark.parametrize("recorded", [True, False], ids=["in the status", "in the Secret only"])
async def test_a_fingerprint_of_an_earlier_version_needs_the_status(*, recorded: bool) -> None:
    """An upgrade issues nothing. Without the status, nothing shows that it is not a copy."""
    made = scene()
    await made.settle()
    body = made.api.objects[SECRET]
    data = _entries(body)
    grant, source = parsed(made)
    values = {"apiKey": Sensitive(data[_ENTRY])}
    identity = key_identity(grant, source=source)
    old = earlier_fingerprint(identity, data=data, values=values, salt="chat")
    body["metadata"]["annotations"][ANNOTATION_FINGERPRINT] = old
    _edit(body, data={}, annotations={ANNOTATION_RENEW_AT: "now"})
    made.see_secret()
    if recorded:
        _put_status(made, fingerprint=old)
    else:
        _without_status(made)
    await made.settle()
    assert made.cloud_provider.issued_key == (1 if recorded else 2)
    annotations = made.api.objects[SECRET]["metadata"]["annotations"]
    assert annotations[ANNOTATION_FINGERPRINT] != old


def _put_status(made: Scene, **changed: Any) -> None:
    body = made.api.objects[f"{GRANTS}/chat-key"]
    status = body["status"] | changed
    made.store.put_grant(made.api.put(GRANTS, body | {"status": status}))


def _without_status(made: Scene) -> None:
    body = made.api.objects[f"{GRANTS}/chat-key"]
    made.store.put_grant(made.api.put(GRANTS, body | {"status": {}}))
