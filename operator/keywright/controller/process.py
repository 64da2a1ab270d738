"""The lifecycle of an operator process: start, work, graceful shutdown, or restart in place.

All tasks of Keywright are started before kopf and stopped after it: kopf cancels tasks that were
started while it ran. A broken watch or a lost Lease ends the work, and the process restarts in
place, which takes about a second and no write.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import signal
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

from keywright.api.errors import LostLeaseError
from keywright.cluster.connection import connect
from keywright.controller.initial_sync import CrdReappearedError
from keywright.controller.rights_report import report_rights
from keywright.controller.settings import Settings
from keywright.controller.watches import watch
from keywright.controller.wiring import Operator, build, stop_work
from keywright.version import product_version

_LOG = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class ExitReason(enum.Enum):
    """Why the work ended."""

    STOPPED = "stopped by a signal"
    RESTART = "a watch broke or the Lease was lost: to be restarted"


async def run(settings: Settings) -> ExitReason:
    """Work until a signal arrives or the process has to restart."""
    asyncio.get_running_loop().set_exception_handler(_log_unhandled)
    _LOG.info(
        "keywright %s started, for %s",
        product_version(),
        ", ".join(settings.namespaces) or "all namespaces",
        extra={"version": product_version(), "settings": settings.summary()},
    )
    connection = await connect(kubeconfig=settings.kubeconfig, context=settings.context)
    operator = build(settings, connection=connection)
    operator.clouds.warm_up()
    # Of no consequence: its connections are those of the metrics' reviews.
    rights = _task("rights", report_rights(operator.clients.reviewing, settings))
    await operator.server.start()
    for pool in operator.pools:
        pool.start()
    supervisor = operator.supervisor
    supervisor.start("heartbeat", operator.heartbeat.run)
    supervisor.start("event loop watchdog", operator.watchdog.run)
    supervisor.start("clock watch", operator.clock_watch.run)
    supervisor.start("sweep", partial(operator.initial_sync.resync, seconds=settings.sweep_seconds))
    supervisor.start("orphans", operator.orphan_sweep)
    supervisor.start("sessions", operator.session_keeper)
    supervisor.start("events", operator.event_writer)
    stopped = asyncio.Event()
    try:
        ending = await _work(operator, settings, stopped)
    finally:
        rights.cancel()
        await stop_work(
            operator.pools, operator.elector, settings.drain_seconds, supervisor=supervisor
        )
        await operator.source_secrets.close()
        await operator.tenancy.close()
        await supervisor.stop_all()
        await operator.server.stop()
        await operator.clouds.close()
        await operator.clients.close()
        if operator.tracer is not None:
            await operator.tracer.close()
    return ExitReason.STOPPED if stopped.is_set() else ending


async def _work(operator: Operator, settings: Settings, stopped: asyncio.Event) -> ExitReason:
    """Run until the first of kopf, the initial sync and the election ends."""
    elector = _task("leader election", operator.elector.run())
    initial_sync = _task("initial sync", operator.initial_sync.run())
    kopf = _task("kopf", _watch(operator, settings, stopped))
    running = {elector, initial_sync, kopf}
    try:
        while True:
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            if kopf in done and kopf.exception() is None:
                if not stopped.is_set():
                    _LOG.error("the watches failed: they ended without a shutdown")
                return ExitReason.STOPPED if stopped.is_set() else ExitReason.RESTART
            for task in done:
                error = task.exception()
                if isinstance(error, LostLeaseError):
                    _LOG.warning("lost leader lease, restarting as standby")
                    # Writes delayed by the network must not arrive after those of the next leader.
                    await operator.clients.close_writing()
                    return ExitReason.RESTART
                if isinstance(error, CrdReappearedError):
                    _LOG.info("%s: restarting in place", error)
                    return ExitReason.RESTART
                if error is not None:
                    _LOG.error("%s: %s", task.get_name(), error, exc_info=error)
                    return ExitReason.RESTART
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _watch(operator: Operator, settings: Settings, stopped: asyncio.Event) -> None:
    """Watch as soon as the CRDs are served; a signal ends it, also while it waits."""

    def install_signal_handlers() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)

    install_signal_handlers()
    signalled = _task("a signal", stopped.wait())
    served = _task("the CRDs", operator.initial_sync.served.wait())
    try:
        await asyncio.wait({signalled, served}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        signalled.cancel()
        served.cancel()
    if not stopped.is_set():
        await watch(
            operator.registry,
            namespaces=settings.namespaces,
            stopped=stopped,
            install_signal_handlers=install_signal_handlers,
        )


def _log_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log unhandled errors, except for the watch streams that kopf leaves open at its end."""
    generator = context.get("asyncgen")
    if getattr(generator, "__name__", "") != "infinite_watch":
        loop.default_exception_handler(context)


def _task(name: str, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
    return asyncio.create_task(work, name=name)
