"""The door from pods to what listens on this machine's loopback address alone."""

from __future__ import annotations

import socket
import threading

from testbed.clusters.kind.doorway import Doorway


def _echo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(1024):
            connection.sendall(data.upper())


def test_bytes_go_through_both_ways_and_the_end_too() -> None:
    """What is sent at the door arrives behind it, the answer comes back, and so does the end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_echo, args=(server,))
        thread.start()
        with Doorway("127.0.0.1", to_port=server.getsockname()[1]) as door:
            with socket.create_connection(("127.0.0.1", door.port), timeout=10) as client:
                client.sendall(b"hello")
                assert client.recv(1024) == b"HELLO"
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1024) == b""
            thread.join(10)
        assert not thread.is_alive()


def test_a_caller_is_hung_up_on_where_nobody_listens_behind_the_door() -> None:
    """An emulated cloud that has ended looks like one: the connection closes."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with (
        Doorway("127.0.0.1", to_port=port) as door,
        socket.create_connection(("127.0.0.1", door.port), timeout=10) as client,
    ):
        assert client.recv(1024) == b""
