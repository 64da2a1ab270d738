"""The previous value in the Secret: from a rotation until the old key is retired."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any

import pytest

from keywright.api.names import ANNOTATION_FINGERPRINT, ANNOTATION_PREVIOUS_KEY
from tests.unit.controller.crashing import GRANT, Account
from tests.unit.controller.samples import GRANTS, SECRET
from tests.unit.fakes.kubernetes import KubernetesInMemory
from tests.unit.replace import replace

_ENTRIES = {"formats": ["ApiKey"], "data": {"previous": "${previous.apiKey}"}}
_PAIR = {"formats": [], "data": {"accepted": '["${apiKey}", "${previous.apiKey}"]'}}
_WRITE = ("PATCH", SECRET)
# Before the overlap of a minute ends.
_IN_OVERLAP = timedelta(seconds=30)
# More requests than a rotation sends, with the removal of the old key.
_REQUESTS = 45


def values(api: KubernetesInMemory) -> dict[str, str]:
    """The decoded data of the Secret."""
    data = api.objects[SECRET]["data"]
    return {name: b64decode(text).decode() for name, text in data.items()}


def annotation(api: KubernetesInMemory, name: str) -> str:
    """An annotation of the Secret."""
    found: str = api.objects[SECRET]["metadata"]["annotations"][name]
    return found


def secret_writes(api: KubernetesInMemory) -> int:
    """How often the Secret was written."""
    return api.writes().count(f"PATCH {SECRET}")


def play(account: Account, *, idle: timedelta = timedelta(days=1)) -> None:
    """One whole life."""
    asyncio.run(account.live(requests=None, idle=idle))


def rotated(secret: dict[str, Any] | None = None, **changed: Any) -> Account:
    """A grant whose second key was published, in the overlap."""
    account = Account(secret=secret or _ENTRIES)
    play(account)
    account.ask()
    play(account, idle=_IN_OVERLAP)
    for name, value in changed.items():
        setattr(account.iam, name, value)
    return account


def put_grant(account: Account, **secret: Any) -> None:
    """The author edits `spec.secret`."""
    body = account.api.objects[GRANT]
    metadata = body["metadata"] | {"generation": body["metadata"]["generation"] + 1}
    account.api.put(GRANTS, {**body, "metadata": metadata, "spec": body["spec"] | secret})


def test_the_previous_value_is_there_for_the_overlap() -> None:
    """Empty with the first key, the old value after a rotation, and empty when that is retired."""
    account = Account(secret=_ENTRIES)
    play(account)
    assert values(account.api) == {"apiKey": "ABSK-planted1", "previous": ""}
    account.ask()
    play(account, idle=_IN_OVERLAP)
    assert values(account.api) == {"apiKey": "ABSK-planted2", "previous": "ABSK-planted1"}
    assert len(account.iam.held) == 2
    marked = annotation(account.api, ANNOTATION_PREVIOUS_KEY)
    assert marked.startswith("123456789012/bedrock-chat/ACCA1 ")
    assert "planted" not in marked
    play(account)
    assert values(account.api) == {"apiKey": "ABSK-planted2", "previous": ""}
    assert len(account.iam.held) == 1
    assert annotation(account.api, ANNOTATION_PREVIOUS_KEY) == ""


def test_the_write_that_removes_it_changes_nothing_else() -> None:
    """One apply: the same fingerprint, so no rollout; no other status, revision or Event."""
    account = rotated()
    mark = annotation(account.api, ANNOTATION_FINGERPRINT)
    status = account.api.objects[GRANT]["status"]
    writes, events = secret_writes(account.api), account.api.events()
    play(account)
    assert values(account.api)["previous"] == ""
    assert annotation(account.api, ANNOTATION_FINGERPRINT) == mark
    assert secret_writes(account.api) == writes + 1
    after = account.api.objects[GRANT]["status"]
    unchanged = ("revision", "issuedAt", "fingerprint", "keyId", "conditions")
    assert [after[name] for name in unchanged] == [status[name] for name in unchanged]
    assert account.api.events() == events


@pytest.mark.parametrize("secret", [_ENTRIES, _PAIR], ids=["entries", "one text"])
def test_another_layout_keeps_it(secret: dict[str, Any]) -> None:
    """It is read from the Secret again, from `keywright.json` if no entry is the bare value."""
    account = rotated(secret)
    put_grant(account, secret={**secret, "labels": {"team": "chat"}})
    play(account, idle=_IN_OVERLAP)
    assert account.api.objects[SECRET]["metadata"]["labels"]["team"] == "chat"
    assert "ABSK-planted1" in "".join(values(account.api).values())
    play(account)
    assert "ABSK-planted1" not in "".join(values(account.api).values())


def test_a_layout_without_it_has_no_trace_of_it() -> None:
    """Neither the entry nor the annotation stays."""
    account = rotated()
    put_grant(account, secret={"formats": ["ApiKey"]})
    play(account, idle=_IN_OVERLAP)
    assert values(account.api) == {"apiKey": "ABSK-planted2"}
    assert ANNOTATION_PREVIOUS_KEY not in account.api.objects[SECRET]["metadata"]["annotations"]


def test_a_layout_that_gets_it_in_an_overlap_is_empty_until_the_next_rotation() -> None:
    """The operator keeps no value elsewhere than in the Secret."""
    account = rotated({"formats": ["ApiKey"]})
    put_grant(account, secret=_ENTRIES)
    play(account, idle=_IN_OVERLAP)
    assert values(account.api) == {"apiKey": "ABSK-planted2", "previous": ""}


def test_it_stays_while_the_grant_is_suspended() -> None:
    """Nothing is retired then, and the old key is still valid."""
    account = rotated()
    put_grant(account, suspend=True)
    account.clock.advance(seconds=600)
    play(account)
    assert values(account.api)["previous"] == "ABSK-planted1"
    assert len(account.iam.held) == 2
    put_grant(account, suspend=False)
    play(account)
    assert values(account.api)["previous"] == ""


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "inactive"])
def test_a_key_that_does_not_work_is_no_previous_value(*, deleted: bool) -> None:
    """It may be inactive because its value has leaked."""
    account = Account(secret=_ENTRIES)
    play(account)
    bad = account.iam.held.pop(account.key_id)
    if not deleted:
        account.iam.held[bad.id] = replace(bad, active=False)
    # The next process looks the key up within ten minutes, and issues another.
    play(account)
    assert values(account.api) == {"apiKey": "ABSK-planted2", "previous": ""}
    written = [a.body["data"] for a in account.api.requested if (a.method, a.path) == _WRITE]
    assert {data["previous"] for data in written} == {""}


def test_a_key_that_the_renewal_does_not_list_is_no_previous_value() -> None:
    """It was deleted by hand, and its renewal was due before it was looked up."""
    account = Account(secret=_ENTRIES)
    play(account)
    del account.iam.held[account.key_id]
    account.clock.advance(days=31)
    play(account, idle=_IN_OVERLAP)
    assert values(account.api) == {"apiKey": "ABSK-planted2", "previous": ""}


def test_an_edited_previous_value_is_emptied() -> None:
    """Whatever another client writes there is neither kept nor published again."""
    account = rotated()
    body = account.api.objects[SECRET]
    body["data"]["previous"] = "Zm9yZ2Vk"
    fields = body["metadata"]["managedFields"][0]["fieldsV1"]
    del fields["f:data"]["f:previous"]
    account.api.put(SECRET.rpartition("/")[0], body)
    play(account, idle=_IN_OVERLAP)
    assert values(account.api) == {"apiKey": "ABSK-planted2", "previous": ""}


def test_the_hash_of_a_retired_key_counts_for_no_other_key() -> None:
    """A deleted key, maybe a leaked one, is not published under the ID of a retiring one."""
    account = rotated()
    _, _, old_hash = annotation(account.api, ANNOTATION_PREVIOUS_KEY).partition(" ")
    play(account)
    account.ask()
    play(account, idle=_IN_OVERLAP)
    body = account.api.objects[SECRET]
    body["data"]["previous"] = b64encode(b"ABSK-planted1").decode()
    marks = body["metadata"]["annotations"]
    key_id, _, _ = marks[ANNOTATION_PREVIOUS_KEY].partition(" ")
    marks[ANNOTATION_PREVIOUS_KEY] = f"{key_id} {old_hash}"
    fields = body["metadata"]["managedFields"][0]["fieldsV1"]
    del fields["f:data"]["f:previous"]
    account.api.put(SECRET.rpartition("/")[0], body)
    play(account, idle=_IN_OVERLAP / 2)
    assert values(account.api) == {"apiKey": "ABSK-planted3", "previous": ""}


def test_a_restored_secret_without_status_keeps_it() -> None:
    """The old key is retired by the time in the Secret, and then the value is removed."""
    account = rotated()
    body = account.api.objects[GRANT]
    account.api.put(GRANTS, {**body, "status": {}})
    play(account, idle=_IN_OVERLAP)
    assert values(account.api) == {"apiKey": "ABSK-planted2", "previous": "ABSK-planted1"}
    play(account)
    assert values(account.api)["previous"] == ""
    assert len(account.iam.held) == 1


def test_every_request_of_a_rotation_may_be_the_last() -> None:
    """Killed at any request: the Secret has valid values only, and in the end no previous one."""
    for requests in range(1, _REQUESTS):
        account = Account(secret=_ENTRIES)
        play(account)
        account.ask()
        asyncio.run(account.live(requests=requests))
        found = values(account.api)
        known = account.iam.values.values()
        assert found["apiKey"] in known, requests
        assert found["previous"] in {"", *known} - {found["apiKey"]}, requests
        retiring = account.api.objects[GRANT]["status"]["retiring"]
        if retiring and found["apiKey"] != "ABSK-planted1":
            assert found["previous"] == "ABSK-planted1", requests
        play(account)
        assert values(account.api)["previous"] == "", requests
        assert values(account.api)["apiKey"] == account.iam.values[account.key_id], requests
        assert account.api.objects[GRANT]["status"]["revision"] == 2, requests
