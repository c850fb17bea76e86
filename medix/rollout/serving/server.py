"""One server of completions: whether it is up, how much it does, and how its weights are exchanged."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from medix.rollout.serving.client import Client, EngineAddress, ServerFault

QUICK = 30.0
"""Seconds that a server has for anything that is neither sampling nor loading."""

_UNFINISHED = "medix-unfinished"
_HOW = "start the server with: python -m medix rollout serve"


@dataclass(eq=False)
class Server:
    """What is known of one server.

    Args:
        address: where it is.
        places: most prompts at the same time.

    Attributes:
        in_use: prompts under way.
        is_up: whether it is given prompts.
        cause: why it was set aside last.
    """

    address: EngineAddress
    places: int
    in_use: int = field(default=0, init=False)
    is_up: bool = field(default=True, init=False)
    cause: str = field(default="", init=False)

    @property
    def shown(self) -> str:
        """The address, without what is secret in it."""
        return self.address.shown

    def set_aside(self, cause: str) -> None:
        """Give it no more prompts."""
        self.is_up, self.cause = False, cause

    async def version(self, client: Client) -> str:
        """The version of the weights that it says it has.

        Raises:
            ServerFault: it does not say.
        """
        found = await client.ask(self.address, "GET", "/weight_info", limit=QUICK)
        version = found.get("weight_version")
        if not isinstance(version, str):
            raise ServerFault(f"it does not say which weights it has; {_HOW}")
        return version

    async def context_length(self, client: Client) -> int | None:
        """Tokens of prompt and completion that it has room for; None if it does not say."""
        found = await client.ask(self.address, "GET", "/v1/models", limit=QUICK)
        listed = found.get("data")
        first = listed[0] if isinstance(listed, list) and listed else {}
        length = first.get("max_model_len") if isinstance(first, dict) else None
        return length if isinstance(length, int) else None

    async def workers(self, client: Client) -> int:
        """How many processes hold a share of its weights."""
        return int((await client.ask(self.address, "GET", "/get_world_size", limit=QUICK))["world_size"])

    async def exchange(self, client: Client, version: str, load: Callable[[], Awaitable[Any]], *, limit: float) -> None:
        """Weights of another version: requests called off, weights loaded, every cache emptied.

        Whoever is stopped in the middle leaves a server that says of itself that it holds no version.

        Args:
            client: speaks to it.
            version: of the weights that come.
            load: loads them, between beginning and end of the update.
            limit: seconds for the loading.

        Raises:
            ServerFault: it did not take them up.
        """
        await self._post(client, "/pause?mode=abort")
        await self._post(client, "/update_weight_version", {"new_version": _UNFINISHED})
        await self._begin(client)
        await load()
        await client.ask(self.address, "POST", "/finish_weight_update", limit=limit)
        # What the old weights made of prompts and images is of no use to the new ones.
        for cache in ("prefix", "mm", "encoder"):
            found = await self._post(client, f"/reset_{cache}_cache")
            if found.get("success") is False:
                raise ServerFault(f"it could not empty its {cache} cache")
        await self._post(client, "/resume")
        # Last: a server that has the version has all that belongs to it.
        await self._post(client, "/update_weight_version", {"new_version": version})
        held = await self.version(client)
        if held != version:
            raise ServerFault(f"it was given weights {version} and says that it has {held}: does another run use it?")

    async def _begin(self, client: Client) -> None:
        try:
            await self._post(client, "/start_weight_update")
        except ServerFault:
            # One that its trainer never ended, because it was stopped: end it, and begin anew.
            await self._post(client, "/finish_weight_update")
            await self._post(client, "/start_weight_update")

    async def _post(self, client: Client, path: str, content: object = None) -> dict[str, Any]:
        try:
            return await client.ask(self.address, "POST", path, content, limit=QUICK)
        except ServerFault as fault:
            if fault.cause.startswith("status 404"):
                raise ServerFault(f"it takes no weights ({path} is not there); {_HOW}") from fault
            raise
