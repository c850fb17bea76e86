"""Checksums of the files of a run."""

import hashlib
from dataclasses import asdict
from pathlib import Path

from medix.studies.checksums import FileChecksum, changed, files_of


def files(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def test_specs_reports_records_and_checkpoints_are_named_and_images_are_not(tmp_path: Path) -> None:
    named = [
        "checkpoints/step-000002.ckpt",
        "completions/train.rank0.jsonl",
        "logs/version_0/metrics.csv",
        "report.json",
        "spec.from-step-000002.yaml",
        "spec.yaml",
        "validation-exchanged.json",
    ]
    files(tmp_path, *named, "completions/images/a.png", "run-card.json", "checkpoints/.step-000004.ckpt.part", "a.txt")
    assert files_of(tmp_path) == named


def test_the_checksum_is_that_of_sha256sum(tmp_path: Path) -> None:
    files(tmp_path, "spec.yaml")
    expected = hashlib.sha256(b"spec.yaml").hexdigest()
    assert FileChecksum.of(tmp_path, "spec.yaml") == FileChecksum("spec.yaml", 9, expected)


def test_changed_and_missing_files_are_named(tmp_path: Path) -> None:
    files(tmp_path, "spec.yaml", "report.json", "report.md")
    stated = [asdict(FileChecksum.of(tmp_path, name)) for name in files_of(tmp_path)]
    assert changed(tmp_path, stated) == []
    (tmp_path / "spec.yaml").write_text("spec.yam1")
    (tmp_path / "report.md").unlink()
    assert changed(tmp_path, stated) == ["report.md: is missing", "spec.yaml: has changed (9 bytes then, 9 now)"]
