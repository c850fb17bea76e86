"""``python -m medix rescore`` from a run to a page."""

import hashlib
import json
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from tests.support.recorded import SPEC, groups, records, suite, write_run


def main(words: list[str]) -> int:
    return medix(["rescore", *words])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    lines = [line for step in (1, 2, 3) for line in records(suite(), groups(6), step=step)]
    return write_run(tmp_path / "run", lines)


def _hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _json(path: Path) -> dict:  # type: ignore[type-arg]
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def test_other_weights_of_the_runs_own_suite(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _hashes(run)
    assert medix(["rescore", str(run), "--set", "components.judge.weight=0", "--rescale"]) == 0
    printed = capsys.readouterr().out
    assert "Order within groups" in printed
    folder = run / "rescore-own-judge.weight-0-rescaled"
    assert sorted(path.name for path in folder.iterdir()) == ["rescore.html", "rescore.json", "rescore.md"]
    assert {name: value for name, value in _hashes(run).items() if not name.startswith("rescore-")} == before
    data = _json(folder / "rescore.json")
    assert data["use"].startswith("Research use")
    assert data["weights"] == {"format": 0.5, "modality": 0.5, "judge": 0.0}
    assert data["facts"]["Verdicts"].endswith("0 asked, 0 not on record")


def test_the_runs_own_suite_changes_nothing(run: Path, tmp_path: Path) -> None:
    assert main([str(run), "--output", str(tmp_path / "out")]) == 0
    part = _json(tmp_path / "out" / "rescore.json")["slices"][0]
    assert part["total"]["difference"]["estimate"] == 0
    assert (part["tau"], part["sign_flips"], part["best_changed"]) == (pytest.approx(1), 0, 0)


def test_steps_a_file_alone_and_further_places_to_write_to(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(SPEC)
    file = run / "completions" / "train.rank0.jsonl"
    words = [str(file), "--rewards", str(tmp_path / "mine.yaml"), "--steps", "2:", "--examples", "2"]
    assert main([*words, "--json", str(tmp_path / "n.json"), "--html", str(tmp_path / "n.html")]) == 0
    assert _json(tmp_path / "n.json")["slices"][0]["completions"] == 48
    assert (tmp_path / "n.html").read_text() == (run / "rescore-train.rank0-mine-steps-2" / "rescore.html").read_text()


def test_what_is_there_is_overwritten_only_by_force(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(run)]) == 0
    assert main([str(run)]) == 2
    assert "already exists; give --force" in capsys.readouterr().err
    assert main([str(run), "--force"]) == 0


@pytest.mark.parametrize("name", ["spec.yaml", "completions/train.rank0.jsonl", "report.json"])
def test_a_file_of_the_run_is_never_overwritten(run: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = _hashes(run)
    assert main([str(run), "--json", str(run / name), "--force"]) == 2
    assert "belongs to the run" in capsys.readouterr().err
    assert _hashes(run) == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rewards", "absent"], "--rewards absent"),
        (["--steps", "9:3"], "--steps 9:3"),
        (["--steps", "50:60"], "no completions of steps 50 to 60"),
        (["--split", "val"], "--split val"),
        (["--set", "components.juge.weight=1"], "components.juge"),
        (["--judge", "absent"], "--judge absent"),
        (["--examples", "-1"], "--examples -1"),
    ],
)
def test_the_impossible_is_one_message_and_nothing_written(
    run: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = _hashes(run)
    assert main([str(run), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("medix rescore: ")
    assert told in error
    assert "Traceback" not in error
    assert _hashes(run) == before


def test_another_judge_is_asked(run: Path, tmp_path: Path) -> None:
    """The same judge by another name of its class path: its verdicts are on record under its identity."""
    assert main([str(run), "--judge", "judge_exact", "--output", str(tmp_path / "out")]) == 0
    assert _json(tmp_path / "out" / "rescore.json")["facts"]["Judges on record"] == "exact/4"


def test_a_validation_is_rescored_without_groups(tmp_path: Path) -> None:
    """One completion per prompt: totals and components, no ranks, no advantages, and no error."""
    lines = [line for line in records(suite(), groups(6)) if line.index == 0]
    run = write_run(tmp_path / "run", lines)
    (run / "completions" / "train.rank0.jsonl").rename(run / "completions" / "val-step-000004.jsonl")
    assert main([str(run), "--split", "val"]) == 0
    data = _json(run / "rescore-val-own" / "rescore.json")
    assert (data["slices"][0]["groups"], data["slices"][0]["tau"], data["advantages"]) == (0, None, [])
    assert "No group has a rank correlation" in (run / "rescore-val-own" / "rescore.html").read_text()
