"""`python -m testbed.readers.polling`: a workload that uses a Secret's key continuously.

It reads the Secret before every call and lets its clients, see `clients`, call the cloud in turn.
Each call is one line of JSON in the report; none of them contains the key.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.readers.answers import Answer, Mounted, requested
from testbed.readers.clients import CLIENTS
from testbed.readers.reports import (
    CLUSTER,
    DEFAULT_CLIENTS,
    EXPIRES_AT,
    ISSUED_AT,
    REVISION,
    Reading,
)
from testbed.readers.secret_source import SecretSource, SecretUnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from testbed.readers.answers import Client
    from testbed.readers.secret_source import Secret


class Poller:
    """Calls with every client in turn, and updates them whenever the Secret's data changes.

    Clients with the data in their environment are restarted, those with a mount keep running.
    """

    def __init__(
        self, source: SecretSource, *, cloud_environment: Mapping[str, str], report: TextIO
    ) -> None:
        self._source = source
        self._cloud_environment = cloud_environment
        self._report = report
        self._secret: Secret | None = None
        self._started: dict[str, Client] = {}

    def round(self, client: str) -> None:
        """Read the Secret and call once; an unreadable API is recorded and the last data used."""
        self._refresh()
        if self._secret is not None:
            self._note(requested(client, lambda: self._ask(client), data=self._secret.data))

    def _refresh(self) -> None:
        try:
            secret = self._source.read()
        except SecretUnreadableError as error:
            self._note(Answer(client=CLUSTER, ok=False, text="", error=str(error)))
            return
        if secret is not None:
            if self._secret is not None and secret.data != self._secret.data:
                self._change(secret.data)
            self._secret = secret

    def _change(self, data: Mapping[str, str]) -> None:
        for name, client in list(self._started.items()):
            if isinstance(client, Mounted):
                client.remount(data)
            else:
                client.close()
                del self._started[name]

    def close(self) -> None:
        """End the clients."""
        for client in self._started.values():
            client.close()
        self._started.clear()

    def _ask(self, client: str) -> str:
        assert self._secret is not None
        while client not in self._started:
            self._started[client] = CLIENTS[client](
                self._secret.data, cloud_environment=self._cloud_environment
            )
            # A pod takes a while to start, and its key may have been renewed meanwhile.
            self._refresh()
        return self._started[client].ask()

    def _note(self, answer: Answer) -> None:
        annotations = {} if self._secret is None else self._secret.annotations
        reading = Reading(
            time=time.time(),
            revision=annotations.get(REVISION),
            issued_at=annotations.get(ISSUED_AT),
            expires_at=annotations.get(EXPIRES_AT),
            client=answer.client,
            ok=answer.ok,
            text=answer.text,
            error=answer.error,
        )
        self._report.write(json.dumps(dataclasses.asdict(reading)) + "\n")
        self._report.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Poll until SIGTERM, with the cloud's variables in the environment."""
    parser = argparse.ArgumentParser(prog="python -m testbed.readers.polling")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--interval", type=float, default=0.2, help="seconds between two calls")
    parser.add_argument("--clients", nargs="+", choices=CLIENTS, default=DEFAULT_CLIENTS)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args(arguments)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    source = SecretSource(
        kubeconfig=options.kubeconfig, namespace=options.namespace, name=options.secret
    )
    with options.report.open("a") as report:
        poller = Poller(source, cloud_environment=dict(os.environ), report=report)
        clients = itertools.cycle(options.clients)
        while not ended.wait(options.interval):
            poller.round(next(clients))
        poller.close()
    source.close()


if __name__ == "__main__":
    main()
