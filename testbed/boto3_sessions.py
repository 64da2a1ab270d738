"""boto3 sessions of one process that share what is no part of them: the descriptions of services.

A session reads some megabytes of JSON before its first client is there; those of a test, or of a
pod that is started anew, are the same as before. Configuration, credentials and connections are
each session's own.
"""

from __future__ import annotations

from functools import cache

import boto3
import botocore.session
from botocore.loaders import Loader


def boto3_session() -> boto3.session.Session:
    """A new session, with what the environment says now."""
    core = botocore.session.get_session()
    core.register_component("data_loader", _descriptions())
    return boto3.session.Session(botocore_session=core)


@cache
def _descriptions() -> Loader:
    return Loader()
