"""What the server of a study answers, and what it never says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from medix.studies.preference.app import StudyApp
from medix.studies.preference.database import StudyDatabase
from tests.support.studies import open_study


class Client:
    """Asks an application in this process, as one rater."""

    def __init__(self, database: StudyDatabase, token: str) -> None:
        self.database = database
        self.base = f"/r/{token}"

    def ask(self, path: str = "", method: str = "GET", **fields: Any) -> httpx.Response:
        """One request below the link of the rater."""
        import asyncio

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(StudyApp(self.database))
            async with httpx.AsyncClient(transport=transport, base_url="http://study") as client:
                return await client.request(method, self.base + path, **fields)

        return asyncio.run(asked())

    def save(self, **click: Any) -> httpx.Response:
        """Save one click."""
        return self.ask("/save", "POST", json=click)


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[list[Client]]:
    """Two raters of a study."""
    database, tokens = open_study(tmp_path)
    yield [Client(database, token) for token in tokens]
    database.close()


def test_a_rater_sees_and_saves(clients: list[Client]) -> None:
    one, other = clients
    assert "Which answer is better?" in one.ask().text
    assert one.ask("/progress").json() == {"decided": [False] * 4}
    assert one.ask("/image/0/0").headers["content-type"] == "image/png"
    assert one.save(place=0, field="choice", value="tie").json() == {"decided": [True, False, False, False]}
    assert one.ask("/item/0").json()["said"] == {"choice": "tie"}
    assert other.ask("/item/0").json()["said"] == {}
    assert other.ask("/progress").json() == {"decided": [False] * 4}


def test_nothing_about_the_models_leaves_the_server(clients: list[Client]) -> None:
    """Names, files, numbers of models, ids, seed, sides: a reply holds the question, two texts and what was said."""
    replies = [clients[0].ask(path) for path in ("", "/progress", *(f"/item/{place}" for place in range(4)))]
    replies.append(clients[0].save(place=0, field="choice", value="left"))
    for reply in replies:
        told = (reply.text + str(reply.headers)).lower()
        assert not any(word in told for word in ("secret-model", "jsonl", "swapped", "seed", "repeat=", "shards/"))
    for reply in replies[2:6]:
        assert set(reply.json()) == {"question", "images", "left", "right", "said"}
        assert set(reply.json()["left"]) == set(reply.json()["right"]) == {"answer", "reasoning"}
    assert clients[0].ask("/image/0/0").headers.get("etag") is None


@pytest.mark.parametrize("path", ["", "/progress", "/item/0", "/image/0/0", "/save"])
def test_a_wrong_token_gets_what_an_address_gets_that_does_not_exist(clients: list[Client], path: str) -> None:
    stranger = Client(clients[0].database, "0" * 24)
    method = "POST" if path == "/save" else "GET"
    refused = stranger.ask(path, method, **({"json": {}} if path == "/save" else {}))
    nowhere = Client(clients[0].database, "").ask("/../../etc")
    assert refused.status_code == nowhere.status_code == 404
    assert refused.text == nowhere.text


@pytest.mark.parametrize(
    "path", ["/item/4", "/item/-1", "/item/x", f"/item/{10**30}", "/image/0/1", "/image/9/0", "/db"]
)
def test_what_is_not_assigned_is_not_there(clients: list[Client], path: str) -> None:
    assert clients[0].ask(path).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"place": 0}', b'{"place": "0", "field": "choice", "value": "tie"}',
        b'{"place": true, "field": "choice", "value": "tie"}', b'{"place": 0, "field": ["choice"], "value": "tie"}',
        b'{"place": 0, "field": "choice", "value": "best"}', b'{"place": 0, "field": "choice", "value": null}',
        b'{"place": 1e400, "field": "choice", "value": "tie"}', b"[" * 60000, b"x" * 100_000, b"\xff",
    ],
)  # fmt: skip
def test_a_body_that_is_no_click_changes_nothing(clients: list[Client], body: bytes) -> None:
    assert clients[0].ask("/save", "POST", content=body).status_code == 400
    assert clients[0].ask("/item/0").json()["said"] == {}


def test_a_click_on_a_place_that_is_not_there_is_404(clients: list[Client]) -> None:
    assert clients[0].save(place=99, field="choice", value="tie").status_code == 404
    assert clients[0].save(place=10**30, field="choice", value="tie").status_code == 404


def test_a_form_of_another_page_cannot_click_without_the_link_and_get_does_not_save(clients: list[Client]) -> None:
    assert clients[0].ask("/save").status_code == 405
    assert clients[0].ask("/save", "POST", data={"place": 0, "field": "choice", "value": "tie"}).status_code == 400


def test_every_reply_keeps_the_link_to_itself(clients: list[Client]) -> None:
    for path in ("", "/progress", "/item/0", "/image/0/0", "/item/99"):
        headers = clients[0].ask(path).headers
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    assert "frame-ancestors 'none'" in clients[0].ask().headers["content-security-policy"]


def test_hostile_comments_are_kept_as_texts(clients: list[Client]) -> None:
    text = "</script><img src=x onerror=alert(1)> \u202e"
    assert clients[0].save(place=0, field="comment", value=text).status_code == 200
    assert clients[0].ask("/item/0").json()["said"]["comment"] == text.replace("\u202e", "[U+202E]")
    escaped = json.dumps({"place": 0, "field": "comment", "value": "\ud800"})
    assert clients[0].ask("/save", "POST", content=escaped.encode()).status_code == 200


@pytest.mark.parametrize("place", [-(10**30), -1, 4, 10**30])
def test_a_click_on_a_place_that_is_not_there_is_told_so(clients: list[Client], place: int) -> None:
    assert clients[0].save(place=place, field="choice", value="tie").status_code == 404
