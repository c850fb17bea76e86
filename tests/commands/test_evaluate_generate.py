"""``python -m medix eval generate`` from files to rows, with servers that go wrong, and killed."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from medix.__main__ import main as medix
from tests.support.fault_server import nobody, refuses
from tests.support.judges import Request, says, serving, slowly
from tests.support.tables import mmlu, slake


def words(folder: Path, url: str, *more: str) -> list[str]:
    data = str(mmlu(slake(folder / "data")))
    model = ["--base-url", url, "--model", "m", "--output", str(folder / "out")]
    return ["eval", "generate", "--tasks", "mmlu_anatomy", "slake_vqa", "--data", data, *model, *more]


def rows(folder: Path, task: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out" / task / "generations.jsonl").read_text().splitlines()]


def test_tasks_become_rows_and_the_same_command_asks_nothing_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(says("<answer>B</answer>")) as server:
        assert medix(words(tmp_path, server.url, "--limit", "2")) == 0
        told = capsys.readouterr()
        assert "mmlu_anatomy: 2 completions made, 0 known, 0 failed\nslake_vqa: 2 completions made" in told.out
        assert "slake_vqa: 3 of 1,061 rows of the benchmark are here" in told.err
        assert medix(words(tmp_path, server.url)) == 0
        assert "mmlu_anatomy: 1 completions made, 2 known, 0 failed" in capsys.readouterr().out
        assert len(server.bodies) == 6
        assert medix(words(tmp_path, server.url, "--limit", "2")) == 2
        assert f"--limit 2: {tmp_path / 'out'} holds completions of 3 items of mmlu_anatomy" in capsys.readouterr().err
        assert medix(words(tmp_path, server.url, "--limit", "3")) == 0
    assert [row["answer_index"] for row in rows(tmp_path, "mmlu_anatomy")] == [1, 0, 2]
    assert json.loads((tmp_path / "out" / "slake_vqa" / "task.json").read_text())["rows"] == 3


def test_what_was_decided_about_the_choices_of_a_task_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.yaml").write_text(
        "data: {columns: {question: q, answer: a, choices: [A, B, C]}}\nlicence: none\n"
        "about: Own questions.\ncluster: item\nscoring: binary\n"
    )
    (tmp_path / "own.csv").write_text("q,a,A,B,C\nWhich?,x,x,y,NA\n")
    model = ["--model", "m", "--output", str(tmp_path / "out")]
    with serving(says("<answer>A</answer>")) as server:
        own = ["--tasks", str(tmp_path / "own.yaml"), "--data", str(tmp_path), "--base-url", server.url]
        assert medix(["eval", "generate", *own, *model]) == 0
    assert "own: rows whose last choice is such a word as" in capsys.readouterr().err


def test_an_endpoint_that_refuses_images_leaves_failures_and_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(request: Request) -> None:
        content = request.body["messages"][0]["content"]
        has_image = any(part["type"] == "image_url" for part in content)
        (refuses(400, "no images") if has_image else says("B"))(request)

    with serving(act) as server:
        assert medix(words(tmp_path, server.url)) == 1
    told = capsys.readouterr()
    assert "slake_vqa: 0 completions made, 0 known, 3 failed" in told.out
    assert "status 400: no images" in told.err
    assert "3 completions could not be made; the same command tries them again" in told.err
    assert [row["completion"] for row in rows(tmp_path, "slake_vqa")] == [None] * 3


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--limit", "0"], "--limit 0: give 1 or more"),
        (["--tasks", "medqa", "medmcqa", "mmlu_anatomy"], "holds no files of medqa, medmcqa; get them as python -m"),
        (["--engine", "vllm"], "--engine runs the model here"),
        (["--tasks", "slake"], "--tasks slake: is no task"),
        (["--samples", "2", "--temperature", "0"], "would all be the same"),
        (["--data", "nowhere"], "--data nowhere: is no folder"),
        (["--model", "x.ckpt"], "--model x.ckpt: with --base-url give the name"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert medix(words(tmp_path, "http://127.0.0.1:1/v1", *more)) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("medix eval generate:") >= 1
    assert not list((tmp_path / "out").glob("*/generations.jsonl"))


def test_an_endpoint_that_is_not_there_is_status_1_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with nobody("/v1") as url:
        assert medix(words(tmp_path, url)) == 1
    assert "start the server, or correct the address" in capsys.readouterr().err
    assert not (tmp_path / "out" / "run.json").exists()


def test_another_model_is_not_mixed_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(says("B")) as server:
        assert medix(words(tmp_path, server.url)) == 0
        assert medix(words(tmp_path, server.url, "--model", "other/m")) == 2
    assert "holds completions of another model: name 'm', now 'other/m'" in capsys.readouterr().err


def test_a_refused_run_binds_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(refuses(400, "max_tokens is larger than the context"), *[refuses(400, "too large")] * 5) as server:
        assert medix(words(tmp_path, server.url, "--max-tokens", "99999")) == 1
    with serving(says("B")) as server:
        assert medix(words(tmp_path, server.url, "--samples", "3", "--limit", "2")) == 0
        assert medix(words(tmp_path, server.url, "--samples", "4", "--limit", "1")) == 2
        assert medix(words(tmp_path, server.url, "--samples", "3")) == 0, "the limit was refused, not the samples"
    assert "of changed items" not in capsys.readouterr().out
    assert len(rows(tmp_path, "mmlu_anatomy")) == 9


def test_killed_at_any_moment_it_goes_on_and_asks_only_what_was_in_flight(tmp_path: Path) -> None:
    with serving(slowly(says("B"), 0.1)) as server:
        command = [sys.executable, "-m", "medix", *words(tmp_path, server.url, "--concurrency", "1")]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        end = time.monotonic() + 120
        path = tmp_path / "out" / "mmlu_anatomy" / "generations.jsonl"
        while not (path.exists() and path.read_bytes().count(b"\n") >= 2) and time.monotonic() < end:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = path.read_bytes().count(b"\n")
        assert kept >= 2
        asked = len(server.bodies)
        assert medix(words(tmp_path, server.url)) == 0
        done = sum(1 for task in ("mmlu_anatomy", "slake_vqa") for _ in rows(tmp_path, task))
        assert done == 6
        assert len(server.bodies) - asked <= 6 - kept
        assert asked - kept <= 2  # the one in flight, and one that was answered as it was killed
