"""A proxy that stands before a real API server and breaks it on demand."""

from testbed.faults.proxy import FaultProxy

__all__ = ["FaultProxy"]
