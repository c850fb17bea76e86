"""``python -m medix eval judge``."""

import json
import socket
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from medix.evaluation.verdicts import Judging, VerdictCounts
from tests.support.evaluations import ScriptedModel, generate, item, loaded, task
from tests.support.judges import says, serving

_NONE = VerdictCounts(0, 0, 0, 0, {})
TWO = loaded(item("1"), item("2", "Why?", "age"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    generate(tmp_path / "out", TWO, ScriptedModel(lambda ask: "age", name="Qwen/Qwen3-VL-8B"))
    return tmp_path / "out"


def served(folder: Path, url: str, model: str = "m") -> str:
    path = folder.parent / "judge.yaml"
    path.write_text(
        f"class_path: medix.judge.ServedJudge\ninit_args: {{base_url: {url}, model: {model}, retries: 0}}\n"
    )
    return str(path)


def test_verdicts_are_counted_and_a_related_judge_is_warned_about(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(says("NO")) as server:
        assert medix(["eval", "judge", "--output", str(folder), "--judge", served(folder, server.url, "Qwen3-4B")]) == 0
    told = capsys.readouterr()
    assert told.out == "t: 1 verdicts by rule, 1 by the judge, 0 known, 0 unscored of 2\n"
    assert (
        "warning: the judge served/Qwen3-4B/yes-no-9 and the model Qwen/Qwen3-VL-8B are of one family (Qwen)"
        in told.err
    )


def test_a_judge_that_is_down_is_status_1_and_rules_alone_are_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert medix(["eval", "judge", "--output", str(folder)]) == 0
    assert "1 x no rule decides, and no judge was given" in capsys.readouterr().err
    with serving(says("maybe")) as server:
        assert medix(["eval", "judge", "--output", str(folder), "--judge", served(folder, server.url)]) == 1
    assert "1 unscored of 2" in capsys.readouterr().out


def test_a_judge_that_is_down_is_told_before_it_is_waited_for(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(Judging, "run", lambda self, task: seen.append(capsys.readouterr().err) or _NONE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    assert medix(["eval", "judge", "--output", str(folder), "--judge", served(folder, closed)]) == 0
    assert f"warning: the judge at {closed} cannot be reached" in seen[0]
    assert "python -m medix judge serve --model m" in seen[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--votes", "3"], "--votes 3: rules always vote the same; give --judge"),
        (["--votes", "3", "--judge", "judge_exact"], "cannot be asked with the prompt yes-no-9/vote-0"),
        (["--judge", "nobody"], "there is no spec 'nobody'"),
        (["--tasks", "slake_vqa"], "has no completions of slake_vqa; run eval generate first"),
        (["--tasks", "slake"], "--tasks slake: is no task"),
        (["--output", "none"], "has no run.json; run eval generate first"),
    ],
)
def test_what_cannot_be_done_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert medix(["eval", "judge", "--output", str(folder), *words]) == 2
    assert told in capsys.readouterr().err


def test_a_judge_without_a_rubric_is_refused_before_any_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate(
        folder,
        loaded(item("1"), name="r", spec=task("rubric")),
        ScriptedModel(lambda ask: "x", name="Qwen/Qwen3-VL-8B"),
    )
    assert medix(["eval", "judge", "--output", str(folder), "--judge", "judge_exact"]) == 2
    assert "cannot be asked with the prompt report-rubric-7" in capsys.readouterr().err
    assert not (folder / "t" / "verdicts.jsonl").exists()
    assert medix(["eval", "judge", "--output", str(folder), "--judge", "judge_exact", "--tasks", "t"]) == 0
    assert json.loads((folder / "t" / "verdicts.jsonl").read_text().splitlines()[0])["credit"] == 1.0


def test_data_of_limited_access_that_a_server_is_shown_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = loaded(item("1", "Why?", "age"), name="r", spec=task(access="Credentialed."))
    generate(folder, limited, ScriptedModel(lambda ask: "old", name="Qwen/Qwen3-VL-8B"))
    assert medix(["eval", "judge", "--output", str(folder)]) == 0
    assert "Credentialed" not in capsys.readouterr().err
    with serving(says("NO")) as server:
        assert medix(["eval", "judge", "--output", str(folder), "--judge", served(folder, server.url)]) == 0
    told = capsys.readouterr().err
    assert f"r is sent to {server.url}. Credentialed." in told
    assert "t is sent" not in told
