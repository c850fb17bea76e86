"""The README says what works: its commands exist, its script runs, its specs and folders are there."""

import re
from collections import Counter
from pathlib import Path

import pytest

from medix.__main__ import HELP
from medix.rewards import RewardSuite
from tests.support.inside import working_in

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_two_commands_are_in_the_makefile_and_ci_calls_the_second() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"    make {target} " in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


def test_the_script_runs_and_prints_what_the_readme_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    with working_in(tmp_path):
        exec(script, {"__name__": "__main__"})
    (said,) = re.findall(r"print\(table\.total.*# (\[.*?\])", script)
    assert capsys.readouterr().out.splitlines()[0] == said


def test_the_example_reward_runs(tmp_path: Path) -> None:
    code = "\n".join(
        line[4:] for line in README.split("# my_rewards.py\n")[1].split("\n\nand in the spec")[0].splitlines()
    )
    (tmp_path / "my_rewards.py").write_text(code)
    spec = "components: {short: {reward: {class_path: my_rewards.ShortReward}, weight: 1.0}}"
    (tmp_path / "suite.yaml").write_text(spec)
    answer = "<think>r</think><answer>{}</answer>"
    with working_in(tmp_path):
        table = RewardSuite.from_spec("suite.yaml").score(
            completions=[answer.format("left"), answer.format("very " * 11)],
            references=["left"] * 2,
            questions=["?"] * 2,
            modalities=[None] * 2,
        )
    assert table.total.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m medix (\w+)", README))))
def test_every_command_it_names_is_in_the_help(command: str) -> None:
    assert re.search(rf"^  {command} ", HELP, re.MULTILINE)


def test_every_recipe_and_folder_it_names_exists() -> None:
    for name in re.findall(r"`((?:dapo|grpo|gspo)_\w+|medvqa_mini|demo)`", README):
        assert (ROOT / "specs" / f"{name}.yaml").is_file(), name
    for path in re.findall(r"`((?:medix|callbacks|specs|data_shards|tools|tests)/[\w/]*)`", README):
        assert (ROOT / path).is_dir(), path
    for link in re.findall(r"\]\(([\w./]+)\)", README):
        assert (ROOT / link).is_file(), link


def test_it_says_what_it_is_not_for() -> None:
    assert "Never for clinical decisions" in README


def test_no_line_of_the_changelog_stands_there_twice() -> None:
    """Two changes that are put together may leave both versions of a line."""
    begins = Counter(line[:60] for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.strip())
    assert [line for line, count in begins.items() if count > 1] == []
