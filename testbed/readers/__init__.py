"""Clients of a Secret in a pod: the real SDKs, configured as documented."""

from testbed.readers.reports import PollingReader, Reading

__all__ = ["PollingReader", "Reading"]
