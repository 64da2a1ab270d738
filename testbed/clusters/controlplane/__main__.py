"""`python -m testbed.clusters.controlplane`: prepare the binaries before they are needed.

A build takes minutes and shows its progress here, where a test runner would hide it.
"""

from __future__ import annotations

import sys

from testbed.clusters import NoClusterError
from testbed.clusters.controlplane.assets import find_assets


def main() -> int:
    """Return 0 also if there are no binaries: the code that needs them reports that."""
    try:
        find_assets()
    except NoClusterError as error:
        print(error, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
