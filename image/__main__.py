"""`python -m image`: the container image, its bill of materials beside it in dist/.

An image that was made of the same parts before is not made again. `--build-base` instead makes the
base image that `docker build .` needs on a machine that cannot pull one.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from image.base_image import OFFICIAL, NoBaseError, choose_build_image
from image.build import build
from testbed.clusters import NoClusterError
from testbed.clusters.kind.engine import Engine


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m image")
    purpose = parser.add_mutually_exclusive_group(required=True)
    purpose.add_argument("--name", help="with its tag")
    purpose.add_argument("--build-base", action="store_true", help="print a base image with pip")
    parser.add_argument("--base", help=f"instead of {OFFICIAL}")
    options = parser.parse_args()
    try:
        with Engine() as engine:
            if options.build_base:
                print(choose_build_image(engine))
            else:
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
