"""Where a judge's server is, with the secrets that an address can hold kept apart from what is shown."""

import urllib.request
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit, urlunsplit


@dataclass(frozen=True)
class Address:
    """The base URL of an OpenAI-compatible server.

    Args:
        url: ``http://127.0.0.1:8085/v1``, with a query if the server needs one. No user or password: an address stands
            in specs and in what is printed of them.

    Raises:
        ValueError: not the address of a server, or one with user or password; the message shows neither of them, nor
            the query.
    """

    url: str

    key_argument: ClassVar[str] = "judge.api_key_env"
    """What of a spec names the variable that holds the key."""

    def __post_init__(self) -> None:
        try:
            fits = self._parts.scheme in {"http", "https"} and bool(self._parts.hostname)
            fits = fits and (self._parts.port is None or self._parts.port > 0)
        except ValueError:
            fits = False
        shown = self.url.rpartition("@")[2].partition("?")[0]
        # a # in a password ends the host, and what follows is read as a fragment
        if fits and "@" in self._parts.netloc + self._parts.fragment:
            raise ValueError(
                f"the address of {shown!r} holds a user or password, which every copy of the spec would show; put the "
                f"key into the environment variable that {self.key_argument} names, for a user and a password the "
                "words 'Basic <base64 of user:password>', and take what stands before the @ out"
            )
        if not fits:
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

    @cached_property
    def chat(self) -> str:
        """Where chats are sent, with the query."""
        return self.at("/chat/completions")

    def at(self, path: str) -> str:
        """Where a path below the base is, with the query."""
        path = self._parts.path.rstrip("/") + path
        return urlunsplit((self._parts.scheme, self._parts.netloc, path, self._parts.query, ""))

    def authorization(self, key: str) -> str:
        """The header of that name: the key as a bearer's, or as it is where it begins with ``Basic``."""
        return key if key.startswith("Basic ") else f"Bearer {key}"

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated in a message, the longest first."""
        return (self._parts.query,) if self._parts.query else ()

    @cached_property
    def proxy(self) -> str | None:
        """The proxy that the environment names for this host (``HTTPS_PROXY``, ``NO_PROXY``), looked up once."""
        if urllib.request.proxy_bypass(self._parts.hostname or ""):
            return None
        return urllib.request.getproxies().get(self._parts.scheme)
