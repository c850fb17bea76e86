"""A judge behind a real vLLM, which ``medix judge serve`` starts once for all tests here.

The model is tiny and random: its verdicts mean nothing, and that they are verdicts is what is tested. The tests stand
in one order and on one worker, for the last one kills the server.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from medix.commands.judge import main
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.judge.served import ServedJudge
from medix.types import JudgeQuestion
from tests.support.runs import medix
from tests.support.vllm_server import NAME, Served, start

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The one server of this file."""
    served = start(tmp_path_factory.mktemp("vllm"))
    try:
        yield served
    finally:
        served.stop()


QUESTIONS = [
    JudgeQuestion("Which lung is collapsed?", "right", answer) for answer in ("right", "left", "", "YES", "5 mm")
]


def words(server: Served) -> list[str]:
    return ["--base-url", server.base_url, "--model", NAME]


def test_the_printed_block_is_the_judge_of_a_spec(server: Served, tmp_path: Path) -> None:
    block = yaml.safe_load("".join(server.said))
    assert block["judge"]["init_args"] == {"base_url": server.base_url, "model": NAME}
    (tmp_path / "spec.yaml").write_text("".join(server.said))
    found = medix(tmp_path, "judge", "check", "--judge", "spec.yaml")
    assert NAME in found.stdout
    assert "constrained; 5 of 5 are exactly YES or NO" in found.stdout
    assert "5 of 5" in found.stdout
    assert "median" in found.stdout


def test_one_pair_is_graded(server: Served, capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["--question", "How large?", "--reference", "5 mm", "--answer", "0.5 cm"]
    assert main(["ask", *pair, "--json", *words(server)]) == 0
    verdict = json.loads(capsys.readouterr().out)["verdict"]
    assert verdict["reply"] in {"YES", "NO"}
    assert verdict["judge"].startswith(f"served/{NAME}/")


def test_every_reply_is_a_verdict_with_a_confidence(server: Served) -> None:
    """A random model hardly ever writes YES or NO of itself: the server holds it to them."""
    judge = ServedJudge(server.base_url, NAME)
    verdicts = judge.grade(QUESTIONS)
    judge.close()
    assert {verdict.reply for verdict in verdicts} <= {"YES", "NO"}
    assert [verdict.credit for verdict in verdicts] == [float(verdict.reply == "YES") for verdict in verdicts]
    for verdict in verdicts:
        assert verdict.confidence is not None
        assert 0.5 <= verdict.confidence <= 1  # greedy takes the more probable of two


def test_without_the_constraint_the_same_model_gives_no_verdict(server: Served) -> None:
    judge = ServedJudge(server.base_url, NAME, constrained=False, max_tokens=12)
    verdicts = judge.grade(QUESTIONS[:2])
    judge.close()
    assert [verdict.credit for verdict in verdicts] == [None, None]
    assert "raise judge.max_tokens" in verdicts[0].reason or "verdict" in verdicts[0].reason


@pytest.mark.parametrize("prompt", [ExplainedYesNoPrompt(), ReportRubricPrompt()], ids=lambda prompt: prompt.version)
def test_a_reply_held_to_a_json_schema_is_graded(
    prompt: ExplainedYesNoPrompt | ReportRubricPrompt,
    server: Served,
) -> None:
    judge = ServedJudge(server.base_url, NAME, prompt=prompt, timeout=60)
    [verdict] = judge.grade(QUESTIONS[:1])
    judge.close()
    if verdict.credit is None:  # a random model may write strings without an end
        assert "cut after" in verdict.reason
        assert (verdict.reply or "").lstrip().startswith("{")
    else:
        assert str(json.loads(verdict.reply or "")["score"]) in prompt.options


def test_canaries_are_put_to_a_real_judge(
    server: Served,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A random model cannot tell right from wrong, which is what the canaries are for: it fails one of the limits."""
    limits = ["--max-false-positive", "0.05", "--max-false-negative", "0.05"]
    assert main(["canaries", *words(server), "--json", str(tmp_path / "rates.json"), *limits]) == 1
    data = json.loads((tmp_path / "rates.json").read_text())
    assert data["unscored"] == 0
    assert data["false_positive"]["rate"] + data["false_negative"]["rate"] > 0.5
    assert "limit 5.0%" in capsys.readouterr().err


def test_a_wrong_model_name_is_a_404_with_its_remedy(
    server: Served,
    capsys: pytest.CaptureFixture[str],
) -> None:
    judge = ServedJudge(server.base_url, "gpt")
    [verdict] = judge.grade(QUESTIONS[:1])
    judge.close()
    assert verdict.credit is None
    assert "status 404" in verdict.reason
    assert "attempts" not in verdict.reason
    assert "check judge.model='gpt'" in verdict.reason
    assert main(["check", "--base-url", server.base_url, "--model", "gpt"]) == 1
    assert f"does not list the model 'gpt' but {NAME}" in capsys.readouterr().err


def test_a_server_killed_in_the_middle_leaves_unscored_verdicts_within_the_limit(server: Served) -> None:
    """Must stay the last test: it kills the server."""
    questions = [JudgeQuestion("Which lung?", "right", f"left {number}") for number in range(64)]
    judge = ServedJudge(server.base_url, NAME, timeout=8.0, retries=2, max_concurrency=8)
    futures = [judge.submit(question) for question in questions]
    futures[0].result(timeout=120)
    server.kill()
    verdicts = [future.result(timeout=120) for future in futures]
    judge.close()
    lost = [verdict for verdict in verdicts if verdict.credit is None]
    assert verdicts[0].credit is not None
    assert len(lost) > len(questions) // 4
    assert all(verdict.reason.startswith(f"judge {NAME} at {server.base_url}") for verdict in lost)
    assert server.process.wait(timeout=120) == 1
    assert any("ended by itself with status 137" in line for line in server.heard)
