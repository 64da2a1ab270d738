"""`python -m tests.kind`: this tier where the machine can have it, else one line that says why not.

`--insist` makes a failure of that line. What else is given goes to pytest. The engine runs from
here to the end; kind, Helm and the image of a node are there before a test waits for them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from testbed import go_tools
from testbed.clusters import NoClusterError
from testbed.clusters.kind import Engine
from testbed.clusters.kind.binary import kind_binary
from testbed.clusters.kind.node_image import prepare_node_image

_INSIST = "--insist"
_LOUD, _PLAIN = "\033[1;31m", "\033[0m"


def main(arguments: Sequence[str]) -> int:
    """The exit code: pytest's, or 0 if no cluster is available and `--insist` is not set."""
    insists = _INSIST in arguments
    given = [argument for argument in arguments if argument != _INSIST]
    with ExitStack() as ending:
        try:
            engine = ending.enter_context(Engine())
            kind_binary()
            prepare_node_image(engine)
            go_tools.main()
        except NoClusterError as error:
            _tell(f"tests/kind did not run, and proves nothing today: {error}", failed=insists)
            return int(insists)
        command = [sys.executable, "-m", "pytest", "tests/kind", "-m", "kind", *given]
        with subprocess.Popen(command, env=engine.environment) as tests:
            # Ctrl-C goes to pytest as well, which deletes the cluster before it ends.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            return tests.wait()


def _tell(text: str, *, failed: bool) -> None:
    line = f"kind tier: {'FAILED' if failed else 'SKIPPED'}: {text}"
    sys.stderr.write(f"{_LOUD}{line}{_PLAIN}\n" if sys.stderr.isatty() else f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
