"""Judges that answer, and judges that do not."""

import threading
from pathlib import Path

import pytest

from medix.doctor.checks.base import run_checks
from medix.doctor.checks.judge import JudgeCheck
from medix.doctor.findings import State
from tests.evaluation.test_judge_check import listing
from tests.support.doctoring import look, problems, states, subject
from tests.support.judges import says

ABSENT = Path("owner/model")


def judge(base_url: str, model: str = "m") -> dict[str, object]:
    return {"class_path": "medix.judge.ServedJudge", "init_args": {"base_url": base_url, "model": model, "retries": 0}}


def test_a_judge_by_rules_returns_verdicts(tmp_path: Path) -> None:
    (found,) = look(JudgeCheck(), subject(tmp_path, ABSENT))
    assert (found.state, found.found) == (State.OK, "exact/4 returned a verdict on each of 5 questions")


def test_a_served_judge_that_answers_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listing(says("YES"), monkeypatch) as server:
        found = look(JudgeCheck(), subject(tmp_path, ABSENT, judge=judge(server.url)))
    assert states(found) == [State.OK, State.OK]
    assert f"{server.url} serves m and answers in" in found[0].found


def test_a_judge_that_is_not_up_is_a_problem_with_the_command_that_starts_it(tmp_path: Path) -> None:
    (found,) = problems(look(JudgeCheck(1.0), subject(tmp_path, ABSENT, judge=judge("http://127.0.0.1:1/v1"))))
    assert "judge.init_args.base_url: http://127.0.0.1:1/v1, model m: cannot be reached" in found.found
    assert found.remedy == "start it: python -m medix judge serve --model m"


def test_a_server_with_another_model_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listing(says("YES"), monkeypatch) as server:
        (found,) = problems(look(JudgeCheck(), subject(tmp_path, ABSENT, judge=judge(server.url, "absent"))))
    assert "does not list the model 'absent' but m, other" in found.found
    assert found.remedy == "correct judge.model"


def test_a_judge_that_returns_no_verdict_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with listing(says("perhaps"), monkeypatch) as server:
        (found,) = problems(look(JudgeCheck(), subject(tmp_path, ABSENT, judge=judge(server.url))))
    assert "returned no verdict" in found.found


def test_a_judge_that_hangs_is_a_problem_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    with listing(lambda request: go_on.wait(20), monkeypatch) as server:
        at = subject(tmp_path, ABSENT, judge=judge(server.url))
        (found,) = problems(list(run_checks([JudgeCheck()], at, seconds=1.0)))
        go_on.set()
    assert "did not finish within 1 s" in found.found
