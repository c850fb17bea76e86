"""A model at an endpoint, asked through the page's application in this process."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from medix.commands.shards import main as shards
from medix.evaluation.endpoint_model import open_endpoint
from medix.evaluation.model_arguments import ModelArguments
from medix.judge.exact import ExactJudge
from medix.studies.asking.app import AskApp, PageApp, PracticeApp
from medix.studies.asking.asker import Asker
from medix.studies.asking.practice_samples import PracticeSamples
from tests.support.fault_server import Act
from tests.support.judges import FaultServer, serving, streams

WHOLE = ("<X_RAY><thi", "nk>seen</think><ans", "wer>left</answer>")


class Client:
    """Asks an application in this process."""

    def __init__(self, app: PageApp, server: FaultServer) -> None:
        self.app = app
        self.server = server

    def send(self, path: str, method: str = "GET", token: str = "secret", **fields: Any) -> httpx.Response:
        """One request below the address of the page."""

        async def sent() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://page") as client:
                return await client.request(method, f"/{token}{path}", **fields)

        return asyncio.run(sent())

    def events(self, path: str, body: Any) -> list[dict[str, Any]]:
        """The lines of a reply."""
        reply = self.send(path, "POST", json=body)
        assert reply.status_code == 200, reply.text
        return [json.loads(line) for line in reply.text.splitlines()]


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of six phantoms."""
    folder = tmp_path_factory.mktemp("practice")
    words = ["--split", "val", "--seed", "1", "--name", "val", "--dataset", "phantoms", "--output", str(folder)]
    assert shards(["build", "--phantoms", "6", *words]) == 0
    return folder


@pytest.fixture
def served(phantoms: Path) -> Iterator[Callable[..., Client]]:
    """Makes clients whose endpoint does as it is told."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(*acts: Act, practises: bool = False, has_judge: bool = True) -> Client:
            server = stack.enter_context(serving(*(acts or (streams(*WHOLE),))))
            evaluated = open_endpoint(ModelArguments("m", [server.url], timeout=10))
            stack.enter_context(closing(evaluated.model))
            given = Asker(evaluated, ExactJudge() if has_judge else None), "secret", "my model"
            if not practises:
                return Client(AskApp(*given), server)
            return Client(PracticeApp(*given, stack.enter_context(closing(PracticeSamples([phantoms])))), server)

        yield make
