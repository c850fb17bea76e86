"""The calls of one vLLM server: its weights, its context length, completions."""

import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import torch

from medix.rollout.serving.stream import Choice, ChoiceStream
from medix.serving.address import Address
from medix.serving.request_error import RequestError
from medix.serving.session import Session

SHORT_LIMIT = 30.0
"""Seconds that a server has for anything that is neither sampling nor loading."""

_UNFINISHED = "medix-unfinished"
_REMEDY = "start the server with: python -m medix rollout serve"


@dataclass(frozen=True)
class Server:
    """The HTTP interface of one server; every call raises ``RequestError`` where the server does not do as asked.

    Args:
        session: sends the requests.
        address: where the server is.
    """

    session: Session
    address: Address

    async def ask(
        self, method: str, path: str, content: object = None, *, limit: float = SHORT_LIMIT
    ) -> dict[str, Any]:
        """One request, one JSON object; empty where the server sends none."""
        async with self.session.attempt(limit):
            found = json.loads(await self.session.fetch(self.address, method, path, content) or b"{}")
        return found if isinstance(found, dict) else {}

    async def complete(
        self, content: dict[str, Any], stream: ChoiceStream, *, limit: float
    ) -> AsyncGenerator[Choice, None]:
        """Completions of one prompt, as they are finished.

        Args:
            content: the request.
            stream: decodes the answer.
            limit: seconds for all of it.
        """
        request = self.session.request(self.address, "POST", "/inference/v1/generate", content)
        async with self.session.attempt(limit), request as answer:
            async for data in answer.content.iter_any():
                for choice in stream.feed(data):
                    yield choice
                if stream.is_done:
                    break
            stream.close()

    async def version(self) -> str:
        """The version of the weights that it reports."""
        version = (await self.ask("GET", "/weight_info")).get("weight_version")
        if not isinstance(version, str):
            raise RequestError(f"it does not report the version of its weights; {_REMEDY}")
        return version

    async def context_length(self) -> int | None:
        """Longest prompt and completion together, in tokens; None if it does not report it."""
        listed = (await self.ask("GET", "/v1/models")).get("data")
        first = listed[0] if isinstance(listed, list) and listed else {}
        length = first.get("max_model_len") if isinstance(first, dict) else None
        return length if isinstance(length, int) else None

    async def dtype(self) -> torch.dtype | None:
        """Dtype of its weights; None if it does not report it, or stores them in another form, as quantised ones."""
        described = (await self.ask("GET", "/server_info")).get("vllm_config")
        found = re.search(r"\bdtype=torch\.(\w+)", described) if isinstance(described, str) else None
        if found is None or not re.search(r"\bquantization=None\b", str(described)):
            return None
        dtype = getattr(torch, found[1], None)
        return dtype if isinstance(dtype, torch.dtype) else None

    async def workers(self) -> int:
        """How many processes hold a share of its weights."""
        return int((await self.ask("GET", "/get_world_size"))["world_size"])

    async def exchange(self, version: str, load: Callable[[], Awaitable[Any]], *, limit: float) -> None:
        """Replace the weights: abort requests, load, empty every cache.

        If interrupted, the server reports no valid version.

        Args:
            version: of the new weights.
            load: loads them, between beginning and end of the update.
            limit: seconds to finish the update after loading.
        """
        await self._post("/pause?mode=abort")
        await self._post("/update_weight_version", {"new_version": _UNFINISHED})
        await self._begin()
        await load()
        await self.ask("POST", "/finish_weight_update", limit=limit)
        # keys, values and image features of the old weights are wrong for the new ones
        for cache in ("prefix", "mm", "encoder"):
            found = await self._post(f"/reset_{cache}_cache")
            if found.get("success") is False:
                raise RequestError(f"it could not empty its {cache} cache")
        await self._post("/resume")
        # last, so that a server that reports the version has completed the update
        await self._post("/update_weight_version", {"new_version": version})
        held = await self.version()
        if held != version:
            raise RequestError(f"it was given weights {version} and reports {held}: does another run use it?")

    async def _begin(self) -> None:
        try:
            await self._post("/start_weight_update")
        except RequestError:
            # a trainer was stopped in the middle of an update and never ended it
            await self._post("/finish_weight_update")
            await self._post("/start_weight_update")

    async def _post(self, path: str, content: object = None) -> dict[str, Any]:
        try:
            return await self.ask("POST", path, content)
        except RequestError as error:
            if error.status == 404:
                cause = f"it cannot exchange weights ({path} does not exist); {_REMEDY}"
                raise RequestError(cause, error.outcome, status=404) from error
            raise
