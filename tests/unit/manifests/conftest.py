"""Helm, for the tests of the chart."""

from tests.cluster.helm import helm

__all__ = ["helm"]
