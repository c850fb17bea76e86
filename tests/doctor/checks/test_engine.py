"""Room for the longest row in the KV cache, and servers that answer."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from medix.doctor.checks.engine import EngineCheck
from medix.doctor.findings import Finding, State
from medix.doctor.machine import GIB
from medix.policy.tiny import build_tiny
from tests.support.doctoring import look, problems, subject, with_gpus

TOKEN = 2 * 2 * 16 * 4
"""Bytes: a key and a value of width 16 in two layers, in 32 bits."""
WEIGHTS = 141_760 * 4
SAMPLING = {"completions_per_prompt": 3, "max_completion_tokens": 48}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


def colocated(folder: Path, policy: Path, gigabytes: float, **arguments: Any) -> list[Finding]:
    """A GPU of a given size, half of it for vLLM; prompts of 152 tokens at most make rows of 200."""
    init = {"sampling": SAMPLING, "memory_share": 0.5, **arguments}
    engine = {"class_path": "medix.rollout.colocated.ColocatedEngine", "init_args": init}
    model = {"engine": engine, "prompting": {"max_prompt_tokens": 152}}
    at = subject(folder, policy, with_gpus(1, gigabytes), {"accelerator": "gpu", "devices": 1}, model=model)
    return look(EngineCheck(), at)


def size(tokens: float) -> float:
    """GiB of a GPU of which half holds the weights and so many tokens."""
    return 2 * (WEIGHTS + tokens * TOKEN) / GIB


def test_a_share_with_room_for_many_rows_is_ok(tmp_path: Path, policy: Path) -> None:
    (found,) = colocated(tmp_path, policy, size(2048.5))
    assert found.state is State.OK
    assert "2,048 tokens of 256 bytes: 10 rows of full length at the same time" in found.found


def test_a_share_with_no_room_for_the_longest_context_is_a_problem(tmp_path: Path, policy: Path) -> None:
    """By default vLLM needs room for the whole context of the model."""
    (found,) = problems(colocated(tmp_path, policy, size(2000)))
    assert "room for one row of max_context = 2,048" in found.found
    assert "max_context: 200" in found.remedy
    (found,) = colocated(tmp_path, policy, size(2000), max_context=200)
    assert found.state is State.OK


def test_a_share_with_room_for_few_rows_is_a_warning(tmp_path: Path, policy: Path) -> None:
    (found,) = colocated(tmp_path, policy, size(300), max_context=200)
    assert found.state is State.WARNING
    assert "1.5 rows of full length at the same time" in found.found


def test_a_context_shorter_than_a_row_is_a_problem(tmp_path: Path, policy: Path) -> None:
    (found,) = problems(colocated(tmp_path, policy, size(9999), max_context=199))
    assert "max_context: 199, but a row may have 200 tokens" in found.found
    assert found.remedy == "set model.engine.init_args.max_context to 200"


def test_without_a_gpu_the_reserved_memory_is_unknown(tmp_path: Path, policy: Path) -> None:
    engine = {"class_path": "medix.rollout.colocated.ColocatedEngine", "init_args": {"sampling": SAMPLING}}
    at = subject(tmp_path, policy, trainer={"accelerator": "gpu", "devices": 1}, model={"engine": engine})
    (found,) = look(EngineCheck(), at)
    assert found.state is State.WARNING


def test_the_local_engine_has_nothing_to_check(tmp_path: Path, policy: Path) -> None:
    (found,) = look(EngineCheck(), subject(tmp_path, policy))
    assert found.state is State.OK


# Served --------------------------------------------------------------------------------------------------------------

ANSWERS = {"/weight_info": b'{"weight_version": "1"}', "/v1/models": b'{"data": [{"id": "m", "max_model_len": 4200}]}'}


class Request(BaseHTTPRequestHandler):
    """A server that reports its weight version and its context."""

    def do_GET(self) -> None:
        answer = self.server.answers.get(self.path.partition("?")[0])  # type: ignore[attr-defined]
        self.send_response(200 if answer else 404)
        self.send_header("Content-Length", str(len(answer or b"")))
        self.end_headers()
        self.wfile.write(answer or b"")

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Request) as made:
        made.answers = dict(ANSWERS)  # type: ignore[attr-defined]
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield made
        made.shutdown()


def served(folder: Path, url: str) -> list[Finding]:
    init = {"sampling": SAMPLING, "base_url": url}
    engine = {"class_path": "medix.rollout.served.ServedEngine", "init_args": init}
    return look(EngineCheck(), subject(folder, Path("owner/model"), model={"engine": engine}))


def test_a_server_that_runs_and_has_room_is_ok(tmp_path: Path, server: Any) -> None:
    (found,) = served(tmp_path, f"http://127.0.0.1:{server.server_port}")
    assert found.state is State.OK


def test_a_server_with_a_context_shorter_than_a_row_is_a_warning(tmp_path: Path, server: Any) -> None:
    server.answers["/v1/models"] = b'{"data": [{"id": "m", "max_model_len": 4000}]}'
    (found,) = served(tmp_path, f"http://127.0.0.1:{server.server_port}")
    assert found.state is State.WARNING
    assert "a context of 4,000 tokens; a prompt and its completion may have 4,144" in found.found


def test_a_server_that_accepts_no_weights_is_a_problem(tmp_path: Path, server: Any) -> None:
    del server.answers["/weight_info"]
    (found,) = problems(served(tmp_path, f"http://127.0.0.1:{server.server_port}"))
    assert "status 404" in found.found


def test_a_server_that_does_not_run_is_a_problem_with_the_command_that_starts_it(tmp_path: Path) -> None:
    (found,) = problems(served(tmp_path, "http://127.0.0.1:1"))
    assert "model.engine.init_args.base_url: http://127.0.0.1:1" in found.found
    assert found.remedy == "start it: python -m medix rollout serve --model owner/model"
