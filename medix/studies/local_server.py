"""The server of a page on this machine."""

import importlib.util
import ipaddress
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette


class LocalServer:
    """A server that listens from its construction on.

    Args:
        host: address to listen on.
        port: port; 0 for a free one.

    Raises:
        ValueError: the packages are missing, or the address cannot be had.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8090) -> None:
        if missing := [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]:
            raise ValueError(f"{' and '.join(missing)} are not installed; pip install 'medix-rl[study]'")
        self.host = host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise ValueError(f"--host {host} --port {port}: {error}; give a free port, or --port 0") from error

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self._socket.getsockname()[0]).is_loopback

    @property
    def address(self) -> str:
        """Its address for a browser; with this machine's name where it listens on all addresses."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self._socket.getsockname()[1]}"

    def run(self, app: "Starlette") -> None:
        """Serve until a signal; nothing is logged, because addresses hold tokens."""
        import uvicorn

        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        uvicorn.Server(config).run(sockets=[self._socket])

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
