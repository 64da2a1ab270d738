"""The operator, with a hand on the switch: it kills itself at a named request.

`KILL_AT` is `before` or `after`, and what to look for: `aws` or `alibaba` and an action, or `api`,
the end of a path and a word of the body. Everything else is the product as it is.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient

from keywright.cli.main import main
from keywright.clouds.alibaba.acs3 import ApiRequest
from keywright.clouds.alibaba.api_calls import ApiCalls, Call
from keywright.cluster.client import KubernetesClient

PHASE, _, _REST = os.environ["KILL_AT"].partition(" ")
SIDE, _, WHAT = _REST.partition(" ")


def _end_now() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def _wrap_the_cloud() -> None:
    make = BaseClient._make_api_call  # type: ignore[attr-defined]  # botocore's own middle

    def call(self: Any, action: str, parameters: Mapping[str, Any]) -> Any:
        here = SIDE == "aws" and action == WHAT
        if here and PHASE == "before":
            _end_now()
        answer = make(self, action, parameters)
        if here:
            _end_now()
        return answer

    BaseClient._make_api_call = call  # type: ignore[attr-defined]


def _wrap_alibaba_cloud() -> None:
    send = ApiCalls.send

    async def sent(self: ApiCalls, request: ApiRequest, *, call: Call) -> bytes:
        here = SIDE == "alibaba" and request.action == WHAT
        if here and PHASE == "before":
            _end_now()
        answer = await send(self, request, call=call)
        if here:
            _end_now()
        return answer

    ApiCalls.send = sent  # type: ignore[method-assign]


def _wrap_the_cluster() -> None:
    request = KubernetesClient.request
    path_end, _, word = WHAT.partition(" ")

    async def requested(self: KubernetesClient, method: str, path: str, **options: Any) -> Any:
        bare = path.partition("?")[0]
        body = json.dumps(options.get("body"))
        here = SIDE == "api" and method == "PATCH" and bare.endswith(path_end) and word in body
        if here and PHASE == "before":
            _end_now()
        answer = await request(self, method, path, **options)
        if here:
            _end_now()
        return answer

    KubernetesClient.request = requested  # type: ignore[method-assign]


if __name__ == "__main__":
    _wrap_the_cloud()
    _wrap_alibaba_cloud()
    _wrap_the_cluster()
    raise SystemExit(main())
