"""The page of the metrics, from a scrape in which each has a series."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from keywright.telemetry.metrics import GrantSample, Metrics, SourceSample
from tools.reference.markdown import code, page, plain, sentence, table


def metrics_page() -> str:
    """Name, type, labels and help of each metric."""
    return page(
        [
            "# Metrics",
            "",
            (
                "The operator serves these metrics at `/metrics`;"
                " [Monitoring](../install.md#monitoring) explains how to scrape them, and"
                " [Alerts](../alerts.md) what to watch. Every replica exports all grants"
                " and sources: aggregate with `max by (namespace, name)`. This page is"
                " generated from"
                " [operator/keywright/telemetry/](../../operator/keywright/telemetry/)."
            ),
            "",
            *table(
                ("metric", "type", "labels", "meaning"),
                (
                    (code(_name(family)), family.type, _labels(family), _text(family))
                    for family in _families()
                ),
            ),
        ]
    )


async def scrape() -> str:
    """A scrape in which each metric has a series."""
    metrics = Metrics()
    grant = GrantSample("chat", "key", ready=True, expires_at=2.0, renews_at=1.0)
    source = SourceSample("chat", "bedrock", ready=True, failing=False, expires_at=2.0)
    metrics.watch(
        grants=lambda: [grant],
        sources=lambda: [source],
        queue_depth=lambda: 0,
        leads=lambda: True,
        due_by_urgency=lambda: {"renewal": 1},
        invalid=lambda: {"ApiKeyGrant": 1},
        orphans=lambda: {"bedrockLongTermKey": 1},
        clock_skews=lambda: {"AWS": 1.0},
    )
    await metrics.timed_mint("bedrockShortTermKey", "New", _issue)
    metrics.restart("Deployment", succeeded=True)
    metrics.renewed(late=1.0, margin=10.0)
    metrics.task_restarted("sweep")
    metrics.api_request("patch", "secrets", status=200, seconds=0.1)
    metrics.cloud_request("AWS", "sts:AssumeRole", status=200, seconds=0.1)
    return metrics.text().decode()


async def _issue() -> None:
    """The time to issue a key is that of this function."""


def _families() -> Iterator[Metric]:
    for family in text_string_to_metric_families(asyncio.run(scrape())):
        if not family.name.endswith("_created"):
            yield family


def _name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def _labels(family: Metric) -> str:
    found = {name for sample in family.samples for name in sample.labels} - {"le"}
    return ", ".join(code(name) for name in sorted(found))


def _text(family: Metric) -> str:
    return sentence(plain(family.documentation))
