"""An Alibaba Cloud on this machine: STS, RAM, a node's metadata and more, behind their real hosts.

`AlibabaCloud` starts it in its own process and is what tests, demo and benchmarks talk to.
"""

from testbed.clouds.alibaba.cloud import AlibabaCloud
from testbed.clouds.alibaba.credentials_uris import UriAnswer
from testbed.clouds.alibaba.models import IssuedSession, RsaKeyPair, UserAccessKey

__all__ = ["AlibabaCloud", "IssuedSession", "RsaKeyPair", "UriAnswer", "UserAccessKey"]
