"""`python -m tools.lint_workflows`: return 1 if actionlint or zizmor object to a workflow.

Both work offline. zizmor also demands that each action is pinned by the hash of a commit.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from testbed.go_tools import TOOLS, NoGoError, go_tool

_ROOT: Final = Path(__file__).resolve().parents[1]
WORKFLOWS: Final = sorted((_ROOT / ".github" / "workflows").glob("*.yaml"))
# The example for users names versions, which they pin as they prefer.
_EXAMPLES: Final = sorted((_ROOT / "examples").rglob("github-workflow.yaml"))
_ZIZMOR: Final = Path(sys.executable).with_name("zizmor")
_ACTION: Final = re.compile(r"uses: ([^@\s]+)@(\S+)(?: # (v[\d.]+))?$", re.MULTILINE)


def pins(text: str) -> list[tuple[str, str, str]]:
    """The actions that a workflow uses: name, commit and version in the comment."""
    return _ACTION.findall(text)


def contradictions(texts: list[str]) -> list[str]:
    """One sentence for each action that is used with different commits or versions."""
    known: dict[str, tuple[str, str]] = {}
    found = []
    for text in texts:
        for name, commit, version in pins(text):
            if known.setdefault(name, (commit, version)) != (commit, version):
                found.append(f"{name}: {commit} {version} beside {' '.join(known[name])}")
    return found


def main() -> int:
    """Print the findings of all linters; return 1 if there are any."""
    try:
        actionlint = go_tool("actionlint", module=TOOLS / "actionlint")
    except NoGoError as error:
        print(f"lint: error: {error}", file=sys.stderr)
        return 1
    commands: list[list[str | Path]] = [
        [actionlint, "-color=false", *WORKFLOWS, *_EXAMPLES],
        # Its strictest persona: no finding is suppressed.
        [_ZIZMOR, "--offline", "--quiet", "--no-progress", "--persona=auditor", *WORKFLOWS],
    ]
    codes = [subprocess.run(command, check=False).returncode for command in commands]
    for finding in contradictions([path.read_text(encoding="utf-8") for path in WORKFLOWS]):
        print(finding)
        codes.append(1)
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
