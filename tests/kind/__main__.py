"""`python -m tests.kind`: this tier where the machine can have it, else one line that says why not.

`--insist` makes a failure of that line. What else is given goes to pytest. The engine runs from
here to the end, and a node's image is there before a test waits for it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from testbed.clusters import NoClusterError
from testbed.clusters.kind import Engine
from testbed.clusters.kind.node_image import prepare_node_image

_INSIST = "--insist"
_LOUD, _PLAIN = "\033[1;31m", "\033[0m"


def main(arguments: Sequence[str]) -> int:
    """The exit code: pytest's, or 0 where there is no way to a cluster and nobody insists."""
    insists = _INSIST in arguments
    given = [argument for argument in arguments if argument != _INSIST]
    engine = Engine()
    try:
        engine.start()
        prepare_node_image(engine)
    except NoClusterError as error:
        engine.stop()
        _tell(f"tests/kind did not run, and proves nothing today: {error}", failed=insists)
        return int(insists)
    try:
        return subprocess.run(
            [sys.executable, "-m", "pytest", "tests/kind", "-m", "kind", *given],
            env=engine.environment,
            check=False,
        ).returncode
    finally:
        engine.stop()


def _tell(text: str, *, failed: bool) -> None:
    line = f"kind tier: {'FAILED' if failed else 'SKIPPED'}: {text}"
    sys.stderr.write(f"{_LOUD}{line}{_PLAIN}\n" if sys.stderr.isatty() else f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
