"""``medix judge agreement``."""

import json
import socket
from pathlib import Path

import pytest

from medix.commands.judge import main
from medix.evaluation.judge_errors import JudgeErrors
from medix.judge.prompt_vote import voting
from medix.judge.served import ServedJudge
from medix.types import JudgeQuestion, Verdict
from tests.support.judges import says, serving


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    rows = [
        {"question": f"q{n}", "reference": "left", "answer": answer, "label": label, "by": by}
        for n, (answer, label, by) in enumerate(
            [("left", True, "a"), ("Left.", True, "b"), ("on the left", True, "a"), ("right", False, "b")] * 3
        )
    ]
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rates_are_printed_and_written_for_scores(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["agreement", "--labels", str(labels), "--judge", "judge_exact", "--by", "by"]
    assert main([*words, "--json", str(labels.with_name("errors.json"))]) == 0
    printed = capsys.readouterr().out
    assert "66.7 %" in printed
    assert "* at the number of questions: fewer than 30" in " ".join(printed.split())
    errors = JudgeErrors.read(labels.with_name("errors.json"))
    assert errors.sensitivity.estimate == pytest.approx(2 / 3)
    assert errors.specificity.count == 3
    assert set(json.loads(labels.with_name("errors.json").read_text())["kinds"]) == {"a", "b"}


@pytest.mark.parametrize("command", ["agreement", "canaries"])
def test_what_was_asked_of_a_judge_is_kept_where_the_reader_of_the_output_has_gone(
    command: str, labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with ``| head``: the judge would have to be asked again."""

    def gone(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("medix.plain_console.PlainConsole.print", gone)
    words = ["--labels", str(labels)] if command == "agreement" else []
    with pytest.raises(BrokenPipeError):
        main([command, *words, "--judge", "judge_exact", "--json", str(labels.with_name("found.json"))])
    assert json.loads(labels.with_name("found.json").read_text())


def test_a_component_takes_the_place_of_a_judge(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agreement", "--labels", str(labels), "--component", "rewards_strict:judge", "--where", "by=b"]) == 0
    assert "0.5 *" in capsys.readouterr().out


def test_a_judge_that_is_down_is_told_before_it_is_waited_for(
    labels: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def grade(self: ServedJudge, questions: list[JudgeQuestion]) -> list[Verdict]:
        seen.append(capsys.readouterr().err)
        return [Verdict(None, "m", "down") for _ in questions]

    monkeypatch.setattr(ServedJudge, "grade", grade)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    assert main(["agreement", "--labels", str(labels), "--base-url", closed, "--model", "m"]) == 1
    assert f"medix judge agreement: warning: the judge at {closed} cannot be reached" in seen[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--component", "rewards_strict"], "write PART:NAME"),
        (["--component", "rewards_strict:nothing"], "rewards_strict has no component nothing, only"),
        (["--component", "rewards_strict:judge", "--judge", "judge_exact"], "give one of them"),
        (["--judge", "judge_exact", "--where", "by"], "--where by: write COLUMN=VALUE"),
        (["--judge", "judge_exact", "--where", "by=z"], "no line with by=z"),
        (["--judge", "judge_exact", "--by", "nothing"], "line 1: no column nothing; it has question"),
    ],
)
def test_what_cannot_be_done_is_named(labels: Path, words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        main(["agreement", "--labels", str(labels), *words])


def test_votes_are_those_of_eval_judge(labels: Path) -> None:
    target = labels.with_name("errors.json")
    with serving(says("YES")) as server:
        words = ["agreement", "--labels", str(labels), "--base-url", server.url, "--model", "m", "--votes", "3"]
        assert main([*words, "--json", str(target)]) == 0
        judge = ServedJudge(server.url, "m")
        assert JudgeErrors.read(target).judge == voting(judge, 3).identity
    with pytest.raises(ValueError, match="--votes 3: a component casts one vote"):
        main(["agreement", "--labels", str(labels), "--component", "rewards_strict:judge", "--votes", "3"])
