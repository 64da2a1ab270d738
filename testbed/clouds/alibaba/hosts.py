"""The host names of the Alibaba Cloud that is emulated."""

from __future__ import annotations

import re

# SERVICE.aliyuncs.com, SERVICE.REGION.aliyuncs.com, and SERVICE-vpc.REGION inside a VPC
_REGION = r"[a-z]{2}-[a-z]+(-\d+)?"
HOSTS = (
    re.compile(r"(?P<service>sts|ecs)\.aliyuncs\.com"),
    re.compile(rf"(?P<service>sts|ecs|ccc)(-vpc)?\.{_REGION}\.aliyuncs\.com"),
)
# what the proxy leads to
DOMAINS = ("aliyuncs.com",)
