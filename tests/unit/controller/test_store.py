"""What is remembered of the cluster."""

from typing import Any

from keywright.api.status import GrantStatus
from keywright.controller.store import Store
from keywright.planning.priority import NO_PRIORITY, Urgency
from keywright.secrets.ownership import ManagedSecret, managed_secret_from
from tests.unit.api.samples import grant_body, source_body
from tests.unit.fakes.clock import NOON
from tests.unit.replace import replace


def _grant(uid: str = "a", *, version: int = 7, **metadata: Any) -> dict[str, Any]:
    body = grant_body(**metadata.pop("spec", {}))
    named = {"uid": uid, "resourceVersion": str(version), "name": f"grant-{uid}", **metadata}
    body["metadata"] |= named
    return body


def _secret(name: str = "grant-a", *, version: int = 9, uid: str = "s") -> ManagedSecret:
    meta = {"namespace": "chat", "name": name, "uid": uid, "resourceVersion": str(version)}
    return managed_secret_from(meta)


def _source(*, version: int, uid: str = "s") -> dict[str, Any]:
    body = source_body()
    body["metadata"] |= {"resourceVersion": str(version), "uid": uid}
    return body


def test_only_a_newer_version_is_news() -> None:
    """Watches repeat and reorder; what is older than what is known changes nothing."""
    store = Store()
    assert store.put_grant(_grant(version=7))
    assert not store.put_grant(_grant(version=7))
    assert not store.put_grant(_grant(version=6))
    assert store.put_grant(_grant(version=10))
    assert store.put_secret(_secret(version=9))
    assert not store.put_secret(_secret(version=9))
    assert not store.put_secret(_secret(version=8))
    assert store.put_secret(_secret(version=5, uid="created again"))
    assert store.put_source(_source(version=7)) is not None
    assert store.put_source(_source(version=7)) is None
    assert store.put_source(_source(version=5, uid="created again")) is not None


def test_what_is_gone_does_not_come_back_by_the_answer_of_our_write() -> None:
    """The watch may report the deletion before the write that removed the finalizer returns."""
    store = Store()
    store.put_grant(_grant(version=7))
    store.drop_grant("a")
    store.put_own(_grant(version=8))
    assert store.grants == {}
    assert store.grants_of_source(("chat", "bedrock")) == ()
    store.put_grant(_grant(version=7))
    store.put_own(_grant(version=8))
    assert store.grants["a"].last_written_version == 8


def test_the_echo_of_our_own_writes_is_no_news() -> None:
    """The events that our two writes cause are dropped before anything is done."""
    store = Store()
    store.put_grant(_grant(version=7))
    store.put_status("a", version="8", status={"revision": 1, "keyId": None})
    store.put_secret(_secret(version=9))
    assert not store.is_news(_grant(version=8)["metadata"])
    assert store.is_news(_grant(version=9)["metadata"])
    assert store.is_news(_grant("b", version=1)["metadata"])
    seen = {"namespace": "chat", "name": "grant-a", "uid": "s", "resourceVersion": "9"}
    assert not store.is_news(seen)
    assert store.is_news(seen | {"resourceVersion": "10"})
    assert store.grants["a"].parsed()["status"] == {"revision": 1}


def test_what_is_kept_of_a_grant_decides_about_it() -> None:
    """Spec, status, the requests of its annotations; managed fields and other annotations not."""
    store = Store()
    body = _grant(
        annotations={"keywright.dev/renew-requested-at": "x", "kubectl": "y"},
        managedFields=[{"manager": "kubectl"}],
    )
    body["status"] = GrantStatus(revision=3).to_body()
    store.put_grant(body)
    kept = store.grants["a"].parsed()
    assert kept["metadata"]["annotations"] == {"keywright.dev/renew-requested-at": "x"}
    assert "managedFields" not in kept["metadata"]
    assert kept["spec"] == body["spec"]
    assert GrantStatus.parse(kept["status"]).revision == 3


def test_a_status_written_late_does_not_undo_an_edit() -> None:
    """The response to our write may arrive after the event of a later edit."""
    store = Store()
    store.put_grant(_grant(version=9, spec={"suspend": True}))
    store.put_status("a", version="8", status={"revision": 1})
    assert store.grants["a"].parsed()["spec"]["suspend"] is True
    assert not store.only_own_writes("a")
    store.put_status("unknown", version="8", status={})


def test_grants_are_found_by_source_and_by_secret() -> None:
    """Also after they moved from one to the other, and no more once they are gone."""
    store = Store()
    store.put_grant(_grant("a"))
    store.put_grant(_grant("b", spec={"secret": {"name": "grant-a"}}))
    assert set(store.grants_of_source(("chat", "bedrock"))) == {"a", "b"}
    assert set(store.grants_of_secret(("chat", "grant-a"))) == {"a", "b"}
    moved = {"secret": {"name": "other"}, "sourceRef": {"name": "far", "namespace": "away"}}
    store.put_grant(_grant("b", version=8, spec=moved))
    assert set(store.grants_of_source(("away", "far"))) == {"b"}
    assert set(store.grants_of_secret(("chat", "grant-a"))) == {"a"}
    assert set(store.grants_of_secret(("chat", "other"))) == {"b"}
    for uid in ("a", "b", "unknown"):
        store.drop_grant(uid)
    assert list(store.grants_of_source(("chat", "bedrock"))) == []
    assert list(store.grants_of_secret(("chat", "other"))) == []


