"""`python -m benchmarks.proxy_upstream PORT CERTIFICATE KEY`: the server behind the proxy."""

from __future__ import annotations

import asyncio
import ssl
import sys

from aiohttp import web

ANSWER = b'{"answer": "' + b"a" * 1000 + b'"}'


async def _answer(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")


async def _stream(request: web.Request) -> web.StreamResponse:
    """An event each second, for as many seconds as the query says."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(int(request.query["seconds"])):
        await response.write(b"data: %d\n\n" % number)
        await asyncio.sleep(1)
    return response


def main() -> None:
    """Serve until the process is ended."""
    port, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    application = web.Application()
    application.router.add_post("/v1/chat", _answer)
    application.router.add_get("/v1/stream", _stream)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(port),
        ssl_context=context,
        access_log=None,
        print=None,
        backlog=2048,
    )


if __name__ == "__main__":
    main()
