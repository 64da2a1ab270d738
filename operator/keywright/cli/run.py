"""`keywright run`: the operator."""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import os
import signal
import sys
import time
from datetime import timedelta

from keywright.cli.errors import CommandError
from keywright.cli.exit_codes import ExitCode
from keywright.cli.help_format import DefaultsFormatter
from keywright.cli.run_options import ANY_SECRET, LOOPBACK_METRICS, OTLP, add_run_options
from keywright.cluster.partial_import import skip_init
from keywright.controller.settings import KeyTimes, Settings
from keywright.planning.delays import REAL
from keywright.telemetry.logs import set_up_logging

# Set in the environment of a process that restarts in place: the number of recent restarts.
_RESTARTS = "KEYWRIGHT_RESTARTS"
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
# Requests create short-lived objects by the thousand, and hardly any cycles.
_COLLECT_EVERY = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the operator."""
    parser.formatter_class = DefaultsFormatter
    add_run_options(parser)


def run(options: argparse.Namespace) -> int:
    """Return 0 after a signal; a broken watch restarts in place and does not return."""
    gc.disable()  # imports create objects that stay: searching them takes a tenth of the start
    try:
        # Its __init__ loads the synchronous client and OAuth: a third of what is imported.
        skip_init("kubernetes")
        # only here, so that the other commands do not import kopf and the SDKs
        from keywright.controller import process  # noqa: PLC0415

        set_up_logging(level=options.log_level, form=options.log_format)
        if options.traces == OTLP:
            _check_traces()
        # Objects that are loaded by now exist until the process ends: the collector can skip them.
        gc.freeze()
    finally:
        gc.enable()
    gc.set_threshold(_COLLECT_EVERY, 20, 100)
    began = time.monotonic()
    with asyncio.Runner() as runner:
        if runner.run(process.run(settings(options))) is process.ExitReason.RESTART:
            # Before the loop is closed, which may wait for a broken watch forever.
            restart_in_place(lived=time.monotonic() - began)
    return 0


def _check_traces() -> None:
    """Raise CommandError if the packages for traces are not installed."""
    try:
        importlib.import_module("keywright.telemetry.otlp")
    except ModuleNotFoundError as error:
        raise CommandError(
            f"--traces={OTLP} needs the package {error.name}",
            remedy="Install the extra: pip install 'keywright[traces]'",
            code=ExitCode.USAGE,
        ) from None


def restart_in_place(*, lived: float) -> None:
    """Replace this process by a new one, after a back-off that grows while restarts repeat.

    A signal during the back-off ends the process, with exit code 0.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        # Nothing is in progress; a handler would not be kept by the new program.
        signal.signal(number, lambda *_: os._exit(0))
    restarts = 0 if lived > _STEADY_SECONDS else int(os.environ.get(_RESTARTS, "0"))
    if restarts:
        time.sleep(min(2.0 ** (restarts - 1), _LONGEST_PAUSE_SECONDS))
    environment = {**os.environ, _RESTARTS: str(restarts + 1)}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606  our own command line


def settings(options: argparse.Namespace) -> Settings:
    """Return what the options of the command line ask for."""
    host, port = options.http_address
    metrics_host, metrics_port = options.metrics_address or _metrics_address(options)
    return Settings(
        kubeconfig=options.kubeconfig,
        context=options.context,
        namespaces=tuple(sorted(set(options.namespace))),
        own_namespace=options.own_namespace,
        identity=options.identity,
        leader_election=options.leader_election,
        lease_name=options.lease_name,
        lease_seconds=options.lease_seconds,
        workers=options.workers,
        cloud_threads=options.cloud_threads,
        gateway_quota_share=options.api_gateway_quota_share,
        http_host=host,
        http_port=port,
        metrics_auth=options.metrics_auth == "kubernetes",
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        metrics_cert_dir=options.metrics_cert_dir,
        drain_seconds=options.drain_seconds,
        sweep_seconds=options.sweep_seconds,
        min_key_lifetime=timedelta(seconds=options.min_key_lifetime),
        key_times=KeyTimes(
            interval=timedelta(seconds=options.verify_interval),
            spread=timedelta(seconds=options.verify_spread),
            revocation=timedelta(seconds=options.revoke_timeout),
            delays=REAL.scaled(options.cloud_delay_scale),
        ),
        allow_ambient=options.allow_ambient,
        credentials_uris=tuple(options.allow_credentials_uri),
        secrets_need_consent=options.secret_references != ANY_SECRET,
        sts_endpoints=tuple(options.allow_sts_endpoint),
        probe_urls=tuple(options.allow_probe_url),
        token_endpoints=tuple(options.allow_token_endpoint),
        traces=options.traces == OTLP,
        docs_url=options.docs_url,
    )


def _metrics_address(options: argparse.Namespace) -> tuple[str, int]:
    """The default: open to the cluster only with authorization."""
    if options.metrics_auth == "kubernetes":
        return "0.0.0.0", 8443  # noqa: S104  each request is authorized
    host: str = options.http_address[0]
    if host == "localhost" or host.startswith("127.") or host == "::1":
        address: tuple[str, int] = options.http_address
        return address
    return LOOPBACK_METRICS
