"""The arguments of ``ask --web``."""

import pytest

from medix.__main__ import main as medix
from tests.support.runs import ROOT


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--web", "--question", "x"], "--question: belongs to one question"),
        (["--web", "--image", "a.png"], "--image: belongs to one question"),
        (["--web", "--json"], "--json: belongs to one question"),
        (["--web", "--practice", "d"], "--practice: a judge compares your answer with the reference; give --judge"),
        (["--practice", "d", "--question", "x"], "--practice: is a page; give --web"),
        ([], "--question: is missing; give what is asked, or --web for a page"),
        (["--web", "--port", "70000"], "--host 127.0.0.1 --port 70000: "),
        (["--web", "--port", "0", "--practice", "/no", "--judge", "judge_exact"], "/no: the manifest cannot be opened"),
    ],
)
def test_what_does_not_go_together_is_refused(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["ask", "--model", "m", *words]) == 2
    assert told in capsys.readouterr().err


def test_completions_that_leave_no_room_for_a_question_are_refused_before_the_page_opens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = ["--model", str(ROOT / "data_shards" / "demo_policy")]
    assert medix(["ask", *model, "--web", "--port", "0", "--max-tokens", "100000000"]) == 2
    told = capsys.readouterr()
    assert "--max-tokens 100000000: leaves no room for a prompt" in told.err
    assert "Open http" not in told.out
