"""boto3 sessions of one process that share the service models.

A session reads several megabytes of JSON before its first client exists; the JSON is the same for
all sessions of a test, or of a restarted pod. Each session has its own configuration, credentials
and connections.
"""

from __future__ import annotations

from functools import cache

import boto3
import botocore.session
from botocore.loaders import Loader


def boto3_session() -> boto3.session.Session:
    """Create a session, with the current environment."""
    core = botocore.session.get_session()
    core.register_component("data_loader", _descriptions())
    return boto3.session.Session(botocore_session=core)


@cache
def _descriptions() -> Loader:
    return Loader()
