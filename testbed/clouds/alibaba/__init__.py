"""An emulated Alibaba Cloud: STS, RAM, the metadata of a node and more, with their real hosts.

`AlibabaCloud` starts it in a separate process, and is the interface for tests, demo and benchmarks.
"""

from testbed.clouds.alibaba.cloud import AlibabaCloud
from testbed.clouds.alibaba.credentials_uris import UriAnswer
from testbed.clouds.alibaba.models import IssuedSession, RsaKeyPair, UserAccessKey

__all__ = ["AlibabaCloud", "IssuedSession", "RsaKeyPair", "UriAnswer", "UserAccessKey"]
