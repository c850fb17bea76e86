"""Who may use a rollout server: vLLM's own key leaves the paths open that replace weights and call its workers."""

import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

KEY = "MEDIX_ENGINE_KEY"
"""Environment variable with the key of rollout servers, for server and trainer."""

GUARD = "medix.rollout.serving.key_guard.KeyGuard"
"""What vLLM takes as ``--middleware``."""

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""


class KeyGuard:
    """Refuses requests without the key, on every path but ``/health``.

    Without a key the server listens on the loopback alone, where a page in a browser on this machine reaches it too:
    requests of pages, which name their ``Origin``, are refused.

    Args:
        app: gets the requests that are let through.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        key = os.environ.get(KEY, "").strip()
        self._accepted = [text.encode() for text in (key, f"Bearer {key}") if key]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket") or self._lets_through(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            text = f'{{"error": "put the key of the server into {KEY}"}}'
            await send({"type": "http.response.body", "body": text.encode()})

    def _lets_through(self, scope: Any) -> bool:
        headers = dict(scope["headers"])
        if scope["path"] == "/health":
            return True
        if not self._accepted:
            return b"origin" not in headers
        given = headers.get(b"authorization", b"")
        return any(secrets.compare_digest(given, one) for one in self._accepted)
