"""`docker build .` and `make image` give the same application layer, whenever they are run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from image import base_image, tree
from image.build import build
from testbed.clusters.kind import Engine
from testbed.operators import NAMESPACE
from tests.cluster.guides import commands
from tests.cluster.tier import Record
from tests.kind.installation import IMAGE, restarts, seconds_until_ready
from tests.kind.stage import Stage

pytestmark = pytest.mark.kind
_NAME = "keywright-test-build"


def _docker_with_buildkit() -> str:
    """A docker command that has BuildKit: with its plug-in, or of a version that includes it."""
    for folder in os.get_exec_path():
        docker = shutil.which("docker", path=folder)
        if docker is None:
            continue
        plugin = subprocess.run([docker, "buildx", "version"], capture_output=True, check=False)
        version = subprocess.run(
            [docker, "version", "--format", "{{.Client.Version}}"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split(".")[0]
        if plugin.returncode == 0 or (version.isdecimal() and 20 <= int(version) < 23):
            return docker
    pytest.skip("no docker command with BuildKit is installed")


def _docker_build(engine: Engine, *options: str) -> None:
    """`docker build` of a copy of the files that git has, with the network of this machine."""
    command = ["--no-cache", "--network=host"]
    if authorities := os.environ.get("SSL_CERT_FILE"):
        command.append(f"--secret=id=ca-certificates,src={authorities}")
    with tempfile.TemporaryDirectory(prefix="keywright-checkout-") as checkout:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=tree.ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        archive = Path(checkout) / "checkout.tar"
        subprocess.run(
            ["tar", "--create", f"--file={archive}", "--files-from=-"],
            cwd=tree.ROOT,
            input=listed,
            text=True,
            check=True,
        )
        source = Path(checkout) / "source"
        source.mkdir()
        subprocess.run(["tar", "--extract", f"--file={archive}"], cwd=source, check=True)
        _run_build(engine, *command, *options, folder=source)


def _run_build(engine: Engine, *options: str, folder: Path) -> None:
    done = subprocess.run(
        [_docker_with_buildkit(), "build", *options, "."],
        cwd=folder,
        env={**engine.environment, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _layers(engine: Engine, image: str) -> list[str]:
    found: list[str] = json.loads(
        engine.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)
    )
    return found


def _config(engine: Engine, image: str) -> dict[str, object]:
    config: dict[str, object] = json.loads(
        engine.docker("image", "inspect", "--format", "{{json .Config}}", image)
    )
    return {name: config.get(name) for name in ("Cmd", "Entrypoint", "Env", "ExposedPorts", "User")}


@pytest.mark.timeout(420)
def test_docker_build_and_make_image_give_the_same_layer(
    stage: Stage, record_property: Record
) -> None:
    """Bit by bit, in two builds without a cache; the program starts, also as the Deployment."""
    engine = stage.cluster.engine
    base = base_image.choose_build_image(engine)
    names = [f"{_NAME}:{number}" for number in (1, 2, 3)]
    for name in names[:2]:
        _docker_build(engine, f"--tag={name}", f"--build-arg=BASE_IMAGE={base}")
    build(engine, name=names[2], requested_base=base)
    first, second, prepared = (_layers(engine, name) for name in names)
    assert first == second == prepared
    assert len(first) == len(_layers(engine, base)) + 1
    assert _config(engine, names[0]) == _config(engine, names[2])
    shown = engine.docker("run", "--rm", "--network=none", names[0], "version", "--client")
    assert shown.split()[0] == "client"
    (_checksums, bill) = commands("docs/verify.md")
    verified = subprocess.run(
        ["sh", "-euc", bill],
        env={**engine.environment, "IMAGE": names[0], "BILL": "dist/keywright.cdx.json"},
        cwd=tree.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    assert "packages of the image are listed" in verified.stdout
    for name in (IMAGE, names[0]):
        size = int(engine.docker("image", "inspect", "--format", "{{.Size}}", name))
        record_property(f"size of {name}", f"{size / 2**20:.0f} MiB")
    _run_in_pods(stage, names[0], record_property)
    engine.docker("image", "rm", *names)


def _run_in_pods(stage: Stage, image: str, record_property: Record) -> None:
    """The other image, with another base, in the pods of the Deployment for a moment."""
    stage.cluster.load_images(image)
    container = f"keywright={image}"
    stage.installation.kubectl(
        "set", "image", f"--namespace={NAMESPACE}", "deployment/keywright", container
    )
    for pod in stage.installation.wait_until_ready():
        assert restarts(pod) == 0
        record_property(f"seconds until ready, {image}", seconds_until_ready(pod))
    stage.installation.apply()
    stage.installation.wait_until_ready()


@pytest.mark.timeout(300)
def test_an_image_for_arm64_is_built_without_an_emulator(stage: Stage, tmp_path: Path) -> None:
    """The base here is a file name: nothing of the other platform can be executed."""
    engine = stage.cluster.engine
    builder = base_image.choose_build_image(engine)
    python = base_image.python_of(engine, builder).version
    (tmp_path / "usr" / "bin").mkdir(parents=True)
    (tmp_path / "usr" / "bin" / "python3").symlink_to(f"python{python}")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY usr /usr\n")
    base, name = f"{_NAME}-base:arm64", f"{_NAME}:arm64"
    _run_build(engine, f"--tag={base}", "--platform=linux/arm64", folder=tmp_path)
    _docker_build(
        engine,
        f"--tag={name}",
        "--platform=linux/arm64",
        f"--build-arg=BASE_IMAGE={base}",
        f"--build-arg=BUILD_IMAGE={builder}",
    )
    saved = tmp_path / "image.tar"
    engine.docker("save", "--output", saved, name)
    with tarfile.open(saved) as image:
        manifest = image.extractfile("manifest.json")
        assert manifest is not None
        (described,) = json.load(manifest)
        layer = image.extractfile(described["Layers"][-1])
        with tarfile.open(fileobj=layer) as files:
            machines = {_machine(files, member) for member in files if member.name.endswith(".so")}
    assert machines == {183}, "ELF's number of AArch64"
    assert engine.docker("image", "inspect", "--format", "{{.Architecture}}", name) == "arm64"
    engine.docker("image", "rm", name, base)


def _machine(files: tarfile.TarFile, member: tarfile.TarInfo) -> int:
    opened = files.extractfile(member)
    assert opened is not None
    return int.from_bytes(opened.read(20)[18:], "little")
