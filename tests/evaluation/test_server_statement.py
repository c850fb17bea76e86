"""What a server of vLLM states about its weights, against the spec of a judge."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from medix.evaluation.judge_check import check_endpoints
from medix.evaluation.server_statement import ServerStatement, statement_of
from tests.evaluation.test_judge_check import lists, served
from tests.support.judges import FaultServer, Request, says, serving

ENTRY = {"id": "m", "root": "owner/name", "owned_by": "vllm"}
INFO = {"vllm_config": {"model_config": {"dtype": "torch.bfloat16", "quantization": "fp8", "revision": "v2"}}}


@contextmanager
def stating(monkeypatch: pytest.MonkeyPatch, info: object) -> Iterator[FaultServer]:
    """A judge server that answers ``/v1/models``, and ``/server_info`` unless there is nothing to tell."""

    def do_get(self: BaseHTTPRequestHandler) -> None:
        is_list = self.path.startswith("/v1/models")
        body = {"data": [ENTRY]} if is_list else info
        lists(self, 404 if body is None else 200, json.dumps(body))

    monkeypatch.setattr(Request, "do_GET", do_get, raising=False)
    with serving(says("YES")) as server:
        yield server


def test_what_a_server_states_is_read_and_held_against_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    with stating(monkeypatch, INFO) as server:
        (silent,) = check_endpoints(served(server), 5)
        (equal,) = check_endpoints(served(server, revision="v2", precision="fp8"), 5)
        (other,) = check_endpoints(served(server, revision="v1", precision="fp8"), 5)
    assert silent.stated.shown == "weights owner/name, revision v2, precision fp8"
    assert (silent.problem, silent.left_out) == ("", ("judge.revision: v2", "judge.precision: fp8"))
    assert (equal.problem, equal.left_out) == ("", ())
    assert other.problem.startswith("states revision 'v2', and judge.revision is 'v1'")


def test_without_quantisation_the_dtype_is_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"vllm_config": {"model_config": {"dtype": "torch.bfloat16", "quantization": None, "revision": None}}}
    with stating(monkeypatch, plain) as server:
        assert statement_of(server.url, ENTRY, "", 5) == ServerStatement("owner/name", "", "bfloat16")


@pytest.mark.parametrize("info", [None, [], {"vllm_config": "text"}, {"vllm_config": {}}])
def test_what_a_server_does_not_state_is_not_made_up(info: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with stating(monkeypatch, info) as server:
        (found,) = check_endpoints(served(server, precision="fp8"), 5)
    assert found.stated == ServerStatement("owner/name")
    assert (found.problem, found.left_out) == ("", ())


def test_servers_of_other_makes_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with stating(monkeypatch, INFO) as server:
        assert statement_of(server.url, {"id": "m", "root": "m"}, "", 5) == ServerStatement()