def test_a_spec_of_any_shape_is_remembered() -> None:
    """An older CRD may have accepted it; it is reported later, not lost here."""
    store = Store()
    body = _grant()
    body["spec"] = {"sourceRef": {}, "secret": None}
    body["status"] = None
    assert store.put_grant(body)
    assert store.grants["a"].source == ("chat", "")


def test_the_oldest_grant_keeps_the_secret() -> None:
    """By creation, then by uid; one that is being deleted blocks no other."""
    store = Store()
    shared = {"secret": {"name": "shared"}}
    store.put_grant(_grant("b", spec=shared))
    store.put_grant(_grant("c", spec=shared))
    store.put_grant(_grant("d", spec=shared, creationTimestamp="2026-11-22T09:00:00Z"))
    store.put_grant(_grant("e"))
    rivals = {uid: store.older_grant_for_same_secret(store.grants[uid]) for uid in "bcde"}
    assert rivals == {"b": "grant-d", "c": "grant-d", "d": "", "e": ""}
    going = _grant("d", version=8, spec=shared, creationTimestamp="2026-11-22T09:00:00Z")
    going["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    store.put_grant(going)
    assert store.older_grant_for_same_secret(store.grants["c"]) == "grant-b"
    assert not store.older_grant_for_same_secret(store.grants["b"])


def test_a_grant_is_settled_by_its_own_writes_alone() -> None:
    """An edit, a wake, a foreign write to the Secret or its deletion is something to look at."""
    store = Store()
    store.put_grant(_grant(version=7))
    assert not store.only_own_writes("a")
    store.put_status("a", version="8", status={})
    assert store.only_own_writes("a")
    store.put_secret(_secret(version=9))
    assert not store.only_own_writes("a")
    store.grants["a"].last_written_secret_version = "9"
    assert store.only_own_writes("a")
    store.grants["a"].skip_backoff = True
    assert not store.only_own_writes("a")
    store.grants["a"].skip_backoff = False
    store.put_secret(replace(_secret(version=10)))
    assert not store.only_own_writes("a")
    del store.secrets["chat", "grant-a"]
    assert not store.only_own_writes("a")
    assert store.only_own_writes("unknown")


def test_an_edit_keeps_what_only_we_know() -> None:
    """A wake and our own last versions survive the next event of the grant."""
    store = Store()
    store.put_grant(_grant(version=7))
    store.put_status("a", version="8", status={})
    store.grants["a"].skip_backoff, store.grants["a"].last_written_secret_version = True, "9"
    store.put_grant(_grant(version=10))
    kept = store.grants["a"]
    assert (kept.skip_backoff, kept.last_written_version, kept.last_written_secret_version) == (
        True,
        8,
        "9",
    )


def _ended_secret(mark: str) -> ManagedSecret:
    annotations = {
        "keywright.dev/owner": mark,
        "keywright.dev/expires-at": "2026-11-22T11:00:00Z",
    }
    meta = {"namespace": "chat", "name": "grant-a", "uid": "s", "resourceVersion": "9"}
    return managed_secret_from(meta | {"annotations": annotations})


def test_the_turn_of_a_grant_is_that_of_its_own_key() -> None:
    """What its Secret tells, if it is its own, and whether its last try failed."""
    store = Store()
    store.put_grant(_grant())
    assert store.priority("a", now=NOON)[0] is Urgency.NEW
    store.put_status("a", version="8", status={"failedAttempts": 2})
    assert store.priority("a", now=NOON)[0] is Urgency.RETRY
    store.put_secret(_ended_secret("chat/another b"))
    assert store.priority("a", now=NOON)[0] is Urgency.RETRY
    store.put_secret(replace(_ended_secret("chat/grant-a a"), resource_version="10"))
    assert store.priority("a", now=NOON)[0] is Urgency.ENDED
    store.put_grant(_grant(version=11))
    assert store.priority("a", now=NOON)[0] is Urgency.ENDED
    assert store.priority("unknown", now=NOON)[0] is Urgency.NEW


def test_a_time_that_nobody_wrote_in_earnest_has_no_place_in_the_order() -> None:
    """An annotation of the year 1 stopped every worker: the difference of a second overflowed."""
    store = Store()
    store.put_grant(_grant())
    for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
        meta: dict[str, Any] = {"namespace": "chat", "name": "grant-a", "uid": text}
        meta["resourceVersion"] = "9"
        names = ("owner", "issued-at", "expires-at", "renew-at")
        values = ("chat/grant-a a", text, text, text)
        meta["annotations"] = {
            f"keywright.dev/{name}": value for name, value in zip(names, values, strict=True)
        }
        store.put_secret(managed_secret_from(meta))
        assert store.secrets["chat", "grant-a"].renew_at is None
        assert store.priority("a", now=NOON) == NO_PRIORITY
