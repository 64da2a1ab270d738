"""The image that ours stands on: the one asked for, the official slim Python, or Debian's Python.

The last is for a machine that cannot pull images: Debian's packages of Python, unpacked and no
more. It has neither a shell nor an installer.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from image.tree import Target
from testbed.clusters.kind.engine import Engine

OFFICIAL = "python:3.12-slim"
_PACKAGES = ("base-files", "python3", "tzdata")
# What a base needs in addition, so that `docker build` can use it as BUILD_IMAGE.
_BUILD_PACKAGES = ("ca-certificates", "python3-pip")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_ASK = "import platform, sys; print('%d.%d' % sys.version_info[:2], platform.machine())"
# What base-passwd's script would make, and the operator.
_USERS = """\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
keywright:x:65532:65532:keywright:/nonexistent:/usr/sbin/nologin
"""
_GROUPS = "root:x:0:\nnogroup:x:65534:\nkeywright:x:65532:\n"


class NoBaseError(RuntimeError):
    """There is no base to be had; the message says what would help."""


def choose(engine: Engine, *, requested: str | None, programs: Sequence[str] = ()) -> str:
    """The name of an image that the engine has, or pulls; raises NoBaseError.

    One that is made of Debian's packages has `programs` besides, packages that the others have.
    """
    if requested:
        return requested
    if engine.has_image(OFFICIAL) or engine.pulls(OFFICIAL):
        return OFFICIAL
    if shutil.which("mmdebstrap") is None or os.geteuid() != 0:
        raise NoBaseError(
            f"{OFFICIAL} cannot be pulled; give BASE_IMAGE, or let root make a base of Debian's"
            " packages (`make packages`)"
        )
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    packages = ",".join([*_PACKAGES, *programs])
    recipe = hashlib.sha256(f"{packages} {_USERS} {_GROUPS}".encode()).hexdigest()[:8]
    name = f"keywright-base:{suite}-{recipe}"
    if not engine.has_image(name):
        print(f"image: {OFFICIAL} cannot be pulled: making {name} of Debian's packages", flush=True)
        _from_debian(engine, name, suite=suite, packages=packages)
    return name


def choose_build_image(engine: Engine) -> str:
    """The name of a base image that also has pip, for the build stages of the Dockerfile.

    If it is made of Debian's packages, it trusts the certificate authorities of this machine.

    Raises:
        NoBaseError: the official image cannot be pulled, and none can be made.
    """
    return choose(engine, requested=None, programs=_BUILD_PACKAGES)


def python_of(engine: Engine, base: str) -> Target:
    """The Python that a base has."""
    version, machine = engine.docker(
        "run", "--rm", "--network=none", "--entrypoint=python3", base, "-c", _ASK
    ).split()
    return Target(version=version, machine=machine)


def _from_debian(engine: Engine, name: str, *, suite: str, packages: str) -> None:
    with tempfile.TemporaryDirectory(prefix="keywright-base-", dir="/var/tmp") as scratch:
        root, archive = Path(scratch) / "root", Path(scratch) / "base.tar"
        subprocess.run(
            [
                *(
                    "mmdebstrap",
                    "--quiet",
                    "--mode=root",
                    "--variant=extract",
                    "--format=directory",
                ),
                *('--aptopt=APT::Install-Recommends "false"', f"--include={packages}"),
                *(suite, root),
            ],
            check=True,
            stdout=sys.stderr,
        )
        for waste in ("var/cache/apt", "var/lib/apt", "var/lib/dpkg", "usr/share/doc"):
            shutil.rmtree(root / waste, ignore_errors=True)
        for installer in (root / "usr/bin").glob("dpkg*"):
            installer.unlink()
        (root / "etc/passwd").write_text(_USERS)
        (root / "etc/group").write_text(_GROUPS)
        if "ca-certificates" in packages.split(","):
            # The package's own script would write it.
            shutil.copyfile(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
        subprocess.run(
            ["tar", "--create", f"--file={archive}", f"--directory={root}", "--numeric-owner", "."],
            check=True,
        )
        engine.docker("import", "--change", 'CMD ["python3"]', archive, name)
