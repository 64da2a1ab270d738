"""Fault injection between clients and a real API server: a proxy, and a TCP connection to cut."""

from testbed.faults.line import Line
from testbed.faults.proxy import FaultProxy

__all__ = ["FaultProxy", "Line"]
