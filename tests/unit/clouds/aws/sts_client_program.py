"""Run by itself: one signed and one unsigned call to STS, by AwsCalls, as the environment has it.

Prints the codes of the answers.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

from keywright.clouds.aws.clients import BotoClients
from keywright.clouds.endpoints import AllowedUrls, Endpoints
from keywright.clouds.http import HttpClient
from tests.unit.fakes.provider import session


def _code(call: Any) -> str:
    try:
        return str(call()["Account"])
    except Exception as error:
        return f"{type(error).__name__}: {error}"


async def main() -> None:
    """Both calls, in turn."""
    endpoint = sys.argv[1] if len(sys.argv) > 1 else None
    http = HttpClient()
    allowed = AllowedUrls((endpoint,) if endpoint else ())
    calls = BotoClients(http=http, endpoints=Endpoints(sts=allowed), threads=1)
    calls.warm_up()
    for signed_as in (session(issued_at=datetime.now(UTC)), None):
        reported = await calls.run(
            "sts",
            lambda client: _code(client.get_caller_identity),
            region="us-west-2",
            tenant="chat",
            endpoint=endpoint,
            session=signed_as,
        )
        sys.stdout.write(f"{reported}\n")
    calls.close()
    await http.close()


asyncio.run(main())
