"""`python -m image.seal FOLDER`: compile the bytecode of the application, and fix its metadata.

The same files give the same layer, whenever and by whichever user it is built. This runs in a
container of the base image, so it needs the standard library only.
"""

from __future__ import annotations

import compileall
import os
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

from image.tree import let_everybody_read

_TIMESTAMP = 315_532_800
"""1980-01-01, the earliest time that every archive format can store."""


def seal(folder: Path) -> None:
    """Compile each module, and give all files the same time and modes that everyone can read.

    Raises:
        RuntimeError: a module cannot be compiled; compileall has printed the reason.
    """
    done = compileall.compile_dir(
        folder,
        maxlevels=64,
        stripdir=str(folder.parent),
        prependdir="/",
        quiet=1,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
    if not done:
        raise RuntimeError(f"a module in {folder} cannot be compiled")
    let_everybody_read(folder)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (_TIMESTAMP, _TIMESTAMP))


if __name__ == "__main__":
    seal(Path(sys.argv[1]))
