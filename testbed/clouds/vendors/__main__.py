"""`python -m testbed.clouds.vendors --directory DIR`: the emulator in its own process."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from testbed.clouds.vendors.server import serve


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m testbed.clouds.vendors")
    parser.add_argument("--directory", type=Path, required=True, help="for certificates and ports")
    asyncio.run(serve(parser.parse_args().directory))


if __name__ == "__main__":
    main()
