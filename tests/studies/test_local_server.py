"""The server of a page on this machine."""

import socket

import pytest

from medix.studies.local_server import LocalServer


def test_it_listens_on_the_loopback_unless_told_otherwise() -> None:
    server = LocalServer(port=0)
    assert server.is_loopback
    assert server.address.startswith("http://127.0.0.1:")
    server.close()
    open_to_all = LocalServer("0.0.0.0", 0)
    assert not open_to_all.is_loopback
    assert socket.gethostname() in open_to_all.address
    open_to_all.close()


def test_an_address_that_cannot_be_had_is_told() -> None:
    server = LocalServer(port=0)
    port = int(server.address.rpartition(":")[2])
    for host, number in (("127.0.0.1", port), ("127.0.0.1", 70000), ("203.0.113.1", 0), ("no such host", 0)):
        with pytest.raises(ValueError, match=rf"--host {host} --port {number}: .*; give a free port, or --port 0"):
            LocalServer(host, number)
    server.close()
