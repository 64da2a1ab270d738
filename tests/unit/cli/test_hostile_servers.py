"""Servers that are no API server: an error with a remedy, and no secret on the screen."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import pytest
import yaml
from typing_extensions import override

from keywright.cli.exit_codes import ExitCode
from keywright.cli.installation import Operator, trusted_operator
from keywright.cli.main import main
from keywright.cli.screen import write_document
from testbed.processes import wait_for
from tests.unit.api.samples import ROOT

_CONTROLS = "\x1b]0;title\x07\x9b31m\u202e"
_GRANT = {"metadata": {"name": "chat-key", "namespace": "chat"}, "spec": {"secret": {}}}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: str
    headers: tuple[tuple[str, str], ...] = ()


@contextmanager
def _serving(*answers: tuple[str, _Answer]) -> Iterator[str]:
    """A server with an answer for paths that contain a word; the last one is for all others."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            found = next(answer for words, answer in answers if words in self.path)
            self.send_response(found.status)
            for name, value in found.headers:
                self.send_header(name, value)
            body = found.body.encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = _reply  # noqa: N815  names of http.server

        @override
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _kubeconfig(directory: Path, server: object, **user: object) -> str:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "chat"}}],
        "current-context": "x",
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return str(path)


_WRONG = (
    _Answer(404, "404 page not found"),
    _Answer(500, "{}"),
    _Answer(422, json.dumps({"reason": "Invalid", "message": f"denied{_CONTROLS}"})),
    _Answer(403, json.dumps({"reason": "Forbidden", "message": f"no{_CONTROLS}"})),
    _Answer(200, "<html>a captive portal</html>"),
    _Answer(200, "[1, 2]"),
    _Answer(200, "null"),
    _Answer(302, "", (("Location", "http://elsewhere.example"),)),
)


@pytest.mark.parametrize("answer", _WRONG, ids=lambda answer: f"{answer.status} {answer.body[:9]}")
@pytest.mark.parametrize(
    "command", [["status"], ["status", "chat-key"], ["renew", "chat-key"], ["suspend", "chat-key"]]
)
def test_a_wrong_answer_is_an_error_without_a_traceback(
    answer: _Answer, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, and no control character of the server reaches the terminal."""
    with _serving(("", answer)) as server:
        code = main([*command, "--kubeconfig", _kubeconfig(tmp_path, server)])
    printed = capsys.readouterr()
    missing = answer.status == 404 and len(command) == 2
    assert code == (ExitCode.FINDINGS if missing else ExitCode.UNREACHABLE)
    assert "error: " in printed.err
    assert not set("\x1b\x07\x9b\u202e") & set(printed.err + printed.out)


def test_a_first_call_without_crds_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What an API server answers for a group that it does not know."""
    with _serving(("", _Answer(404, "404 page not found"))) as server:
        main(["status", "--kubeconfig", _kubeconfig(tmp_path, server)])
    assert "keywright check" in capsys.readouterr().err


@pytest.mark.parametrize("token", ["eyJSECRET\n", " eyJSECRET "])
def test_a_token_file_may_end_with_a_line_break(token: str, tmp_path: Path) -> None:
    """As `kubectl create token > file` writes it."""
    with _serving(("", _Answer(200, json.dumps({"items": []})))) as server:
        assert main(["status", "--kubeconfig", _kubeconfig(tmp_path, server, token=token)]) == 0


@pytest.mark.parametrize("token", ["eyJSECRET\nX: 1", "eyJSECRET\u00e9\u4e00"])
def test_a_token_that_is_no_header_is_not_shown(
    token: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error of the HTTP library would have it."""
    with _serving(("", _Answer(200, "{}"))) as server:
        code = main(["status", "--kubeconfig", _kubeconfig(tmp_path, server, token=token)])
    printed = capsys.readouterr()
    assert code == ExitCode.UNREACHABLE
    assert "eyJSECRET" not in printed.err + printed.out


@pytest.mark.parametrize("server", ["http://[bad", 5, "nonsense"])
def test_a_server_that_is_no_url_is_an_error(
    server: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the kubeconfig."""
    assert main(["status", "--kubeconfig", _kubeconfig(tmp_path, server)]) == ExitCode.UNREACHABLE
    assert capsys.readouterr().err.startswith("error: ")


def test_a_source_without_grants_is_a_finding(tmp_path: Path) -> None:
    """A mistyped name must not look fine in a pipeline."""
    with _serving(("", _Answer(200, json.dumps({"items": []})))) as server:
        found = main(["status", "--source", "typo", "--kubeconfig", _kubeconfig(tmp_path, server)])
    assert found == ExitCode.FINDINGS


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_documents_have_no_control_characters(form: str) -> None:
    """A terminal that shows a document is safe as well."""
    stream = StringIO()
    write_document(stream, {"message": _CONTROLS}, form)
    assert stream.getvalue().isascii()
    assert not {"\x1b", "\x07"} & set(stream.getvalue())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_files_are_removed_whatever_ends_the_command(
    number: signal.Signals, tmp_path: Path
) -> None:
    """The signal reaches the command as well."""
    secret = {"data": {"TOKEN": base64.b64encode(b"value-of-the-key").decode()}}
    files = tmp_path / "files"
    files.mkdir()
    answers = (
        ("secrets", _Answer(200, json.dumps(secret))),
        ("", _Answer(200, json.dumps(_GRANT))),
    )
    with _serving(*answers) as server:
        config = _kubeconfig(tmp_path, server)
        program = [sys.executable, "-m", "keywright", "env", "chat-key", "--kubeconfig", config]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "TMPDIR": str(files)}
        with subprocess.Popen([*program, "--", "sleep", "60"], env=environment) as process:
            wait_for(lambda: bool(list(files.glob("*/TOKEN"))), seconds=20, what="the files")
            wait_for(lambda: _children(process.pid) != [], seconds=20, what="the command")
            process.send_signal(number)
            assert process.wait(timeout=20) == 128 + number
    assert list(files.iterdir()) == []


def _children(pid: int) -> list[str]:
    found: list[str] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += path.read_text().split()
    return found


def _operator(namespace: str) -> Operator:
    return Operator(
        namespace=namespace,
        name="keywright",
        image="keywright:1",
        arguments=("run", "--allow-ambient"),
        service_account="keywright",
        wanted=1,
        ready=1,
    )


def test_a_tenants_deployment_is_not_the_operator() -> None:
    """Its flags would be used on the machine of the user; the default namespace is the admins'."""
    ours, theirs, other = map(_operator, ("keywright-system", "aaa-tenant", "platform"))
    assert trusted_operator([ours, theirs]) is ours
    assert trusted_operator([other]) is other
    assert trusted_operator([theirs, other]) is None
    assert trusted_operator([]) is None
