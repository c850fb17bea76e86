"""One part of a spec, from a file of its own, a shipped one, or a whole spec."""

import sys
from pathlib import Path

import pytest

from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.served import ServedJudge
from medix.rewards.base import RewardComponent
from medix.spec.spec_file import build, find, from_file, parse_error_message

SERVED = "class_path: medix.judge.ServedJudge\ninit_args: {base_url: 'http://127.0.0.1:1/v1', model: m}\n"


def judge_in(path: Path | str) -> Judge:
    return from_file(Judge, "judge", path)  # type: ignore[type-abstract]


# Where it comes from -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["judge_exact", "judge_exact.yaml", "parts/judge_exact", "specs/parts/judge_exact.yaml"]
)
def test_a_shipped_part_is_found_by_each_of_its_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(judge_in(name), ExactJudge)


def test_a_file_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judge_exact").write_text(SERVED)
    assert isinstance(judge_in("judge_exact"), ServedJudge)
    assert find("judge_exact", "judge_") == tmp_path / "judge_exact"


def test_a_file_of_a_judge_alone_is_built_with_its_arguments(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SERVED + "")
    judge = judge_in(tmp_path / "mine.yaml")
    assert isinstance(judge, ServedJudge)
    assert judge.model == "m"


def test_the_judge_of_a_whole_spec_is_taken_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("model: {max_steps: 3}\njudge: {class_path: medix.judge.ExactJudge}\n")
    assert isinstance(judge_in(tmp_path / "spec.yaml"), ExactJudge)


def test_a_path_in_a_spec_counts_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs" / "parts").mkdir(parents=True)
    (tmp_path / "specs" / "parts" / "mine.yaml").write_text(SERVED)
    (tmp_path / "specs" / "spec.yaml").write_text("judge: parts/mine.yaml\n")
    monkeypatch.chdir(tmp_path)
    assert isinstance(judge_in("specs/spec.yaml"), ServedJudge)
    assert Path.cwd() == tmp_path


def test_a_class_of_the_working_directory_is_found_and_the_path_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_own_judge.py").write_text(
        "from medix.judge.exact import ExactJudge\n\n\nclass Mine(ExactJudge):\n    pass\n"
    )
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.yaml").write_text("class_path: my_own_judge.Mine\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    assert type(judge_in("elsewhere/mine.yaml")).__name__ == "Mine"
    assert sys.path == before
    sys.modules.pop("my_own_judge")


def test_another_kind_of_part_is_built_the_same_way() -> None:
    block = {"class_path": "medix.rewards.FormatReward"}
    found = build(RewardComponent, "reward", block)  # type: ignore[type-abstract]
    assert type(found).__name__ == "FormatReward"


# Faults --------------------------------------------------------------------------------------------------------------


def test_a_name_that_is_nowhere_is_told_with_the_shipped_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"no spec 'judge_nobody'.*judge_cached, judge_erring, judge_exact"):
        judge_in("judge_nobody")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "class_path: medix.judge.ServedJudge\ninit_args: {base_url: 'http://x/v1', modle: m}",
            "'modle' is not accepted",
        ),
        ("class_path: medix.judge.ServedJudge\ninit_args: {base_url: 'http://x/v1'}", "required: model"),
        (SERVED.replace("http", "ftp"), "base_url"),
        ("class_path: medix.rewards.FormatReward", "FormatReward"),
        ("class_path: nowhere.Judge", "nowhere"),
        ("judge: null", "judge: None is not a judge"),
        ("judge: parts/absent.yaml", "parts/absent.yaml"),
        ("model: {}", "has neither class_path"),
        ("- a", "has neither class_path"),
        ("{", "is not YAML"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_what_is_wrong(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=told) as stop:
        judge_in(tmp_path / "mine.yaml")
    assert str(stop.value).startswith(str(tmp_path / "mine.yaml"))


def test_what_is_wrong_lies_behind_a_loop_that_is_none() -> None:
    told = ValueError("loop detected in the file")
    told.__context__ = ValueError("Option 'x' is not accepted")
    assert parse_error_message(told) == "Option 'x' is not accepted"
    assert parse_error_message(ValueError("loop detected")) == "loop detected"
