"""The contract of judges."""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from medix.judge import Judge
from medix.types import JudgeQuestion, Verdict


class Always(Judge):
    identity = "always"  # type: ignore[assignment]

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(1.0, "always", reply=question.answer) for question in questions]


def test_submit_answers_at_once_with_the_verdict_of_grade() -> None:
    future = Always().submit(JudgeQuestion("q", "r", "a"))
    assert isinstance(future, Future)
    assert future.done()
    assert future.result() == Verdict(1.0, "always", reply="a")


def test_closing_a_judge_that_holds_nothing_does_nothing() -> None:
    judge = Always()
    judge.close()
    assert judge.grade([]) == []


def test_importing_the_judges_loads_neither_torch_nor_the_client() -> None:
    program = (
        "import sys, medix.judge; print(sorted({'torch', 'openai', 'aiohttp', 'transformers'} & sys.modules.keys()))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
