"""The line before an API server: what passes, what is held, and what never arrives."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from testbed.faults import Line

_RESET = struct.pack("ii", 1, 0)
_MOMENT_SECONDS = 0.2


@dataclass(frozen=True)
class Ends:
    """A client and what its server sees of it, with the line between them."""

    line: Line
    client: socket.socket
    server: socket.socket


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[Ends]:
    """A connection that goes through; each end is patient for five seconds."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        line = stack.enter_context(Line(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        kubeconfig = tmp_path / "config"
        kubeconfig.write_text(yaml.safe_dump({"clusters": [{"cluster": {"server": "https://x"}}]}))
        server = yaml.safe_load(line.lead(kubeconfig).read_text())["clusters"][0]["cluster"]
        client = stack.enter_context(
            socket.create_connection(("127.0.0.1", urlsplit(server["server"]).port), timeout=5)
        )
        accepted = stack.enter_context(listener.accept()[0])
        accepted.settimeout(5)
        yield Ends(line, client, accepted)


def _nothing_comes(end: socket.socket) -> bool:
    end.settimeout(_MOMENT_SECONDS)
    try:
        end.recv(1)
    except TimeoutError:
        return True
    finally:
        end.settimeout(5)
    return False


def test_bytes_pass_both_ways(ends: Ends) -> None:
    """And the end of a connection as well."""
    ends.client.sendall(b"asked")
    assert ends.server.recv(9) == b"asked"
    ends.server.sendall(b"answered")
    assert ends.client.recv(9) == b"answered"
    ends.client.close()
    assert ends.server.recv(9) == b""


def test_what_was_sent_while_it_was_cut_arrives_late(ends: Ends) -> None:
    """As TCP would send it again."""
    ends.line.cut()
    ends.client.sendall(b"late")
    assert _nothing_comes(ends.server)
    ends.line.mend()
    assert ends.server.recv(9) == b"late"


def test_what_its_sender_took_back_never_arrives(ends: Ends) -> None:
    """A connection that was reset meanwhile ends, and nothing that was held is carried."""
    ends.line.cut()
    ends.client.sendall(b"stale")
    ends.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    ends.client.close()
    ends.line.mend()
    assert ends.server.recv(9) == b""


def test_who_comes_while_it_is_cut_waits(ends: Ends) -> None:
    """Without an answer, until it is repaired."""
    ends.line.cut()
    with socket.create_connection(ends.client.getpeername(), timeout=5) as newcomer:
        newcomer.sendall(b"anybody there")
        assert _nothing_comes(newcomer)
