"""`python -m testbed.clusters.kind`: have everything ready that `KindCluster` needs.

`--node-image` builds our own image of a node where the cache has none; its progress shows here,
where a test runner would hide it.
"""

from __future__ import annotations

import argparse
import sys

from testbed.clusters import NoClusterError
from testbed.clusters.kind.binary import kind_binary
from testbed.clusters.kind.engine import Engine
from testbed.clusters.kind.node_image import build_node_image


def main() -> int:
    """The exit code; without `--node-image` also 0 where there is no way to a cluster."""
    parser = argparse.ArgumentParser(prog="python -m testbed.clusters.kind")
    parser.add_argument("--node-image", action="store_true", help="build our own image of a node")
    options = parser.parse_args()
    try:
        kind_binary()
        if options.node_image:
            with Engine() as engine:
                image = build_node_image(engine)
            print(f"{image.name} is in {image.archive}")
    except NoClusterError as error:
        print(error, file=sys.stderr)
        return int(options.node_image)
    return 0


if __name__ == "__main__":
    sys.exit(main())
