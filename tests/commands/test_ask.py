"""``python -m medix ask`` with models here and at endpoints, pictures, judges, and what goes wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medix.__main__ import main as medix
from medix.data.prompting import Prompting
from tests.export.test_usage import Run
from tests.support.dicoms import write
from tests.support.fault_server import Act, refuses
from tests.support.judges import FaultServer, says, serving, streams
from tests.support.runs import ROOT
from tests.support.tables import SLAKE, slake

WHOLE = ("<X_RAY><thi", "nk>a\x1b[2Jb</think><ans", "wer>left</answer>")
SHOWN = "modality     X_RAY\nreasoning    a␛[2Jb\nanswer       left\n"


def asked(server: FaultServer, *more: str) -> int:
    return medix(["ask", "--base-url", server.url, "--model", "m", "--question", "Which side?", *more])


def greedy(folder: Path, *model: str) -> list[str]:
    """What ``eval generate`` writes for the rows of a task."""
    words = ["--tasks", "slake_vqa", "--data", str(slake(folder / "data")), "--output", str(folder / "out")]
    assert medix(["eval", "generate", *words, *model]) == 0
    lines = (folder / "out" / "slake_vqa" / "generations.jsonl").read_text().splitlines()
    return [json.loads(line)["completion"] for line in lines]


def single(folder: Path, capsys: pytest.CaptureFixture[str], *model: str) -> list[str]:
    """What ``ask`` says to the same questions and pictures, one after the other."""
    found = []
    for number, (question, _, language, *_) in enumerate(SLAKE):
        if language == "en":
            picture = folder / "data" / "slake" / "imgs" / f"xmlab{number // 3}" / "source.jpg"
            capsys.readouterr()
            assert medix(["ask", "--question", question, "--image", str(picture), "--json", *model]) == 0
            found.append(json.loads(capsys.readouterr().out)["completion"])
    return found


# The same as eval generate -------------------------------------------------------------------------------------------


def test_a_folder_gives_the_greedy_completion_of_an_evaluation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(ROOT / "data_shards" / "demo_policy"), "--max-tokens", "24"]
    expected = greedy(tmp_path, *model)
    assert single(tmp_path, capsys, *model) == expected
    assert all(text.endswith("</answer>") for text in expected)


def test_the_card_of_an_export_decides_prompt_and_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path, "smolvlm", Prompting(template="short", max_pixels=2048))
    model = ["--model", str(run.folder)]
    expected = greedy(tmp_path, *model)
    assert single(tmp_path, capsys, *model) == expected
    assert len(set(expected)) > 1, "answers that are all alike would show nothing"


def test_an_endpoint_gets_the_request_of_an_evaluation_as_a_stream(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(says("left")) as server:
        model = ["--base-url", server.url, "--model", "m"]
        greedy(tmp_path, *model, "--concurrency", "1")
        whole = [{**body, "seed": 0} for body in server.bodies]  # at temperature 0 a seed decides nothing
    with serving(streams("left")) as server:
        assert single(tmp_path, capsys, "--base-url", server.url, "--model", "m") == ["left"] * 3
        assert [{**body, "seed": 0} for body in server.bodies] == [{**body, "stream": True} for body in whole]


# What is shown -------------------------------------------------------------------------------------------------------


def test_the_parts_are_told_apart_and_the_use_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(streams(*WHOLE)) as server:
        assert asked(server) == 0
    told = capsys.readouterr()
    assert told.out == SHOWN
    assert told.err.count("clinical decisions") == 1


def test_reasoning_that_a_server_splits_off_is_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(streams({"reasoning_content": "a"}, {"reasoning_content": "b"}, "left")) as server:
        assert asked(server) == 0
    assert capsys.readouterr().out == "reasoning    ab\n             left\n"


def test_json_is_one_line_with_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(streams(*WHOLE)) as server:
        assert asked(server, "--json", "--judge", "judge_exact", "--reference", "right", "--alias", "left") == 0
    told = capsys.readouterr()
    assert told.out.count("\n") == 1
    assert told.err == ""
    data = json.loads(told.out)
    assert (data["modality"], data["reasoning"], data["answer"]) == ("X_RAY", "a\x1b[2Jb", "left")
    assert (data["completion"], data["verdict"]["credit"]) == ("".join(WHOLE), 1.0)
    assert "never for clinical decisions" in data["use"].lower()


@pytest.mark.parametrize(("reference", "said"), [("left", "YES"), ("right", "NO")])
def test_a_judge_compares_the_answer_with_the_reference(
    reference: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(streams(*WHOLE)) as server:
        assert asked(server, "--judge", "judge_exact", "--reference", reference) == 0
    assert f"\nverdict      {said}\n" in capsys.readouterr().out


def test_a_completion_without_an_answer_is_wrong_and_the_judge_is_not_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = tmp_path / "judge.yaml"
    with serving(streams("<think>a", finish_reason="length")) as server, serving(says("YES")) as graded:
        judge.write_text(
            f"class_path: medix.judge.ServedJudge\ninit_args: {{base_url: '{graded.url}', model: j, retries: 0}}\n"
        )
        assert asked(server, "--judge", str(judge), "--reference", "left") == 0
        assert [body for body in graded.bodies if "messages" in body] == []
    told = capsys.readouterr()
    assert "verdict      NO\n" in told.out
    assert "does not have exactly one answer" in told.err
    assert "cut the completion off; see --max-tokens" in told.err


def test_a_dicom_picture_is_sent_as_pixels_and_its_header_is_shown_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "scan.dcm", np.arange(64, dtype=np.uint8).reshape(8, 8))
    with serving(streams("left")) as server:
        assert asked(server, "--image", str(path), "--window", "30/20") == 0
        parts = server.bodies[0]["messages"][0]["content"]
    assert parts[0]["image_url"]["url"].startswith("data:image/png;base64,")
    told = capsys.readouterr()
    assert "the pictures are sent to http://127.0.0.1" in told.err
    assert not {"doe", "4711", "jane"} & set((told.out + told.err).lower().split())


# What goes wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (refuses(400, "too long"), "no completion: m at http://127.0.0.1"),
        (streams("le", finish_reason=None, ends=False), "broke off before the end"),
        (streams("le", finish_reason="content_filter"), "a content filter ended the reply"),
    ],
)
def test_no_completion_is_status_1_with_its_reason(act: Act, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(act) as server:
        assert asked(server, "--timeout", "5") == 1
        assert told in capsys.readouterr().err
        assert asked(server, "--timeout", "5", "--json") == 1
        data = json.loads(capsys.readouterr().out)
    assert data["completion"] is None
    assert data["failure"]


def test_an_answer_that_the_judge_cannot_grade_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge = tmp_path / "judge.yaml"
    judge.write_text("class_path: medix.judge.ScriptedJudge\ninit_args: {default: perhaps}\n")
    with serving(streams(*WHOLE)) as server:
        assert asked(server, "--judge", str(judge), "--reference", "left") == 1
    assert "verdict      unscored: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--reference", "left"], "--judge and --reference go together"),
        (["--judge", "judge_exact"], "--judge and --reference go together"),
        (["--alias", "left"], "--alias: is another text for --reference"),
        (["--engine", "vllm"], "--engine runs the model here"),
        (["--max-tokens", "0"], "--max-tokens 0: give 1 or more"),
        (["--question", " "], "--question: is empty"),
        (["--image", "nowhere.png"], "nowhere.png: No such file"),
        (["--window", "soft"], "--window soft: is no window"),
        (["--model", "x.ckpt"], "--model x.ckpt: with --base-url give the name"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    more: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words: list[Any] = ["ask", "--base-url", "http://127.0.0.1:1/v1", "--model", "m", "--question", "Why?", *more]
    assert medix(words) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys\nfrom medix.__main__ import main\n"
        "main(['ask', '--help'])\n"
        "heavy = {'torch', 'aiohttp', 'numpy', 'jsonargparse', 'rich', 'yaml', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
