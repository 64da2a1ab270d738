"""The content of the image: all that the operator needs, and listed in its bill of materials."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from image import sbom, tree, trim
from keywright.clouds.aws.client_cache import SERVICES

_NAMES = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
# Every client that the operator makes, in its own way, and all that wires it.
_PROGRAM = """
import keywright.cli.run
import keywright.controller.process
from keywright.clouds.aws import provider as aws
from keywright.clouds.alibaba import provider as alibaba

from keywright.clouds.aws.client_cache import SERVICES, BotoClientCache, ClientKey

clients = BotoClientCache(signing_session=lambda: None, handlers={})
for service in SERVICES:
    client = clients.unsigned(ClientKey(service, "us-west-2"))
    assert client.meta.service_model.operation_names
assert hasattr(clients.unsigned(ClientKey("rolesanywhere", "us-west-2")), "create_session")
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distributions that the lock of the operator lists, as this environment has them."""
    folder = tmp_path_factory.mktemp("tree")
    for name in _NAMES.findall(tree.RUNTIME.read_text()):
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:  # of another platform
            continue
        for file in found.files or ():
            if ".." not in file.parts and file.suffix != ".pyc":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(found.locate_file(file)), target)
    return folder


def test_the_image_keeps_the_models_of_the_clients() -> None:
    """The list of the build, which cannot import the operator, is that of the operator."""
    assert trim.AWS_SERVICES == SERVICES


@pytest.fixture(scope="module")
def trimmed(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy without what the image leaves out, and with the operator."""
    folder = tmp_path_factory.mktemp("trimmed") / "app"
    shutil.copytree(installed, folder)
    assert trim.trim(folder) > 50e6
    tree.add_operator(folder, version="1.2.3")
    return folder


def test_everything_the_operator_does_works_without_the_rest(trimmed: Path) -> None:
    """All modules load and the clients of AWS can be made; nothing else is on the path."""
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error::ImportWarning", "-c", _PROGRAM],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(trimmed), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_command_works_in_the_image(trimmed: Path) -> None:
    """Also lint, which needs PyYAML and CEL beside what the operator needs."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "keywright", "lint", str(tree.ROOT / "examples")],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(trimmed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("0 findings in ")


def test_the_image_knows_its_version(trimmed: Path) -> None:
    """`keywright --version` and the metric build_info say it, as if it were installed."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "keywright", "--version"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(trimmed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "1.2.3", done.stderr


def test_no_list_of_what_is_left_out_is_old(tmp_path: Path) -> None:
    """A library that has moved a folder makes the build fail, not the operator."""
    with pytest.raises(FileNotFoundError):
        trim.trim(tmp_path)


def test_the_bill_has_every_distribution_with_the_hashes_of_the_lock(installed: Path) -> None:
    """CycloneDX: each component has a package URL and at least one hash that was checked."""
    bill = sbom.bill_of_materials(installed, lock=tree.RUNTIME, version="1.2.3")
    there = {
        f"pkg:pypi/{sbom.normal(each.metadata['Name'])}@{each.version}"
        for each in importlib.metadata.distributions(path=[str(installed)])
    }
    components = bill["components"]
    assert {component["purl"] for component in components} == there
    assert len(there) > 30
    for component in components:
        digests = [each["content"] for each in component["hashes"]]
        assert digests, component["name"]
        assert all(digest in tree.RUNTIME.read_text() for digest in digests)
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == "1.2.3"


def test_what_the_lock_does_not_have_is_no_part_of_an_image(
    installed: Path, tmp_path: Path
) -> None:
    """A distribution that came from elsewhere ends the build."""
    empty = tmp_path / "lock.txt"
    empty.write_text("aiohttp==0.0.0 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(sbom.NotInLockError, match="is in the tree, and not in the lock"):
        sbom.bill_of_materials(installed, lock=empty, version="1.2.3")


def test_the_image_is_readable_whatever_the_umask_of_its_builder(tmp_path: Path) -> None:
    """Its user, 65532, owns none of the files."""
    (tmp_path / "package").mkdir(mode=0o700)
    module = tmp_path / "package" / "module.py"
    module.touch(mode=0o600)
    library = tmp_path / "library.so"
    library.touch(mode=0o700)
    tree.let_everybody_read(tmp_path)
    modes = [path.stat().st_mode & 0o777 for path in (module.parent, module, library)]
    assert modes == [0o755, 0o644, 0o755]
