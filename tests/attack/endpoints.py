"""`python -m tests.attack.endpoints`: the endpoints of a hostile tenant, a behavior for each path.

The first part of the path names the behavior. Each request is counted, and an external id that
arrives is noted: the report is written every half second, for the verdict on the attack.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

_REPORT_SECONDS: Final = 0.5
_DRIP_SECONDS: Final = 1.0
_ENDLESS_CHUNK: Final = b"x" * 65_536
_ENDLESS_CHUNKS: Final = 1_000
_NICENESS: Final = 10


@dataclass(slots=True)
class Report:
    """What the endpoints saw: requests by behavior, and external ids."""

    requests: Counter[str] = field(default_factory=Counter)
    external_ids: set[str] = field(default_factory=set)

    def text(self) -> str:
        """As JSON."""
        return json.dumps(
            {"requests": dict(self.requests), "externalIds": sorted(self.external_ids)}
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One request: its body, and how to answer it."""

    body: dict[str, list[str]]
    write: asyncio.StreamWriter


Behavior = Callable[[Request], Awaitable[None]]


async def _respond(request: Request, body: str, *, status: str = "200 OK") -> None:
    payload = body.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(payload)}\r\n"
        "Connection: close\r\n\r\n"
    )
    request.write.write(head.encode() + payload)
    await request.write.drain()


async def _hang(_: Request) -> None:
    """Accept, and never answer."""
    await asyncio.Event().wait()


async def _drip(request: Request) -> None:
    """A header now, and a byte of the body each second: no socket timeout is ever reached."""
    request.write.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
    while True:
        request.write.write(b" ")
        await request.write.drain()
        await asyncio.sleep(_DRIP_SECONDS)


async def _drip_headers(request: Request) -> None:
    """Not even the status line comes whole."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 10_000:
        request.write.write(bytes([byte]))
        await request.write.drain()
        await asyncio.sleep(_DRIP_SECONDS)


async def _endless(request: Request) -> None:
    """A body of 65 MB, more than anybody should read, as fast as it is read."""
    request.write.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
    # TLS drops what is written to a lost connection without an error or a pause.
    for _ in range(_ENDLESS_CHUNKS):
        request.write.write(_ENDLESS_CHUNK)
        await request.write.drain()
        await asyncio.sleep(0)


async def _brief(request: Request) -> None:
    """Credentials that are valid for a second."""
    await _respond(request, _session(expires=_in(seconds=1)))


async def _without_zone(request: Request) -> None:
    """An expiration without a time zone."""
    text = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S")
    await _respond(request, _session(expires=text))


async def _inject(request: Request) -> None:
    """An access key id that would be a line of a credentials file."""
    key_id = "ASIAEXAMPLE&#10;credential_process = touch /tmp/owned&#10;x = "
    await _respond(request, _session(key_id=key_id))


async def _lie(request: Request) -> None:
    """A session of the honest tenants' account; IAM then throttles this account."""
    if request.body.get("Action", [""])[0].startswith("Assume"):
        await _respond(request, _session())
        return
    await _respond(
        request,
        "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code>"
        "<Message>Rate exceeded</Message></Error><RequestId>1</RequestId></ErrorResponse>",
        status="400 Bad Request",
    )


async def _garbage(request: Request) -> None:
    """What is no answer of STS at all."""
    await _respond(request, "{]" * 1000)


async def _cut(request: Request) -> None:
    """The connection ends in the middle of the answer."""
    request.write.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<Assume")
    await request.write.drain()


BEHAVIORS: Final[dict[str, Behavior]] = {
    "hang": _hang,
    "drip": _drip,
    "drip-headers": _drip_headers,
    "endless": _endless,
    "brief": _brief,
    "without-zone": _without_zone,
    "inject": _inject,
    "lie": _lie,
    "garbage": _garbage,
    "cut": _cut,
}


def _in(*, seconds: int) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _session(*, key_id: str = "ASIAIOSFODNN7EXAMPLE", expires: str | None = None) -> str:
    """An answer of STS to AssumeRoleWithWebIdentity, as its model has it."""
    return f"""<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><AssumedRoleUser>
<Arn>arn:aws:sts::123456789012:assumed-role/honest-0/x</Arn><AssumedRoleId>AROA:x</AssumedRoleId>
</AssumedRoleUser><Credentials><AccessKeyId>{key_id}</AccessKeyId>
<SecretAccessKey>wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00</SecretAccessKey>
<SessionToken>IQoJb3JpZ2luX2VjEXAMPLETOKEN</SessionToken>
<Expiration>{expires or _in(seconds=3600)}</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


async def _handle(
    report: Report, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ", 2)[1]
        name = path.strip("/").split("/")[0]
        length = next(
            (
                int(line.split(":")[1])
                for line in head.split("\r\n")
                if line.lower().startswith("content-length:")
            ),
            0,
        )
        body = parse_qs((await reader.readexactly(length)).decode("latin-1"))
        report.requests[name] += 1
        report.external_ids.update(body.get("ExternalId", []))
        await BEHAVIORS[name](Request(body, writer))
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, KeyError, IndexError):
        return
    finally:
        writer.close()


async def _serve(options: argparse.Namespace) -> None:
    report = Report()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    server = await asyncio.start_server(
        lambda reader, writer: _handle(report, reader, writer),
        "127.0.0.1",
        options.port,
        ssl=context,
    )
    while not ended.is_set():
        options.report.write_text(report.text())
        try:
            async with asyncio.timeout(_REPORT_SECONDS):
                await ended.wait()
        except TimeoutError:
            continue
    options.report.write_text(report.text())
    server.close()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.attack.endpoints")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    os.nice(_NICENESS)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
