"""Clients of servers on the loopback."""

from collections.abc import Callable, Coroutine
from contextlib import closing
from typing import Any, TypeVar

from medix.serving.address import addresses_of
from medix.serving.client import AsyncClient
from medix.serving.endpoint import EndpointSettings
from medix.serving.session import Session

T = TypeVar("T")
KEY = "MEDIX_TEST_KEY"
"""Environment variable that holds the key."""


def client_of(*urls: str, patience: float = 5.0, keep_alive: bool = False, **settings: Any) -> AsyncClient:
    """A client that sets a server aside after its first failure."""
    settings = {"max_concurrency": 4, "set_aside_after": 1, "pause": 0.05} | settings
    addresses = addresses_of(urls, "engine")
    return AsyncClient(addresses, KEY, EndpointSettings(**settings), patience, "medix-test", keep_alive)


def run(url: str, work: Callable[[Session], Coroutine[Any, Any, T]], keep_alive: bool = False) -> T:
    """What a coroutine gives that has a session with one server."""
    with closing(client_of(url, keep_alive=keep_alive)) as client:
        return client.run(work)
