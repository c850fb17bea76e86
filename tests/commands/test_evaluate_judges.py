"""``medix eval judges``: several judges on the same completions."""

import json
from pathlib import Path

import pytest

from medix.commands.evaluate import main
from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.verdicts import Judging, VerdictCounts
from tests.support.evaluations import choice, generate, item, loaded, task
from tests.support.judges import says, serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    items = [choice("which", "Which?", 0, "left", "right"), *(item(f"{n}") for n in range(9))]
    generate(tmp_path, loaded(*items, name="vqa", spec=task()), lambda ask: f"answer {ask.item.id}")
    return tmp_path


def _scripted(folder: Path, name: str, **replies: str) -> str:
    path = folder / f"{name}.yaml"
    content = {"class_path": "medix.judge.ScriptedJudge", "init_args": {"default": "YES", "replies": replies}}
    path.write_text(json.dumps(content))
    return str(path)


def test_agreement_and_the_shift_of_the_score(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One judge says YES to ten, the other NO to three of them: shift -0.3, equal 7 of 10, kappa 0."""
    lenient = _scripted(folder, "lenient")
    strict = _scripted(folder, "strict", **{f"answer {n}": "NO" for n in range(3)})
    assert main(["judges", lenient, strict, "--output", str(folder)]) == 0
    data = json.loads((folder / "judges.json").read_text())
    first, second = data["rows"]
    assert (first["shift"]["estimate"], second["shift"]["estimate"]) == (0, pytest.approx(-0.3))
    assert (second["result"]["estimate"], second["equal"], second["kappa"]) == (0.7, 0.7, 0)
    assert data["largest_shift"] == pytest.approx(0.3)
    assert "Largest shift: 0.3000" in capsys.readouterr().out
    verdicts = list(EvaluationFolder(folder).verdicts("vqa"))
    assert {row["judge"] for row in verdicts} == {data["judges"][0]}, "the folder keeps the verdicts of the first"
    assert all(row["credit"] == 1 for row in verdicts)


def test_a_judge_that_dies_in_the_middle_is_named_with_its_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _scripted(folder, "first")
    dying = _scripted(folder, "dying", **{f"answer {n}": "I died" for n in range(4)})
    assert main(["judges", first, dying, "--output", str(folder)]) == 1
    told = capsys.readouterr().err
    assert "medix eval judges: judge 2, vqa: 4 x " in told
    assert "): 6 of 10 completions scored; the same command asks for the others again" in told
    assert "judge 1" not in told


def test_two_names_of_one_judge_are_no_comparison(folder: Path) -> None:
    one, other = _scripted(folder, "one"), _scripted(folder, "other")
    with pytest.raises(ValueError, match="two of them are one judge"):
        main(["judges", one, other, "--output", str(folder)])
    assert not (folder / "vqa" / "verdicts.jsonl").exists(), "found before anything is asked"
    with pytest.raises(ValueError, match="is the only judge; name two or more"):
        main(["judges", one, "--output", str(folder)])


def test_a_judge_that_cannot_grade_reports_is_refused_before_any_work(folder: Path) -> None:
    """Else the tasks before the reports would be left with its verdicts."""
    generate(folder, loaded(item("1"), name="z", spec=task("rubric")), lambda ask: "left")
    words = ["judges", "judge_served", "judge_exact", "--output", str(folder)]
    with pytest.raises(ValueError, match="exact/4 cannot be asked with the prompt report-rubric-7"):
        main(words)
    assert not (folder / "vqa" / "verdicts.jsonl").exists()


def test_the_folder_has_the_verdicts_of_the_first_at_every_moment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has to be put back, for which a kill leaves no time; and what the second said is not asked again."""
    lenient = _scripted(folder, "lenient")
    strict = _scripted(folder, "strict", **{f"answer {n}": "NO" for n in range(9)})
    asked, found = Judging.run, []

    def run(self: Judging, task: str) -> VerdictCounts:
        found.append((asked(self, task).judged, {row["credit"] for row in EvaluationFolder(folder).verdicts("vqa")}))
        if len(found) == 2:
            raise KeyboardInterrupt
        return VerdictCounts(0, 0, 0, 0, {})

    monkeypatch.setattr(Judging, "run", run)
    with pytest.raises(KeyboardInterrupt):
        main(["judges", lenient, strict, "--output", str(folder)])
    assert main(["judges", lenient, strict, "--output", str(folder)]) == 0
    assert found == [(10, {1.0}), (10, {1.0}), (0, {1.0}), (0, {1.0})]


def test_judges_are_on_record_with_the_prompt_and_the_votes_that_were_asked(folder: Path) -> None:
    with serving(says("YES")) as server:
        files = []
        for name in ("a", "b"):
            path = folder / f"{name}.yaml"
            arguments = {"base_url": server.url, "model": name}
            path.write_text(json.dumps({"class_path": "medix.judge.ServedJudge", "init_args": arguments}))
            files.append(str(path))
        assert main(["judges", *files, "--output", str(folder), "--votes", "3"]) == 0
    found = json.loads((folder / "judges.json").read_text())
    assert [name.count("/yes-no-9/vote-") for name in found["judges"]] == [3, 3]
    assert found["rows"][1]["judge"] == found["judges"][1]
