"""`python -m testbed.clusters.controlplane`: have the binaries ready before anything needs them.

A build takes minutes and shows its progress here, where a test runner would hide it.
"""

from __future__ import annotations

import sys

from testbed.clusters import NoClusterError
from testbed.clusters.controlplane.assets import find_assets


def main() -> int:
    """0 also where there is no way to them: whoever needs them then says what that means."""
    try:
        find_assets()
    except NoClusterError as error:
        print(error, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
