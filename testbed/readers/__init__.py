"""What a pod does with a Secret: the real SDKs, configured as their own documents say."""

from testbed.readers.reports import PollingReader, Reading

__all__ = ["PollingReader", "Reading"]
