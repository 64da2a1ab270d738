"""The host names of the emulated Alibaba Cloud."""

from __future__ import annotations

import re

from testbed.clouds.alibaba import credentials_uris, dashscope, metadata

# the domains of the proxy, with and without TLS
DOMAINS = ("aliyuncs.com",)
PLAIN_HOSTS = (metadata.HOST,)

# SERVICE.aliyuncs.com, SERVICE.REGION.aliyuncs.com, and SERVICE-vpc.REGION inside a VPC
_HOST = re.compile(r"(sts|ecs|ccc|modelstudio)((-vpc)?\.[a-z]{2}-[a-z]+(-\d+)?)?\.aliyuncs\.com")


def service_of(host: str) -> str | None:
    """The name of the service of a host, None if there is none."""
    if host == metadata.HOST:
        return metadata.Metadata.name
    if host == credentials_uris.HOST:
        return credentials_uris.CredentialsUris.name
    if dashscope.is_host(host):
        return dashscope.DashScope.name
    named = _HOST.fullmatch(host)
    return None if named is None else named[1]
