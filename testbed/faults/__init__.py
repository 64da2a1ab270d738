"""What stands before a real API server and breaks it on demand: a proxy, and a line to cut."""

from testbed.faults.line import Line
from testbed.faults.proxy import FaultProxy

__all__ = ["FaultProxy", "Line"]
