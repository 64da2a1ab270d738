"""Run by itself, as in a pod whose ServiceAccount is mounted in the folder that is given.

Prints the server, and the header before, shortly after and two minutes after the token rotated.
"""

import asyncio
import datetime
import sys
from pathlib import Path
from types import SimpleNamespace

from kubernetes.aio.config import incluster_config

from keywright.cluster.connection import connect


class _Clock:
    """In place of the class `datetime`, for the one method that is used."""

    ahead = datetime.timedelta()

    @classmethod
    def now(cls) -> datetime.datetime:
        """The time, as far ahead as was set."""
        return datetime.datetime.now(datetime.UTC) + cls.ahead


async def main(folder: Path) -> None:
    """The official client has its paths and its clock as constants of the module."""
    incluster_config.SERVICE_TOKEN_FILENAME = str(folder / "token")
    incluster_config.SERVICE_CERT_FILENAME = str(folder / "ca.crt")
    clock = SimpleNamespace(datetime=_Clock, timedelta=datetime.timedelta)
    vars(incluster_config)["datetime"] = clock
    found = await connect()
    reported = [found.server, await found.authorization.header()]
    (folder / "token").write_text("second")
    reported.append(await found.authorization.header())
    _Clock.ahead = datetime.timedelta(minutes=2)
    reported.append(await found.authorization.header())
    sys.stdout.writelines(f"{line}\n" for line in reported)


asyncio.run(main(Path(sys.argv[1])))
