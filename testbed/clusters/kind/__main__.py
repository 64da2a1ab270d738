"""`python -m testbed.clusters.kind --node-image`: build the image of a node, unless it is cached.

Its progress is shown here, where a test runner would hide it.
"""

from __future__ import annotations

import argparse
import sys

from testbed.clusters import NoClusterError
from testbed.clusters.kind.engine import Engine
from testbed.clusters.kind.node_image import build_node_image


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m testbed.clusters.kind")
    parser.add_argument(
        "--node-image", action="store_true", required=True, help="build our own image of a node"
    )
    parser.parse_args()
    try:
        with Engine() as engine:
            image = build_node_image(engine)
    except NoClusterError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{image.name} is in {image.archive}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
