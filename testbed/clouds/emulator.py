"""The interface of tests to the process of an emulated cloud: lifecycle, faults, call log."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Self

from testbed.clouds.calls import Call
from testbed.processes import ChildProcess

_ROOT = Path(__file__).parents[2]
_READY_FILE = "ready.json"
_START_SECONDS = 30.0
_ANSWER_SECONDS = 10.0


class CloudRefusedError(RuntimeError):
    """The emulator could not execute a command of a test."""


class EmulatedCloud(ABC):
    """Starts and stops `python -m testbed.clouds.NAME`, moves its clock, reads its call log.

    The process is bound to the thread that calls `start` (it ends when that thread does): start it
    from the main thread.
    """

    name: str

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: ChildProcess | None = None
        self._ports: dict[str, Any] = {}
        # the test's own environment may name a proxy; the control port is never behind one
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def process(self) -> ChildProcess:
        """The running emulator."""
        assert self._process is not None
        return self._process

    def start(self) -> None:
        """Start the emulator and wait until it responds."""
        self.spawn()
        self.wait_until_ready()

    def spawn(self) -> None:
        """Start it without waiting; `wait_until_ready` must follow."""
        self._directory.mkdir(parents=True, exist_ok=True)
        (self._directory / _READY_FILE).unlink(missing_ok=True)
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        self._process = ChildProcess(
            self.name,
            [sys.executable, "-m", f"testbed.clouds.{self.name}", "--directory", self._directory],
            log=self._directory / f"{self.name}.log",
            environment={**os.environ, "PYTHONPATH": path},
        )

    def wait_until_ready(self) -> None:
        """Wait until the emulator responds."""
        ready = self._directory / _READY_FILE
        self.process.wait_until(ready.exists, seconds=_START_SECONDS)
        self._ports = json.loads(ready.read_text())

    def stop(self) -> None:
        """End the process and discard its state."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def ca_file(self) -> Path:
        """The CA that signs the certificates of all hosts here."""
        return Path(self._ports["certificate"])

    @property
    def tls_port(self) -> int:
        """The port that serves every host over TLS, by SNI and Host."""
        return int(self._ports["tls"])

    @property
    def proxy_port(self) -> int:
        """The port of the CONNECT proxy."""
        return int(self._ports["proxy"])

    @abstractmethod
    def client_environment(self) -> dict[str, str]:
        """The environment in which an unmodified SDK uses this cloud."""

    # --- time and faults -------------------------------------------------------------------------

    def set_clock(self, *, offset_seconds: float) -> None:
        """Set the emulator's clock to the machine's plus this offset."""
        self._ask("set_clock", offset_seconds=offset_seconds)

    def shift_dates(self, *, seconds: float, host: str) -> None:
        """Shift the Date header of every response of a host by that many seconds."""
        self._ask("shift_dates", seconds=seconds, host=host)

    def limit_sessions(self, *, seconds: float | None) -> None:
        """Limit the lifetime of all sessions issued from now on, regardless of the request.

        Rounded up to the next whole second; `Expiration` says so, and it is enforced. None removes
        it.
        """
        self._ask("limit_sessions", seconds=seconds)

    def revoke_session(self, access_key_id: str) -> None:
        """Revoke a session; it is then rejected as expired."""
        if not self._ask("revoke_session", access_key_id=access_key_id):
            raise CloudRefusedError(f"there is no session {access_key_id}")

    def fail_next(
        self,
        service: str,
        action: str | None = None,
        *,
        code: str,
        message: str,
        status: int,
        count: int = 1,
    ) -> None:
        """Reject the next `count` calls of a service, or of one of its actions.

        Services and actions are named as in the call log.
        """
        self._ask(
            "fail_next",
            service=service,
            action=action,
            code=code,
            message=message,
            status=status,
            remaining=count,
        )

    def damage_next(self, service: str, action: str | None = None, *, count: int = 1) -> None:
        """Execute the next `count` calls, and truncate their responses."""
        self._ask("damage_next", service=service, action=action, remaining=count)

    def lose_answer(self, service: str, action: str | None = None, *, count: int = 1) -> None:
        """Execute the next `count` calls, and close the connections without a response.

        The call log has such a call with its result, since it was executed. Behind a proxy, as
        here, botocore raises ProxyConnectionError: to the client the request may never have been
        sent.
        """
        self._ask("lose_answer", service=service, action=action, remaining=count)

    def delay(self, service: str, action: str | None = None, *, seconds: float) -> None:
        """Delay the responses of a service by that many seconds, until `clear_faults`."""
        self._ask("delay", service=service, action=action, seconds=seconds)

    def refuse_share(
        self, service: str, *, code: str, message: str, status: int, share: float, seed: int
    ) -> None:
        """Reject that share of a service's calls at random, until `clear_faults`."""
        self._ask(
            "refuse_share",
            service=service,
            code=code,
            message=message,
            status=status,
            share=share,
            seed=seed,
        )

    def lose_share(self, service: str, action: str, *, share: float, seed: int) -> None:
        """Execute all calls of an action, and send no response to that share of them."""
        self._ask("lose_share", service=service, action=action, share=share, seed=seed)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._ask("clear_faults")

    # --- the call log --------------------------------------------------------------------------

    def calls(self, *, service: str | None = None, action: str | None = None) -> list[Call]:
        """The calls so far, in the order of their responses."""
        return [Call(**call) for call in self._ask("calls", service=service, action=action)]

    def forget_calls(self) -> None:
        """Clear the call log."""
        self._ask("forget_calls")

    # --- secrets -------------------------------------------------------------------------------

    def secrets(self) -> list[str]:
        """All issued secret keys, tokens and API keys, and every token shown to the cloud.

        For tests that search for leaked secrets; the call log contains none of them.
        """
        return [str(secret) for secret in self._ask("secrets")]

    def _ask(self, question: str, /, **arguments: object) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._ports['control']}/{question}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise CloudRefusedError(f"{question}: {json.load(error)}") from None
