"""The demo from its first process to its last: start, show, judge, stop."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from urllib3.exceptions import HTTPError

from testbed.clouds.emulator import CloudRefusedError
from testbed.clusters import NoClusterError
from testbed.clusters.api import ApiError
from testbed.demo.leftovers import OccupiedError
from testbed.demo.observed import Observed
from testbed.demo.scene import Scene
from testbed.demo.screens import picture, say, screen
from testbed.demo.tallies import APPLICATION, PARTNER
from testbed.demo.verdict import Expectation, Outcome, judge
from testbed.demo.witness import Witness
from testbed.processes import ProcessFailedError

_FRAME_SECONDS = 0.15
_FIRST_KEY_SECONDS = 30.0
_SLACK_SECONDS = 30.0
# Fractions of a lifetime.
_MIDWAY = (0.3, 0.4)
# The other end of the pipe is closed, or the terminal is closed.
_NOBODY_LOOKS = (errno.EPIPE, errno.EIO)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    cluster: str
    kube_context: str | None
    once: bool
    lifetime_seconds: float
    renewals: int
    picture: Path | None


class Stopped(BaseException):
    """Ctrl-C, SIGTERM or the end of the terminal; not an Exception, so handlers ignore it."""


class FailedError(RuntimeError):
    """The demo cannot continue, or `--once` failed; the message is the reason."""


# Exceptions that end the demo with a message instead of a traceback.
_TOLD = (
    FailedError,
    ProcessFailedError,
    CloudRefusedError,
    ApiError,
    HTTPError,
)


def perform(options: Options, *, began: float) -> int:
    """Return the exit code; `began` is the start of the command, on the monotonic clock."""

    def elapsed() -> float:
        return time.monotonic() - began

    keep = False
    scene: Scene | None = None
    _listen()
    try:
        scene = Scene(
            cluster=options.cluster,
            kube_context=options.kube_context,
            lifetime_seconds=options.lifetime_seconds,
            say=lambda text: say(text, seconds=elapsed()),
        )
        scene.start()
        _play(scene, options=options, elapsed=elapsed)
    except Stopped:
        return 130 if options.once else 0
    except (OccupiedError, NoClusterError) as error:  # nothing was started: there are no logs
        print(f"demo: failed: {error}", file=sys.stderr)
        return 1
    except _TOLD as error:
        keep = True
        print(f"demo: failed: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno not in _NOBODY_LOOKS:
            keep = True
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception:  # a bug in the demo: its traceback, and the logs
        keep = True
        raise
    finally:
        _deaf()
        if scene is not None:
            scene.stop(keep=keep)
    if keep and scene is not None:
        print(f"demo: the logs are in {scene.directory}", file=sys.stderr)
    return int(keep)


def _play(scene: Scene, *, options: Options, elapsed: Callable[[], float]) -> None:
    """Show until it is stopped, or with `--once` until all conditions hold; raises FailedError."""
    expected = Expectation(
        renewals=options.renewals,
        first_key_seconds=_FIRST_KEY_SECONDS,
        all_seconds=options.lifetime_seconds * (options.renewals + 1) + _SLACK_SECONDS,
        clients=(APPLICATION, PARTNER),
    )
    witness = Witness(scene, elapsed=elapsed)
    seen: Observed | None = None
    pictured: Observed | None = None
    try:
        with screen() as shown:
            while True:
                seen = witness.look()
                shown.show(seen)
                pictured = seen if pictured is None or _pictures(seen, pictured) else pictured
                verdict = judge(seen, expected=expected)
                if seen.trouble is not None:
                    raise FailedError(seen.trouble)
                if options.once and verdict.outcome is Outcome.FAILED:
                    raise FailedError(verdict.reason)
                if options.once and verdict.outcome is Outcome.HELD:
                    break
                time.sleep(_FRAME_SECONDS)
    finally:
        if pictured is not None and options.picture is not None:
            picture(pictured, file=options.picture)
    _report(seen)


def _pictures(seen: Observed, before: Observed) -> bool:
    """Whether to draw it rather than what was seen before: all clients, keys in midlife."""
    more = len(seen.clients) - len(before.clients)
    return more > 0 or (more == 0 and _midway(seen))


def _midway(seen: Observed) -> bool:
    """Whether every key is in the middle of its lifetime, for the picture."""
    return all(
        grant.key is not None
        and _MIDWAY[0]
        < (seen.now - grant.key.issued_at) / (grant.key.expires_at - grant.key.issued_at)
        < _MIDWAY[1]
        for grant in seen.grants
    )


def _report(seen: Observed) -> None:
    calls = sum(client.succeeded for client in seen.clients)
    renewals = min(grant.renewals for grant in seen.grants)
    print(
        f"demo: held: first key after {seen.first_key_seconds or 0:.1f} s, {renewals} renewals,"
        f" {calls} calls and none failed, the first key refused after its end"
    )


def _listen() -> None:
    """The first signal raises Stopped; later ones are ignored while stopping."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        _deaf()
        raise Stopped

    for number in _SIGNALS:
        signal.signal(number, stop)


def _deaf() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
