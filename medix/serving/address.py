"""Addresses of servers, with their secrets kept apart from what is shown."""

import ipaddress
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import SplitResult, unquote_plus, urlsplit, urlunsplit


@dataclass(frozen=True)
class Address:
    """The base URL of a server.

    Args:
        url: ``http://127.0.0.1:8085/v1``, with a query if the server needs one. No user or password: an address is
            written in specs and in what is printed of them.
        block: block of the spec that holds the address (``judge``, ``engine``), for messages.

    Raises:
        ValueError: not the address of a server, or one with user or password; the message shows neither of them, nor
            the query.
    """

    url: str
    block: str = field(default="judge", compare=False)

    def __post_init__(self) -> None:
        try:
            is_valid = self._parts.scheme in {"http", "https"} and bool(self._parts.hostname)
            is_valid = is_valid and (self._parts.port is None or self._parts.port > 0)
        except ValueError:
            is_valid = False
        shown = self.url.rpartition("@")[2].partition("?")[0]
        # a # in a password ends the host, and what follows is parsed as a fragment
        if is_valid and "@" in self._parts.netloc + self._parts.fragment:
            raise ValueError(
                f"the address of {shown!r} holds a user or password, which every copy of the spec would show; put the "
                f"key into the environment variable that {self.block}.api_key_env names (for a user and a password: "
                "'Basic <base64 of user:password>'), and remove what stands before the @"
            )
        if not is_valid:
            raise ValueError(f"{shown!r} is not the address of a server, such as http://127.0.0.1:8085/v1")

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @cached_property
    def shown(self) -> str:
        """The address without its query."""
        host = self._parts.netloc.rpartition("@")[2]  # a refused one has its repr in tracebacks
        return urlunsplit((self._parts.scheme, host, self._parts.path, "", ""))

    def at(self, path: str) -> str:
        """The URL of a path below the base, with the address's query and that of the path."""
        path, _, own = path.partition("?")
        query = "&".join(part for part in (own, self._parts.query) if part)
        return urlunsplit((self._parts.scheme, self._parts.netloc, self._parts.path.rstrip("/") + path, query, ""))

    def authorization(self, key: str) -> str:
        """The ``Authorization`` header: a bearer token, or the key as it is where it begins with ``Basic``."""
        return key if key.startswith("Basic ") else f"Bearer {key}"

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated in a message: the query, and its values as they are and as they are sent."""
        query = self._parts.query
        values = [part.partition("=")[2] for part in query.split("&")]
        return tuple(dict.fromkeys(text for one in (query, *values) for text in (one, unquote_plus(one)) if text))

    @cached_property
    def proxy(self) -> str | None:
        """The proxy that the environment names for this host (``HTTPS_PROXY``, ``NO_PROXY``), looked up once.

        None for this machine itself, which a proxy would take for its own.
        """
        host = self._parts.hostname or ""
        if _is_loopback(host) or urllib.request.proxy_bypass(host):
            return None
        return urllib.request.getproxies().get(self._parts.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def addresses_of(base_url: str | Sequence[str], block: str) -> tuple[Address, ...]:
    """The servers that ``<block>.base_url`` of a spec names.

    Raises:
        ValueError: one of them is no address, or one is named twice, or there is none.
    """
    urls = [base_url] if isinstance(base_url, str) else list(base_url)
    try:
        addresses = tuple(Address(url, block) for url in urls)
    except ValueError as error:
        raise ValueError(f"{block}.base_url: {error}") from None
    if not addresses or len({address.at("") for address in addresses}) < len(addresses):
        shown = [address.shown for address in addresses]
        raise ValueError(f"{block}.base_url: {shown} has to name one server or several different ones")
    return addresses
