"""`python -m image`: the container image, its bill of materials beside it in dist/.

An image that was made of the same parts before is not made again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from image.base_image import OFFICIAL, NoBaseError
from image.build import build
from testbed.clusters import NoClusterError
from testbed.clusters.kind.engine import Engine


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m image")
    parser.add_argument("--name", required=True, help="with its tag")
    parser.add_argument("--base", help=f"instead of {OFFICIAL}")
    options = parser.parse_args()
    try:
        with Engine() as engine:
            build(engine, name=options.name, requested_base=options.base)
            if engine.is_own:
                print("image: it is in the testbed's own docker engine: see CONTRIBUTING.md")
    except (NoClusterError, NoBaseError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
