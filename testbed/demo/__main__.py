"""The command line of the demo."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# A shorter session expires before three SDKs have been imported and used once.
_SHORTEST_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    began = time.monotonic()
    options = _parser().parse_args(arguments)
    # Imported here: imports belong to the measured time, and --help needs none of them.
    try:
        from testbed.demo.performance import Options, perform  # noqa: PLC0415
    except KeyboardInterrupt:  # nothing is running yet
        return 130
    return perform(
        Options(
            cluster=options.cluster,
            kube_context=options.kube_context,
            once=options.once,
            lifetime_seconds=options.lifetime,
            renewals=options.renewals,
            picture=options.picture,
        ),
        began=began,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testbed.demo",
        description="A key appears in a Secret, is used by clients, and is renewed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--cluster",
        choices=("embedded", "controlplane", "kind"),
        default="embedded",
        help="the Kubernetes API to start",
    )
    parser.add_argument("--kube-context", metavar="NAME", help="a running cluster instead")
    parser.add_argument(
        "--once", action="store_true", help="exit 0 when all of it held, else 1 with the reason"
    )
    parser.add_argument(
        "--lifetime", type=_lifetime, default=15.0, metavar="SECONDS", help="of the keys"
    )
    parser.add_argument(
        "--renewals", type=_count, default=3, metavar="N", help="to wait for with --once"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write the table as SVG")
    return parser


def _lifetime(text: str) -> float:
    seconds = float(text)
    if seconds < _SHORTEST_SECONDS:
        raise argparse.ArgumentTypeError(f"at least {_SHORTEST_SECONDS:g} s")
    return seconds


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
