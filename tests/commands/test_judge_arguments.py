"""Arguments that name a judge."""

import socket

import pytest

from medix.commands.judge_arguments import add_judge, named_judge, warn_if_down
from medix.commands.parser import CommandParser
from medix.judge.exact import ExactJudge
from medix.judge.served import ServedJudge


def _named(*words: str) -> object:
    parser = CommandParser(prog="python -m medix judge")
    add_judge(parser)
    return named_judge(parser.parse_args(list(words)))


def test_a_judge_is_named_by_a_part_or_by_its_server() -> None:
    assert isinstance(_named("--judge", "judge_exact"), ExactJudge)
    assert isinstance(_named("--base-url", "http://127.0.0.1:1/v1", "--model", "m"), ServedJudge)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no judge: --base-url and --model are missing"),
        (("--model", "m"), "no judge: --base-url is missing"),
        (("--judge", "judge_exact", "--model", "m"), "--judge and --model name two judges"),
    ],
)
def test_none_two_and_half_a_judge_are_named(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _named(*words)


def test_only_a_server_that_does_not_answer_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    warn_if_down(None, "judge ask")
    warn_if_down(ExactJudge(), "judge ask")
    assert not capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    warn_if_down(ServedJudge(base_url=closed, model="m"), "judge ask")
    assert f"medix judge ask: warning: the judge at {closed} cannot be reached" in capsys.readouterr().err
