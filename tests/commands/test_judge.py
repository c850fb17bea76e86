"""``python -m medix judge`` on judges without a model, and on servers that go wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from tests.support.judges import refuses, says, serving

PAIR = ["--question", "How large?", "--reference", "5 mm", "--answer"]
EXACT = ["--judge", "judge_exact"]


def main(words: list[str]) -> int:
    return medix(["judge", *words])


def scripted(folder: Path, default: str) -> list[str]:
    path = folder / "scripted.yaml"
    path.write_text(f"class_path: medix.judge.ScriptedJudge\ninit_args: {{default: '{default}'}}\n")
    return ["--judge", str(path)]


# Which judge ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--base-url and --model are missing"),
        (["--model", "m"], "--base-url is missing"),
        (["--base-url", "http://127.0.0.1:1/v1"], "--model is missing"),
        ([*EXACT, "--model", "m"], "name two judges"),
        (["--judge", "judge_nobody"], "judge_cached, judge_erring, judge_exact, judge_local, judge_nodes, judge_panel"),
        (["--base-url", "127.0.0.1", "--model", "m"], "base_url"),
    ],
)
def test_half_a_judge_is_one_line_and_status_2(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", *PAIR, "5 mm", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("medix judge ask: ")
    assert told in error


def test_help_needs_no_heavy_import() -> None:
    code = (
        "import sys\nfrom medix.__main__ import main\n"
        "main(['judge', '--help'])\n"
        "heavy = {'torch', 'openai', 'numpy', 'jsonargparse', 'rich', 'yaml', 'vllm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    for command in ("serve", "check", "ask", "canaries"):
        assert f"    {command} " in ended.stdout


# ask -----------------------------------------------------------------------------------------------------------------


def test_one_answer_is_graded_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", *PAIR, "0.5 cm", *EXACT]) == 0
    told = capsys.readouterr().out
    assert "verdict      YES" in told
    assert "explanation  the reference" in told
    assert "judge        exact/4" in told


def test_an_alias_counts_and_json_holds_the_whole_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ask", *PAIR, "small", "--alias", "tiny", "--alias", "small", *EXACT, "--json"]
    assert main(words) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["aliases"] == ["tiny", "small"]
    assert data["verdict"]["credit"] == 1.0
    assert data["verdict"]["explanation"] == "the alias 'small'"


def test_no_verdict_is_status_1_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(refuses(404, "no such model")) as server:
        status = main(["ask", *PAIR, "5 mm", "--base-url", server.url, "--model", "m"])
    assert status == 1
    assert "verdict      unscored: judge m at" in (told := capsys.readouterr().out)
    assert "no such model" in told


def test_a_served_judge_is_asked_with_the_key_of_its_variable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-hidden-1234")
    with serving(says("NO")) as server:
        words = ["--base-url", server.url, "--model", "m", "--api-key-env", "MY_KEY"]
        assert main(["ask", *PAIR, "5 cm", *words]) == 0
    assert server.keys == ["Bearer sk-hidden-1234"]
    told = capsys.readouterr()
    assert "verdict      NO" in told.out
    assert "sk-hidden" not in told.out + told.err


# canaries ------------------------------------------------------------------------------------------------------------


def test_rates_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canaries", *EXACT, "--json", str(tmp_path / "rates.json"), "--failures", "1"]) == 0
    told = capsys.readouterr().out
    assert "swapped laterality" in told
    assert "All attacks" in told
    assert "more are not shown" in told
    data = json.loads((tmp_path / "rates.json").read_text())
    assert data["judge"] == "exact/4"
    assert data["false_positive"]["rate"] == 0.0
    assert 0 < data["false_negative"]["low"] < data["false_negative"]["rate"] < data["false_negative"]["high"] < 1


@pytest.mark.parametrize(
    ("default", "limits", "status", "told"),
    [
        ("YES", [], 0, ""),
        ("YES", ["--max-false-positive", "0.1"], 1, "false-positive rate: 100.0%"),
        ("YES", ["--max-false-positive", "1", "--max-false-negative", "0"], 0, ""),
        ("NO", ["--max-false-negative", "0.5"], 1, "false-negative rate: 100.0%"),
        ("maybe", [], 1, "without a verdict: the judge's reply holds no verdict"),
        ("YES", ["--max-false-positive", "7"], 2, "max_false_positive: 7"),
    ],
)
def test_the_status_tells_whether_a_limit_is_passed(
    default: str, limits: list[str], status: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["canaries", *scripted(tmp_path, default), *limits]) == status
    assert told in capsys.readouterr().err


def test_canaries_of_ones_own_are_put_to_the_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.yaml").write_text(
        "version: own-1\ncanaries: [{kind: k, question: q, reference: left, answer: right, expected: NO}]"
    )
    assert main(["canaries", *EXACT, "--canaries", str(tmp_path / "own.yaml")]) == 0
    assert "own-1, judge exact/4" in capsys.readouterr().out


def test_a_broken_file_of_canaries_is_one_line_and_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.yaml").write_text("version: own-1\ncanaries: [{kind: k}]")
    assert main(["canaries", *EXACT, "--canaries", str(tmp_path / "own.yaml")]) == 2
    assert "canaries[0]: the key question, reference" in capsys.readouterr().err


# check and serve: what they do is in test_judge_check and test_judge_server ------------------------------------------


def test_check_prints_and_returns_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *EXACT]) == 0
    assert "5 of 5" in capsys.readouterr().out


def test_check_of_a_server_that_is_not_there_is_status_1_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--base-url", "http://127.0.0.1:9/v1", "--model", "m"]) == 1
    told = capsys.readouterr()
    assert "http://127.0.0.1:9/v1" in told.out
    assert "cannot be reached" in told.err
    assert "python -m medix judge serve --model m" in told.err


def test_serve_passes_its_words_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from medix.judge.serving import judge_server

    seen: list[judge_server.JudgeServer] = []

    def run(self: judge_server.JudgeServer) -> int:
        seen.append(self)
        return 7

    monkeypatch.setattr(judge_server.JudgeServer, "run", run)
    words = ["--model", "M", "--port", "0", "--served-model-name", "n", "--max-model-len", "64"]
    assert main(["serve", *words, "--extra", "--enforce-eager", "--dtype", "float32"]) == 7
    assert seen[0].words(5)[3:] == [
        "--model", "M", "--host", "127.0.0.1", "--port", "5", "--served-model-name", "n", "--max-model-len", "64",
        "--enforce-eager", "--dtype", "float32",
    ]  # fmt: skip
