"""The packages of every emulated repository: one for pip, one for npm, and one for Maven.

The simple index is that of PEP 503, the description of a package that of npm's registry.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING

from testbed.clouds.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "keywright-sample"
VERSION = "1.0.0"
TEXT = "the sample package"
_WHEEL = f"{NAME.replace('-', '_')}-{VERSION}-py3-none-any.whl"
_TARBALL = f"{NAME}-{VERSION}.tgz"
_JAR = f"{NAME}-{VERSION}.jar"
_BINARY = "application/octet-stream"


def find(form: str, path: Sequence[str], *, base: str) -> Response | None:
    """What a repository returns for a path below its endpoint of a format; None for nothing."""
    parts = tuple(part for part in path if part)
    match form, parts:
        case "pypi", ("simple",):
            return _html(f'<a href="{NAME}/">{NAME}</a>')
        case "pypi", ("simple", name) if name == NAME:
            digest = hashlib.sha256(_wheel()).hexdigest()
            return _html(f'<a href="{VERSION}/{_WHEEL}#sha256={digest}">{_WHEEL}</a>')
        case "pypi", ("simple", name, version, file) if (name, version) == (NAME, VERSION):
            return Response(200, _wheel(), _BINARY) if file == _WHEEL else None
        case "npm", ("-", "ping"):
            return json_response({})
        case "npm", (name,) if name == NAME:
            return json_response(_description(base))
        case "npm", (name, "-", file) if (name, file) == (NAME, _TARBALL):
            return Response(200, _tarball(), _BINARY)
        case "maven", (*_, file) if file == _JAR:
            return Response(200, TEXT.encode(), _BINARY)
        case _:
            return None


def _html(link: str) -> Response:
    page = f"<!DOCTYPE html><html><body>{link}</body></html>"
    return Response(200, page.encode(), "text/html")


@functools.cache
def _wheel() -> bytes:
    name = NAME.replace("-", "_")
    info = f"{name}-{VERSION}.dist-info"
    files = {
        f"{name}.py": f'TEXT = "{TEXT}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    records = [f"{path},{_digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*records, f"{info}/RECORD,,", ""])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return content.getvalue()


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256={digest.rstrip('=')}"


@functools.cache
def _tarball() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        files = {
            "package.json": json.dumps({"name": NAME, "version": VERSION, "main": "index.js"}),
            "index.js": f"module.exports = {json.dumps(TEXT)};\n",
        }
        for path, text in files.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def _description(base: str) -> dict[str, object]:
    digest = base64.b64encode(hashlib.sha512(_tarball()).digest()).decode()
    dist = {"tarball": f"{base}/{NAME}/-/{_TARBALL}", "integrity": f"sha512-{digest}"}
    version = {"name": NAME, "version": VERSION, "dist": dist}
    return {"name": NAME, "dist-tags": {"latest": VERSION}, "versions": {VERSION: version}}
