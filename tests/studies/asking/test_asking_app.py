"""What the page of ``ask --web`` gets from its server, and what it does not."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from medix.studies.asking.practice_samples import PracticeSamples
from medix.types import Sample
from tests.studies.asking.conftest import Client
from tests.support.fault_server import refuses
from tests.support.judges import says, streams
from tests.support.studies import picture

Make = Callable[..., Client]
PARTS = [
    {"kind": "modality", "text": "X_RAY"}, {"kind": "reasoning", "text": "seen"}, {"kind": "answer", "text": "left"},
]  # fmt: skip


def body(**fields: Any) -> dict[str, Any]:
    sent = [{"name": "a.png", "data": base64.b64encode(picture(9)).decode()}]
    return {"question": "Which side?", "reference": "", "pictures": sent, **fields}


def test_what_is_written_comes_in_parts_and_ends_with_what_became_of_it(served: Make) -> None:
    client = served()
    *grown, last = client.events("/ask", body(reference="right"))
    assert all(set(event) == {"parts"} for event in grown)
    assert last["parts"] == PARTS
    assert last["notes"] == []
    assert last["verdict"] == {"verdict": "NO", "because": "laterality: left against right", "judge": "exact/4"}
    (request,) = client.server.bodies
    kinds = [part["type"] for part in request["messages"][-1]["content"]]
    assert sorted(kinds) == ["image_url", "text"]


def test_without_a_reference_there_is_no_verdict(served: Make) -> None:
    assert "verdict" not in served().events("/ask", body())[-1]
    assert "verdict" not in served(has_judge=False).events("/ask", body(reference="left"))[-1]


def test_a_completion_that_was_cut_off_is_told(served: Make) -> None:
    event = served(streams("<answer>le", finish_reason="length")).events("/ask", body())[-1]
    assert event["notes"] == [
        "the limit of tokens cut the completion off; see --max-tokens", "it does not have exactly one answer",
    ]  # fmt: skip


def test_an_endpoint_that_refuses_is_a_failure_with_its_reason(served: Make) -> None:
    (event,) = served(refuses(400, "no images here")).events("/ask", body())
    assert "no images here" in event["failure"]


def test_an_error_inside_is_told_on_the_page_and_where_it_came_from_on_the_terminal(
    served: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = served()
    monkeypatch.setattr(client.app.asker, "ask", lambda *given: 1 / 0)
    assert client.events("/ask", body()) == [{"failure": "division by zero"}]
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (body(question=" "), "--question: is empty"),
        (body(pictures=[{"name": "a.png", "data": "AAAA"}]), "a.png: "),
        (body(pictures=[{"name": "a.png", "data": "é"}]), "this is no question of this page"),
        (body(pictures=[{"name": 3, "data": ""}]), "this is no question of this page"),
        ({"question": "x"}, "this is no question of this page"),
        ([], "this is no question of this page"),
    ],
)
def test_what_is_no_question_is_refused_with_the_reason(sent: Any, told: str, served: Make) -> None:
    client = served()
    reply = client.send("/ask", "POST", json=sent)
    assert reply.status_code == 400
    assert told in reply.text
    assert "medix-ask-" not in reply.text
    assert client.server.bodies == []


def test_a_picture_is_shown_as_the_model_gets_it(served: Make) -> None:
    client = served()
    reply = client.send("/picture?name=a.png", "POST", content=picture(9))
    assert reply.headers["content-type"] == "image/png"
    assert reply.content.startswith(b"\x89PNG")
    refused = client.send("/picture?name=b.txt", "POST", content=b"no picture")
    assert (refused.status_code, refused.text.startswith("b.txt: ")) == (400, True)


def test_who_practises_is_judged_first_and_then_sees_the_model(served: Make) -> None:
    client = served(practises=True)
    shown = client.send("/sample/0").json()
    assert (set(shown), shown["samples"], shown["images"]) == ({"question", "images", "samples"}, 6, 1)
    assert client.send("/sample/0/image/0").headers["content-type"] == "image/png"
    assert client.server.bodies == []
    first, *_, last = client.events("/sample/0/answer", "neither of them")
    assert first["credit"] == 0.0
    assert first["yours"]["verdict"] == "NO"
    assert last["parts"] == PARTS
    again, *_ = client.events("/sample/0/answer", first["reference"])
    assert (again["credit"], again["yours"]["verdict"]) == (1.0, "YES")
    empty, *_ = client.events("/sample/0/answer", " ")
    assert (empty["credit"], empty["yours"]["because"]) == (0.0, "you wrote no answer: wrong")


def test_markers_of_images_are_shown_as_in_a_study(served: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = Sample("1", "Before: <image 1> after: <image>?", "left", None, "s")
    monkeypatch.setattr(PracticeSamples, "__getitem__", lambda *_: sample)
    assert served(practises=True).send("/sample/0").json()["question"] == "Before: (image 1) after: (image)?"


@pytest.mark.parametrize("path", ["/sample/6", "/sample/0/image/1", "/sample/x", "/ask", "/elsewhere"])
def test_what_is_not_there_is_not_there(path: str, served: Make) -> None:
    assert served(says("left"), practises=True).send(path).status_code in (404, 405)


@pytest.mark.parametrize("path", ["", "/picture", "/ask"])
def test_without_the_token_there_is_nothing(path: str, served: Make) -> None:
    client = served()
    assert client.send("").status_code == 200
    for token in ("", "secre", "secret2", "sécret"):
        assert client.send(path, "POST" if path else "GET", token).status_code in (404, 405)
    assert client.server.bodies == []


def test_the_page_says_what_it_is_for_and_runs_its_own_script_alone(served: Make) -> None:
    reply = served().send("")
    assert "not for clinical decisions" in reply.text
    assert "my model" in reply.text
    assert "script-src 'sha256-" in reply.headers["content-security-policy"]
    assert reply.headers["x-frame-options"] == "DENY"
    assert '<label for="written">' not in reply.text
    assert '<label for="written">' in served(practises=True).send("").text
    assert "Right answer" not in served(has_judge=False).send("").text
