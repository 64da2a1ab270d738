"""Traces: what a span says, that it costs nothing without the flag, and that nothing waits."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import replace
from functools import partial

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from keywright.api.errors import ApiError
from keywright.controller.deferred_writes import DeferredStatusWrite
from keywright.controller.grants.reconcile import reconcile
from keywright.controller.observers import open_observers
from keywright.controller.tracing import each, traced_grants, traced_sources
from keywright.telemetry.otlp import CLOSE_SECONDS, OtlpTracer
from tests.otlp_receiver import OtlpReceiver
from tests.unit.controller.samples import UID, Scene, scene
from tests.unit.controller.test_grants import DENIED

_SECRET_TEXTS = ("planted", "bedrock-api-key-", "FwoGZXIvYXdzE")


@asynccontextmanager
async def tracer_to(receiver: OtlpReceiver) -> AsyncIterator[OtlpTracer]:
    """A tracer, and at the end everything that it exports."""
    exporter = OTLPSpanExporter(endpoint=f"{receiver.address}/v1/traces")
    tracer = OtlpTracer(instance="keywright-0", exporter=exporter)
    try:
        yield tracer
    finally:
        await tracer.close()


async def _reconciled(made: Scene, tracer: OtlpTracer) -> None:
    """Reconcile the grant, and what it defers, as the worker does."""
    context = replace(made.context, tracer=tracer)
    traced = traced_grants(partial(reconcile, context), tracer, made.store, span="reconcile grant")
    found = await traced(UID)
    if isinstance(found, DeferredStatusWrite):
        await found.finish()


@pytest.mark.parametrize("code", ["import keywright.cli.run, keywright.controller.process"])
def test_opentelemetry_is_not_imported_without_the_flag(code: str) -> None:
    """An operator without traces pays for none of it, neither at start nor in memory."""
    program = (
        f"{code}, sys\n"
        "from keywright.controller.observers import open_observers\n"
        "found = open_observers(traces=False, instance='x')\n"
        "assert found.tracer is None\n"
        "assert found.api_request == found.metrics.api_request\n"
        "assert found.cloud_request == found.metrics.cloud_request\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


async def test_a_reconcile_is_a_span_with_cause_and_outcome() -> None:
    """Grant, step, cause and outcome; the deferred status of a renewal is a span below it."""
    made = scene()
    with OtlpReceiver() as receiver:
        async with tracer_to(receiver) as tracer:
            await _reconciled(made, tracer)
            made.clock.advance(hours=11)
            await _reconciled(made, tracer)
        first, second = receiver.named("reconcile grant")
        (deferred,) = receiver.named("write deferred status")
    of_grant = {
        "k8s.namespace.name": "chat",
        "keywright.kind": "ApiKeyGrant",
        "keywright.name": "chat-key",
    }
    done = {"keywright.step": "Issue", "keywright.outcome": "Written"}
    assert first.attributes == of_grant | done | {"keywright.cause": "New"}
    assert second.attributes == of_grant | done | {"keywright.cause": "Due"}
    assert not first.failed
    assert deferred.attributes == of_grant
    assert (first.parent, deferred.parent) == (b"", second.id)
    assert receiver.resources[0]["service.name"] == "keywright"
    assert receiver.resources[0]["service.instance.id"] == "keywright-0"


async def test_a_failed_reconcile_has_its_reason_but_no_message() -> None:
    """The message of a cloud may quote what was sent; the condition has it, redacted."""
    made = scene()
    made.cloud_provider.failures.append(DENIED)
    with OtlpReceiver() as receiver:
        async with tracer_to(receiver) as tracer:
            await _reconciled(made, tracer)
        (span,) = receiver.named("reconcile grant")
    assert span.failed
    assert span.attributes["keywright.outcome"] == "Fail"
    assert span.attributes["keywright.reason"] == DENIED.reason
    assert span.attributes["keywright.failure_class"] == "Denied"
    assert DENIED.message not in receiver.text


async def test_of_an_exception_only_the_type_is_recorded() -> None:
    """Neither its message nor its traceback: both may contain values."""
    with OtlpReceiver() as receiver:
        async with tracer_to(receiver) as tracer:
            with pytest.raises(ApiError), tracer.span("reconcile grant", {}):
                raise ApiError(status=500, reason="planted", message="planted")
        (span,) = receiver.named("reconcile grant")
    assert (span.failed, span.attributes) == (True, {"error.type": "ApiError"})
    assert "planted" not in receiver.text


async def test_requests_are_spans_below_their_reconcile() -> None:
    """With code and duration, also from a thread; outside of a reconcile there are none."""
    with OtlpReceiver() as receiver, ThreadPoolExecutor(1) as threads:
        async with tracer_to(receiver) as tracer:
            tracer.api_request("update", "leases", status=200, seconds=0.1)
            with tracer.span("reconcile grant", {}):
                tracer.api_request("patch", "secrets", status=409, seconds=0.25)
                ask = partial(
                    tracer.cloud_request, "AWS", "sts:AssumeRole", status=None, seconds=2.0
                )
                threads.submit(copy_context().run, ask).result()
        (parent,) = receiver.named("reconcile grant")
        (write,) = receiver.named("patch secrets")
        (call,) = receiver.named("AWS sts:AssumeRole")
    assert len(receiver.spans) == 3
    assert write.attributes == {
        "k8s.verb": "patch",
        "k8s.resource": "secrets",
        "http.response.status_code": 409,
    }
    assert call.attributes == {
        "cloud.provider": "AWS",
        "keywright.operation": "sts:AssumeRole",
    }
    assert (write.parent, call.parent) == (parent.id, parent.id)
    assert (write.failed, call.failed) == (True, True)
    assert (write.seconds, call.seconds) == pytest.approx((0.25, 2.0))


async def test_a_source_is_a_span_with_the_reason_of_its_condition() -> None:
    """Its outcome is what its status says."""
    made = scene()
    with OtlpReceiver() as receiver:
        async with tracer_to(receiver) as tracer:
            traced = traced_sources(
                made.sources.reconcile, tracer, made.store, name_of=lambda _: ("chat", "bedrock")
            )
            await traced("chat/bedrock")
        (span,) = receiver.named("reconcile source")
    assert span.attributes == {
        "k8s.namespace.name": "chat",
        "keywright.kind": "CredentialSource",
        "keywright.name": "bedrock",
        "keywright.outcome": "Succeeded",
    }


async def test_no_span_shows_a_secret() -> None:
    """Rule 13, and a value that gets into an attribute by a mistake is redacted."""
    made = scene()
    with OtlpReceiver() as receiver:
        async with tracer_to(receiver) as tracer:
            await _reconciled(made, tracer)
            with tracer.span("reconcile grant", {"a": "bedrock-api-key-" + "x" * 40}):
                tracer.annotate({"b": "FwoGZXIvYXdzE" + "y" * 40})
    assert len(receiver.spans) == 2
    assert "<removed>" in receiver.text
    assert not any(text in receiver.text for text in _SECRET_TEXTS)


async def test_a_collector_that_hangs_delays_neither_a_reconcile_nor_the_end() -> None:
    """Spans beyond the queue are dropped, and the end waits for three seconds at most."""
    made = scene()
    with OtlpReceiver(hangs=True) as receiver:
        tracer = OtlpTracer(
            instance="x", exporter=OTLPSpanExporter(endpoint=f"{receiver.address}/v1/traces")
        )
        # A batch: the exporter's thread begins, and is stuck.
        for _ in range(600):
            with tracer.span("reconcile grant", {}):
                pass
        assert await asyncio.to_thread(receiver.requested.wait, 10)
        for _ in range(5000):
            with tracer.span("reconcile grant", {}):
                pass
        await _reconciled(made, tracer)
        began = time.monotonic()
        await tracer.close()
        assert time.monotonic() - began < CLOSE_SECONDS + 1
    assert made.status()["revision"] == 1


def test_a_collector_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    """No thread of the exporter is waited for; the endpoint is that of the variable."""
    program = (
        "import asyncio\n"
        "from keywright.telemetry.traces import open_tracer\n"
        "async def main():\n"
        "    tracer = open_tracer(instance='x')\n"
        "    with tracer.span('reconcile grant', {}):\n"
        "        pass\n"
        "    await tracer.close()\n"
        "asyncio.run(main())\n"
        "print('closed', flush=True)"
    )
    with OtlpReceiver(hangs=True) as receiver:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={
                **os.environ,
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.address,
                "OTEL_EXPORTER_OTLP_TIMEOUT": "60",
            },
        )
        took = time.monotonic() - began
        assert len(receiver.spans) == 1
    assert done.stdout == "closed\n"
    assert "exporting the last traces failed" in done.stderr
    assert took < CLOSE_SECONDS + 20


async def test_traces_that_cannot_be_set_up_do_not_stop_the_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Keys are renewed without them; the log names the error, without a value."""

    def broken(*, instance: str) -> OtlpTracer:
        raise ValueError(f"could not convert string to float: 'planted' {instance}")

    found = open_observers(traces=True, instance="x", opened=broken)
    assert found.tracer is None
    assert "setting up traces failed" in caplog.text
    assert "planted" not in caplog.text


def test_each_observer_gets_what_the_first_gets() -> None:
    """Metrics and traces of the same request."""
    seen: list[tuple[str, int]] = []

    def observer(name: str, *, status: int) -> None:
        seen.append((name, status))

    each(observer, observer)("a", status=200)
    assert seen == [("a", 200), ("a", 200)]


def test_the_flag_without_its_packages_is_refused_with_the_command_to_run() -> None:
    """An installation with pip does not have them by default."""
    program = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from keywright.cli.main import main\n"
        "sys.exit(main(['run', '--traces=otlp']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--traces=otlp needs the package opentelemetry" in done.stderr
    assert "pip install 'keywright[traces]'" in done.stderr
