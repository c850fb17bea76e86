"""What ``medix judge check`` finds of servers that are well, and of servers that are not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from medix.evaluation.judge_check import QUESTIONS, check
from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.panel import PanelJudge
from medix.judge.scripted import ScriptedJudge
from medix.judge.served import ServedJudge
from tests.support.judges import Act, FaultServer, Request, says, serving


def lists(request: BaseHTTPRequestHandler, status: int, body: str) -> None:
    data = body.encode()
    request.send_response(status)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


MODELS = json.dumps({"data": [{"id": "m"}, {"id": "other"}]})


@contextmanager
def listing(act: Act, monkeypatch: pytest.MonkeyPatch, status: int = 200, body: str = MODELS) -> Iterator[FaultServer]:
    """A judge server that answers ``GET /v1/models`` as well."""
    seen: list[str] = []

    def do_get(self: Request) -> None:
        seen.append(self.headers.get("Authorization", ""))
        lists(self, status if self.path.startswith("/v1/models") else 404, body)

    monkeypatch.setattr(Request, "do_GET", do_get, raising=False)
    with serving(act) as server:
        server.keys = seen
        yield server


def served(server: FaultServer, **arguments: object) -> ServedJudge:
    return ServedJudge(**{"base_url": server.url, "model": "m", "retries": 0, **arguments})  # type: ignore[arg-type]


# Well ----------------------------------------------------------------------------------------------------------------


def test_a_server_that_is_well_is_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    with listing(says("NO"), monkeypatch) as server:
        judge = served(server)
        found = check(judge)
        judge.close()
    assert found.is_usable
    assert found.problems == []
    [endpoint] = found.endpoints
    assert (endpoint.address, endpoint.models, endpoint.problem) == (server.url, ("m", "other"), "")
    assert found.judge == judge.identity
    assert found.replies == f"constrained; {QUESTIONS} of {QUESTIONS} are exactly YES or NO"
    endpoints, whole = found.tables()
    assert endpoints.rows[0][:2] == [server.url, "yes"]
    assert dict(whole.rows)["Questions scored"] == f"{QUESTIONS} of {QUESTIONS}"
    assert dict(whole.rows)["Example verdict"].startswith("NO to 'right upper lobe'")
    assert "median" in dict(whole.rows)["Latency"]


def test_a_judge_without_a_server_is_asked_alone() -> None:
    found = check(ExactJudge())
    assert found.is_usable
    assert found.endpoints == ()
    assert [verdict.credit for _, verdict in found.verdicts] == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert len(list(found.tables())) == 1


def test_every_server_behind_a_panel_is_looked_at_once() -> None:
    urls = [f"http://127.0.0.1:{port}/v1" for port in (1, 2)]
    members: list[Judge] = [ServedJudge(urls, "a"), ServedJudge(urls[0], "b"), ExactJudge()]
    panel = PanelJudge(members)
    found = check(panel)
    assert [(entry.address, entry.model) for entry in found.endpoints] == [
        (urls[0], "a"),
        (urls[1], "a"),
        (urls[0], "b"),
    ]


def test_the_key_is_sent_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-hidden-77")
    with listing(says("YES"), monkeypatch) as server:
        judge = served(server, api_key_env="MY_KEY", base_url=server.url + "?secret=1")
        found = check(judge)
        judge.close()
    assert set(server.keys) == {"Bearer sk-hidden-77"}  # of the list and of every question
    assert "hidden" not in repr(found)
    assert "secret" not in repr(found)


# Not well ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, json.dumps({"data": [{"id": "n"}]}), "does not list the model 'm' but n; correct judge.model"),
        (200, json.dumps({"data": []}), "does not list the model 'm' but none"),
        (401, "{}", "status 401; set a valid key in the environment variable OPENAI_API_KEY"),
        (500, "{}", "status 500"),
        (200, "<html>", "no list of models; check base_url"),
        (200, "[]", "no list of models"),
        (200, '{"data": null}', "no list of models"),
    ],
)
def test_a_server_that_cannot_be_used_says_why_and_is_asked_nothing(
    status: int, body: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listing(says("YES"), monkeypatch, status, body) as server:
        found = check(served(server))
    assert not found.is_usable
    assert told in found.problems[0]
    assert server.bodies == []


def test_a_server_that_is_not_there_is_told_with_the_command_that_starts_it() -> None:
    found = check(ServedJudge("http://127.0.0.1:9/v1", "m"))
    assert not found.is_usable
    assert found.problems[0].startswith("http://127.0.0.1:9/v1: cannot be reached (")
    assert "python -m medix judge serve --model m" in found.problems[0]


def test_a_server_that_lists_and_does_not_judge_is_not_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM stays up and lists its models when its engine has died."""
    with listing(says("perhaps"), monkeypatch) as server:
        judge = served(server, constrained=False)
        found = check(judge)
        judge.close()
    assert not found.is_usable
    assert len(found.problems) == 1
    assert "holds no verdict" in found.problems[0]
    assert found.replies.startswith("not constrained; 0 of 5")


def test_one_of_two_servers_that_is_down_is_a_problem_and_the_other_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with listing(says("YES"), monkeypatch) as server:
        judge = served(server, base_url=[server.url, "http://127.0.0.1:9/v1"], retries=3)
        found = check(judge)
        judge.close()
    assert [bool(endpoint.problem) for endpoint in found.endpoints] == [False, True]
    assert all(verdict.is_scored for _, verdict in found.verdicts)
    assert not found.is_usable


def test_a_list_that_does_not_come_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(self: Request) -> None:
        self.server.stopping.wait(20)

    with listing(says("YES"), monkeypatch) as server:
        monkeypatch.setattr(Request, "do_GET", hangs)
        found = check(served(server), timeout=0.2)
    assert "cannot be reached" in found.problems[0]


def test_a_judge_that_says_nothing_at_all_is_not_usable() -> None:
    found = check(ScriptedJudge(None))
    assert not found.is_usable
    assert found.problems == ["the scripted judge cannot be reached"]
