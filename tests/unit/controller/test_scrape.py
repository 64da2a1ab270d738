"""Metrics of grants come from what the store keeps at hand, and equal what their statuses say."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from keywright.api.status import ConditionStatus, GrantStatus
from keywright.controller.monitoring import grant_samples
from keywright.controller.store import Store
from keywright.planning.conditions import READY
from keywright.telemetry.metrics import Metrics
from tests.unit.api.samples import grant_body

UIDS = ("a", "b", "c")
TIMES = st.sampled_from(
    ("2026-01-01T00:00:00Z", "2026-07-01T12:30:01Z", "1970-01-01T00:00:01Z", "soon", "", 7, None)
)
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from((READY, "Other", "", 1)),
        "status": st.sampled_from(("True", "False", "Unknown", "yes", 1, None)),
        "message": st.sampled_from(("m", None)),
    },
)
STATUSES = st.fixed_dictionaries(
    {},
    optional={
        "conditions": st.one_of(
            st.lists(st.one_of(CONDITIONS, st.just("text"), st.none()), max_size=3),
            st.just({"type": READY, "status": "True"}),
            st.just("True"),
            st.none(),
        ),
        "expiresAt": TIMES,
        "renewAt": TIMES,
        "revision": st.integers(0, 3),
        # More than is kept of a status.
        "keyId": st.sampled_from(("k", "k" * 70_000)),
    },
)
CHANGES = st.tuples(
    st.sampled_from(("seen", "written", "echoed", "dropped")), st.sampled_from(UIDS), STATUSES
)


class EachStatus(Collector):
    """The same metrics, by parsing the whole status of each grant and by the library alone."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def collect(self) -> Iterator[Metric]:
        """The three families of grants."""
        labels = ("namespace", "name")
        expires = GaugeMetricFamily(
            "keywright_grant_expiration_timestamp_seconds", "When the key expires.", labels=labels
        )
        renews = GaugeMetricFamily(
            "keywright_grant_renewal_timestamp_seconds", "When the key is renewed.", labels=labels
        )
        ready = GaugeMetricFamily(
            "keywright_grant_ready", "1 if the grant is Ready.", labels=labels
        )
        for record in self.store.grants.values():
            status = GrantStatus.parse(record.parsed()["status"])
            condition = status.condition(READY)
            name = (record.namespace, record.name)
            is_ready = condition is not None and condition.status is ConditionStatus.TRUE
            ready.add_metric(name, float(is_ready))
            if status.expires_at is not None:
                expires.add_metric(name, status.expires_at.timestamp())
            if status.renew_at is not None:
                renews.add_metric(name, status.renew_at.timestamp())
        yield from (expires, renews, ready)


def _body(uid: str, *, version: int, status: Any) -> dict[str, Any]:
    body = grant_body()
    name = {"a": "plain", "b": 'quote"\\', "c": "line\nbreak"}[uid]
    body["metadata"] |= {"uid": uid, "resourceVersion": str(version), "name": name}
    body["status"] = status
    return body


def _change(store: Store, *, what: str, uid: str, status: Any, version: int) -> None:
    match what:
        case "seen":
            store.put_grant(_body(uid, version=version, status=status))
        case "written":
            store.put_status(uid, version=str(version), status=status)
        case "echoed":
            store.put_own(_body(uid, version=version, status=status))
        case _:
            store.drop_grant(uid)


@given(st.lists(CHANGES, max_size=12))
def test_a_scrape_equals_the_statuses_after_any_changes(
    changes: list[tuple[str, str, dict[str, Any]]],
) -> None:
    """Byte by byte, also for statuses that other clients have written, and for any name."""
    store, metrics, registry = Store(), Metrics(), CollectorRegistry()
    metrics.watch(grants=lambda: grant_samples(store), queue_depth=lambda: 0, leads=lambda: True)
    registry.register(EachStatus(store))
    for version, (what, uid, status) in enumerate(changes, start=1):
        _change(store, what=what, uid=uid, status=status, version=version)
        assert generate_latest(registry) in metrics.text()


def test_a_scrape_unpacks_no_grant() -> None:
    """At 10,000 grants, that held up the event loop for a third of a second."""
    store = Store()
    store.put_grant(_body("a", version=1, status={"expiresAt": "2026-01-01T00:00:00Z"}))
    store.grants["a"].packed = b"not to be read"
    assert [sample.expires_at for sample in grant_samples(store)] == [1767225600.0]
