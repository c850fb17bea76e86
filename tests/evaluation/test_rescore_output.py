"""Where a rescoring is written; what it leaves alone is also in tests/commands/test_rescore.py."""

from pathlib import Path

import pytest

from medix.evaluation.recorded_run import RecordedRun
from medix.evaluation.rescore_output import RescoreOutput, folder_name
from tests.support.recorded import groups, records, suite, write_run


@pytest.fixture
def run(tmp_path: Path) -> RecordedRun:
    return RecordedRun.find(write_run(tmp_path / "run", records(suite(), groups(2))), "train")


def test_the_folder_name_tells_what_was_asked() -> None:
    assert folder_name("own") == folder_name("own", split="train") == "rescore-own"
    settings = ["components.judge.weight=0.7", "components.embedding.reward.threshold=0.9"]
    assert folder_name("own", settings, is_rescaled=True) == (
        "rescore-own-judge.weight-0.7-reward.threshold-0.9-rescaled"
    )
    assert folder_name("mine", file=Path("a/train.rank0.jsonl"), split="val", judge="b/strict.yaml", steps="2:9") == (
        "rescore-train.rank0-val-mine-strict-steps-2-9"
    )


def test_a_folder_name_is_short_and_holds_no_separator() -> None:
    name = folder_name("own", [f"a.b=../{'x' * 300}"])
    assert len(name) <= 108
    assert "/" not in name


def test_every_file_is_listed_with_its_kind(tmp_path: Path) -> None:
    output = RescoreOutput(tmp_path, {"json": tmp_path / "n.json"})
    assert [(kind, path.name) for kind, path in output.files] == [
        ("md", "rescore.md"), ("json", "rescore.json"), ("html", "rescore.html"), ("json", "n.json"),
    ]  # fmt: skip
    assert output.page == tmp_path / "rescore.html"


def test_what_is_there_needs_permission_to_be_overwritten(run: RecordedRun, tmp_path: Path) -> None:
    output = RescoreOutput(tmp_path / "out", {})
    output.check(run, may_overwrite=False)
    output.folder.mkdir()
    output.page.write_text("old")
    with pytest.raises(ValueError, match=r"rescore\.html: already exists; give --force"):
        output.check(run, may_overwrite=False)
    output.check(run, may_overwrite=True)


def test_a_folder_is_no_file(run: RecordedRun, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a folder; give a file"):
        RescoreOutput(tmp_path / "out", {"json": tmp_path}).check(run, may_overwrite=True)


@pytest.mark.parametrize("name", ["spec.yaml", "spec.from-step-000002.yaml", "report.html"])
def test_files_of_the_run_are_refused_by_any_name(run: RecordedRun, tmp_path: Path, name: str) -> None:
    (run.folder / name).touch()
    (tmp_path / "link").symlink_to(run.folder / name)
    with pytest.raises(ValueError, match="belongs to the run"):
        RescoreOutput(tmp_path / "out", {"html": tmp_path / "link"}).check(run, may_overwrite=True)
