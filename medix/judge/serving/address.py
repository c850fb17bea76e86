"""Where a judge's server is, with the secrets that an address can hold kept apart from what is shown."""

import base64
import urllib.request
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit


@dataclass(frozen=True)
class Address:
    """The base URL of an OpenAI-compatible server.

    Args:
        url: ``http://127.0.0.1:8085/v1``, with ``user:password@`` before the host or a query if the server needs them.

    Raises:
        ValueError: not the address of a server; the message shows neither password nor query.
    """

    url: str

    def __post_init__(self) -> None:
        try:
            fits = self._parts.scheme in {"http", "https"} and bool(self._parts.hostname)
            fits = fits and (self._parts.port is None or self._parts.port > 0)
        except ValueError:
            fits = False
        if not fits:
            shown = self.url.rpartition("@")[2].partition("?")[0]
            raise ValueError(f"{shown!r} is not the address of a server, such as http://127.0.0.1:8085/v1")

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @cached_property
    def shown(self) -> str:
        """The address without user, password or query."""
        return urlunsplit((self._parts.scheme, self._host, self._parts.path, "", ""))

    @property
    def _host(self) -> str:
        return self._parts.netloc.rpartition("@")[2]

    @cached_property
    def chat(self) -> str:
        """Where chats are sent; holds the query, but no user."""
        path = self._parts.path.rstrip("/") + "/chat/completions"
        return urlunsplit((self._parts.scheme, self._host, path, self._parts.query, ""))

    def authorization(self, key: str) -> str:
        """The header of that name: user and password of the address if it has them, else the key."""
        if self._parts.username is None:
            return f"Bearer {key}"
        user = f"{unquote(self._parts.username)}:{unquote(self._parts.password or '')}"
        return f"Basic {base64.b64encode(user.encode()).decode()}"

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What must not be repeated in a message, the longest first."""
        parts = self._parts
        found = {parts.query, parts.netloc.rpartition("@")[0], parts.password, unquote(parts.password or "")}
        return tuple(sorted(filter(None, found), key=len, reverse=True))

    @cached_property
    def proxy(self) -> str | None:
        """The proxy that the environment names for this host (``HTTPS_PROXY``, ``NO_PROXY``), looked up once."""
        if urllib.request.proxy_bypass(self._parts.hostname or ""):
            return None
        return urllib.request.getproxies().get(self._parts.scheme)
