"""Values that are read from the running operator at each scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from keywright.version import product_version

Counts = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class LiveValues:
    """Callbacks for each scrape; `invalid` and `orphans` by kind, `clock_skews` by provider."""

    queue_depth: Callable[[], int]
    leads: Callable[[], bool]
    due_by_urgency: Counts = dict
    deferred_statuses: Callable[[], int] = int
    invalid: Counts = dict
    orphans: Counts = dict
    clock_skews: Counts = dict


class LiveSeries(Collector):
    """The collector of these values."""

    def __init__(self, values: LiveValues) -> None:
        self._values = values

    @override
    def collect(self) -> Iterator[Metric]:
        values = self._values
        yield GaugeMetricFamily(
            "keywright_queue_depth", "Grants that are due.", value=values.queue_depth()
        )
        yield _by_label(
            "keywright_queue_depth_by_urgency",
            "Grants that are due, by urgency: expired key, renewal, normal work, retry.",
            "urgency",
            values.due_by_urgency(),
        )
        yield GaugeMetricFamily(
            "keywright_deferred_statuses",
            "Status writes that wait for more urgent work.",
            value=values.deferred_statuses(),
        )
        yield GaugeMetricFamily(
            "keywright_leader", "1 if this replica is the leader.", value=float(values.leads())
        )
        yield _by_label(
            "keywright_invalid_objects",
            "Objects that cannot be parsed and are ignored until they are edited; the log contains"
            " the error.",
            "kind",
            values.invalid(),
        )
        yield _by_label(
            "keywright_orphaned_credentials",
            "Keys that could not be revoked and are still valid in a cloud.",
            "kind",
            values.orphans(),
        )
        yield _by_label(
            "keywright_clock_skew_seconds",
            "Seconds by which the operator's clock is ahead of the cloud's, according to the last"
            " response of one of the cloud's own STS hosts.",
            "provider",
            values.clock_skews(),
        )
        yield _by_label(
            "keywright_build_info",
            "1, with the version of the operator as a label.",
            "version",
            {product_version(): 1},
        )


def _by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family
