"""Asks a server of the cluster once a second, over a new connection each time."""

import os
import urllib.request

from tests.kind.programs.reported import call_each_second

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call() -> str:
    """The credential that a call was made with."""
    with opener.open(os.environ["SERVER"], timeout=5) as answer:
        return str(answer.read().decode())


call_each_second(call)
