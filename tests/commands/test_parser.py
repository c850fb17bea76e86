"""What a command says of its arguments."""

import pytest

from medix.commands.parser import CommandParser


@pytest.fixture
def parser() -> CommandParser:
    made = CommandParser(prog="python -m medix test", description="Two lines,\nkept as they are.")
    made.add_action("run", "run it").add_argument("--count", type=int)
    made.add_action("stop", "stop it")
    return made


def test_the_action_and_its_arguments_are_parsed(parser: CommandParser) -> None:
    arguments = parser.parse_args(["run", "--count", "3"])
    assert (arguments.command, arguments.count) == ("run", 3)


def test_a_missing_action_shows_the_whole_help(parser: CommandParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: python -m medix test [-h] ACTION ...\n\nTwo lines,\nkept as they are.\n")
    assert "stop it" in error
    assert error.endswith("medix test: error: an action is missing\n")


def test_a_wrong_argument_shows_the_usage_of_its_action(
    parser: CommandParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["run", "--count", "x"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("usage: python -m medix test run [-h] [--count COUNT]\n")
    assert error.endswith("medix test run: error: argument --count: invalid int value: 'x'\n")


def test_the_help_of_an_action_says_what_it_does(parser: CommandParser, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser.parse_args(["stop", "--help"])
    assert "\nStop it.\n" in capsys.readouterr().out
