"""`keywright completion`: scripts that complete commands, options and names from the cluster.

All shells ask the program itself for the candidates, so that there is one implementation.
"""

from __future__ import annotations

import argparse
import sys
from typing import Final

from keywright.cli.exit_codes import ExitCode

_SCRIPTS: Final = {
    "bash": """\
_keywright() {
    local IFS=$'\\n'
    COMPREPLY=($(keywright __complete -- \\
        "${COMP_WORDS[@]:1:$COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _keywright keywright
""",
    "zsh": """\
#compdef keywright
_keywright() {
    local -a candidates
    candidates=("${(@f)$(keywright __complete -- \\
        "${(@)words[2,$CURRENT]}" 2>/dev/null)}")
    compadd -a candidates
}
compdef _keywright keywright
""",
    "fish": """\
function __keywright_candidates
    set -l words (commandline -opc) (commandline -ct)
    keywright __complete -- $words[2..-1] 2>/dev/null
end
complete -c keywright -f -a '(__keywright_candidates)'
""",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = (
        "For bash: source <(keywright completion bash). For other shells, see docs/cli.md."
    )
    parser.add_argument("shell", choices=tuple(_SCRIPTS), help="the shell")


def run(options: argparse.Namespace) -> int:
    """Print the script of the shell."""
    sys.stdout.write(_SCRIPTS[options.shell])
    return ExitCode.OK
