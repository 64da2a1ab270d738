"""The dashboard: its ConfigMap follows from the panels, and the picture shows their values."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import yaml

from tools.dashboard.panels import FILE, PANELS, config_map
from tools.dashboard.picture import drawn, formatted
from tools.dashboard.prometheus import Series


class _Canned:
    """Answers each query with one series."""

    def query(self, expression: str, *, at: float) -> list[Series]:
        assert "$" not in expression
        return [Series({"namespace": "chat", "name": "a<b", "version": "1.2.3"}, ((at, 7.0),))]

    def query_range(
        self, expression: str, *, start: float, end: float, step: float
    ) -> list[Series]:
        assert "$" not in expression
        assert step > 0
        samples = ((start, 0.0), (start + 30, float("nan")), (start + 32, 2.0), (end, 1.0))
        return [Series({"kind": "bedrockShortTermKey"}, samples)]


def test_the_config_map_is_up_to_date() -> None:
    """As `make dashboard` writes it."""
    assert FILE.read_text(encoding="utf-8") == config_map(), "run make dashboard"


def test_panels_do_not_overlap() -> None:
    """Each has a place of its own in Grafana's grid of 24 columns."""
    dashboard = json.loads(yaml.safe_load(config_map())["data"]["keywright.json"])
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len(dashboard["panels"]) == len(PANELS)


def test_the_picture_has_every_panel_and_escapes_names() -> None:
    """Well-formed XML, with the title of each panel and no value that is not a number."""
    text = drawn(_Canned(), start=1000.0, end=1180.0)
    root = ElementTree.fromstring(text)  # noqa: S314  our own
    shown = [element.text for element in root.iter() if element.text]
    assert {panel.title for panel in PANELS} <= set(shown)
    assert "chat/a<b" in shown
    assert "1.2.3" in shown
    assert "nan" not in text


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.25, "s", "250 ms"),
        (0.0, "s", "0 s"),
        (90.0, "s", "90 s"),
        (7200.0, "s", "2 h"),
        (0.975, "percentunit", "97.5 %"),
        (2.0, "ops", "2/s"),
        (14.0, "", "14"),
    ],
)
def test_a_value_has_its_unit(value: float, unit: str, expected: str) -> None:
    """As in Grafana."""
    assert formatted(value, unit) == expected
