"""Free ports on loopback, below the range from which the kernel gives ports to outgoing connections.

A port from that range could be taken by any connection between the choice and the part's `bind`.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable, Mapping

from hub.stack.errors import PortsTaken

HOST = "127.0.0.1"
LOW, HIGH = 15_000, 31_999


def is_free(port: int) -> bool:
    """Whether a server could bind the port on loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(names: Iterable[str], previous: Mapping[str, int]) -> dict[str, int]:
    """A port for each name: the previous one where it is still free, else a random free one. Raises PortsTaken."""
    chosen: dict[str, int] = {}
    for name in names:
        port = previous.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            port = _random_free(set(chosen.values()) | set(previous.values()))
        chosen[name] = port
    return chosen


def answers(addresses: str, timeout: float = 1.0) -> bool:
    """Whether something accepts a TCP connection at `host:port`, or at any of several with commas between them."""
    return any(_answers(address.strip(), timeout) for address in addresses.split(","))


def _answers(address: str, timeout: float) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _random_free(taken: set[int]) -> int:
    for _ in range(500):
        port = random.randint(LOW, HIGH)  # noqa: S311 - no secret, only spread
        if port not in taken and is_free(port):
            return port
    raise PortsTaken(low=LOW, high=HIGH)
