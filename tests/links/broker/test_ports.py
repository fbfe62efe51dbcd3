"""Who holds a port, read from the kernel."""

import os
import socket

import pytest

from gateway.links.broker.ports import holder_of_port, port_is_free


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_a_listening_program_is_named(family: socket.AddressFamily, host: str) -> None:
    with socket.socket(family) as listening:
        try:
            listening.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = listening.getsockname()[1]
        assert holder_of_port(port) is None  # bound, and listening to nobody yet
        listening.listen()
        assert f"(pid {os.getpid()})" in (holder_of_port(port) or "")
        assert not port_is_free(host, port)
    assert port_is_free(host, port)
    assert holder_of_port(port) is None


def test_an_address_of_another_machine_is_not_called_busy() -> None:
    with pytest.raises(OSError, match="assign"):
        port_is_free("192.0.2.1", 1883)
