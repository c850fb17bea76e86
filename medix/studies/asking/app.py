"""The web applications of ``ask --web``: a page to ask a model, and one to answer before it."""

import asyncio
import hmac
import json
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from medix.data.image_markers import as_read
from medix.data.picture import PictureError
from medix.studies.asking.asker import Asker, Tell
from medix.studies.asking.practice_samples import PracticeSamples
from medix.studies.asking.uploads import preview, question_of, uploaded
from medix.studies.web import GuardedApp, Handler, body_of
from medix.studies.web_page import WebPage
from medix.types import Sample

_LARGEST_PICTURE = 1 << 28
_LARGEST_QUESTION = 1 << 29
_LARGEST_ANSWER = 1 << 16


class ReaderLeftError(Exception):
    """Nobody reads what is told any more."""


class PageApp(GuardedApp):
    """A page below ``/TOKEN``; everything else is not there.

    Args:
        asker: the model and the judge.
        token: what the address holds, so that other pages in the same browser cannot ask.
        name: of the model, which the page shows.
        handlers: by method and path below the token.
        is_practice: whether the page asks before the model is asked.
    """

    def __init__(
        self, asker: Asker, token: str, name: str, handlers: Mapping[tuple[str, str], Handler], is_practice: bool
    ) -> None:
        self.asker = asker
        self.token = token
        has_judge = asker.judge is not None
        self._page = WebPage("ask", Path(__file__).parent, model=name, has_judge=has_judge, is_practice=is_practice)
        routes = [
            Route(f"/{{token}}{path}", self._known(handler), methods=[method])
            for (method, path), handler in {("GET", ""): self._show, **handlers}.items()
        ]
        super().__init__(routes)

    def _known(self, handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            if not hmac.compare_digest(request.path_params["token"].encode(), self.token.encode()):
                raise HTTPException(404)
            try:
                return await handler(request)
            except (ValueError, RecursionError) as error:
                return PlainTextResponse(str(error), 400)

        return answer

    async def _show(self, request: Request) -> Response:  # noqa: ARG002 - the signature of a handler
        return HTMLResponse(self._page.html, headers={"Content-Security-Policy": self._page.policy})


class AskApp(PageApp):
    """Serves the page on which a person asks the model; see ``PageApp`` for the arguments."""

    def __init__(self, asker: Asker, token: str, name: str) -> None:
        handlers = {("POST", "/picture"): self._preview, ("POST", "/ask"): self._ask}
        super().__init__(asker, token, name, handlers, is_practice=False)

    async def _preview(self, request: Request) -> Response:
        name, data = request.query_params.get("name", ""), await body_of(request, _LARGEST_PICTURE)
        return _png(await run_in_threadpool(lambda: preview(uploaded(name, data))))

    async def _ask(self, request: Request) -> Response:
        body = json.loads(await body_of(request, _LARGEST_QUESTION))
        question, references = await run_in_threadpool(question_of, body)
        return _streamed(lambda tell: self.asker.ask(question, references, tell))


class PracticeApp(PageApp):
    """Serves the page on which a person answers before the model.

    Args:
        asker: the model and the judge.
        token: as of ``PageApp``.
        name: as of ``PageApp``.
        samples: what is asked.
    """

    def __init__(self, asker: Asker, token: str, name: str, samples: PracticeSamples) -> None:
        self.samples = samples
        handlers: dict[tuple[str, str], Handler] = {
            ("GET", "/sample/{place:place}"): self._sample,
            ("GET", "/sample/{place:place}/image/{index:place}"): self._image,
            ("POST", "/sample/{place:place}/answer"): self._answer,
        }
        super().__init__(asker, token, name, handlers, is_practice=True)

    async def _sample(self, request: Request) -> Response:
        sample = await self._sample_of(request)
        return JSONResponse(
            {"question": as_read(sample.question), "images": len(sample.images), "samples": len(self.samples)}
        )

    async def _image(self, request: Request) -> Response:
        sample = await self._sample_of(request)
        if request.path_params["index"] >= len(sample.images):
            raise HTTPException(404)
        return _png(await run_in_threadpool(preview, sample.images[request.path_params["index"]]))

    async def _answer(self, request: Request) -> Response:
        written = json.loads(await body_of(request, _LARGEST_ANSWER))
        if not isinstance(written, str):
            raise ValueError("this is no answer of this page; load it again")
        sample = await self._sample_of(request)
        return _streamed(lambda tell: self.asker.practise(sample, written, tell))

    async def _sample_of(self, request: Request) -> Sample:
        place = request.path_params["place"]
        if place >= len(self.samples):
            raise HTTPException(404)
        return await run_in_threadpool(self.samples.__getitem__, place)


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png")


def _streamed(work: Callable[[Tell], None]) -> Response:
    return StreamingResponse(_lines(work), media_type="application/x-ndjson")


async def _lines(work: Callable[[Tell], None]) -> AsyncIterator[bytes]:
    """One line of JSON for each event of work in a thread; the work ends when nobody reads any more."""
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    has_left = False

    def tell(event: dict[str, Any] | None) -> None:
        if has_left:
            raise ReaderLeftError
        loop.call_soon_threadsafe(events.put_nowait, event)

    def run() -> None:
        try:
            work(tell)
            tell(None)
        except ReaderLeftError:
            return
        except Exception as error:  # noqa: BLE001  # the page tells it; the terminal says where it came from
            if not isinstance(error, PictureError | ValueError | ConnectionError):
                traceback.print_exc()
            loop.call_soon_threadsafe(events.put_nowait, {"failure": str(error) or type(error).__name__})
            loop.call_soon_threadsafe(events.put_nowait, None)

    running = loop.run_in_executor(None, run)
    try:
        while (event := await events.get()) is not None:
            yield json.dumps(event).encode() + b"\n"
        await running
    finally:
        has_left = True
