"""The web application of a study: one page for each rater, under an address that only the rater knows."""

import json

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from medix.studies.preference.database import NotThereError, StudyDatabase
from medix.studies.preference.page import StudyPage
from medix.studies.web import GuardedApp, body_of, not_there

_LARGEST_BODY = 1 << 16


class StudyApp(GuardedApp):
    """Serves a study.

    ``/r/TOKEN`` is the page of a rater; ``progress``, ``item/PLACE``, ``image/PLACE/INDEX`` and ``save`` below it are
    what the page asks for. Everything else is not there, and nothing tells models apart but their texts.

    Args:
        database: of the study.
    """

    def __init__(self, database: StudyDatabase) -> None:
        self.database = database
        self._page = StudyPage(with_reasoning=bool(database.facts["with_reasoning"]))
        paths = {
            "": self._show,
            "/progress": self._progress,
            "/item/{place:place}": self._item,
            "/image/{place:place}/{index:place}": self._image,
        }
        routes = [Route(f"/r/{{token}}{path}", handler) for path, handler in paths.items()]
        routes.append(Route("/r/{token}/save", self._save, methods=["POST"]))
        super().__init__(routes, {NotThereError: not_there})

    async def _show(self, request: Request) -> Response:
        await self._rater(request)
        policy = {"Content-Security-Policy": self._page.policy}
        return HTMLResponse(self._page.html, headers=policy)

    async def _progress(self, request: Request) -> Response:
        rater = await self._rater(request)
        return JSONResponse({"decided": await run_in_threadpool(self.database.decided, rater)})

    async def _item(self, request: Request) -> Response:
        rater, place = await self._rater(request), request.path_params["place"]
        item = await run_in_threadpool(self.database.item, rater, place)
        await run_in_threadpool(self.database.note_shown, rater, place)
        return JSONResponse(item)

    async def _image(self, request: Request) -> Response:
        rater = await self._rater(request)
        place, index = request.path_params["place"], request.path_params["index"]
        return Response(await run_in_threadpool(self.database.image, rater, place, index), media_type="image/png")

    async def _save(self, request: Request) -> Response:
        rater = await self._rater(request)
        try:
            click = json.loads(await body_of(request, _LARGEST_BODY))
            place, field, value = click["place"], click["field"], click["value"]
            if type(place) is not int or not isinstance(field, str) or not isinstance(value, str):
                raise TypeError("place is a number, field and value are texts")
            await run_in_threadpool(self.database.save, rater, place, field, value)
        except (ValueError, TypeError, KeyError, RecursionError):
            return PlainTextResponse("This cannot be saved.", 400)
        return JSONResponse({"decided": await run_in_threadpool(self.database.decided, rater)})

    async def _rater(self, request: Request) -> int:
        return await run_in_threadpool(self.database.rater, request.path_params["token"])
