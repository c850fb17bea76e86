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


def test_the_best_checkpoint_is_what_its_link_reads(tmp_path: Path) -> None:
    files(tmp_path, "checkpoints/step-000002.ckpt", "checkpoints/step-000004.ckpt")
    best = tmp_path / "checkpoints" / "best.ckpt"
    best.symlink_to("step-000004.ckpt")
    stated = [asdict(FileChecksum.of(tmp_path, name)) for name in files_of(tmp_path)]
    assert changed(tmp_path, stated) == []
    changes = ["checkpoints/best.ckpt: has changed (28 bytes then, 28 now)"]
    best.unlink()
    best.symlink_to("step-000002.ckpt")
    assert changed(tmp_path, stated) == changes
    best.unlink()
    best.write_text("x" * 28)
    assert changed(tmp_path, stated) == changes
    best.unlink()
    assert changed(tmp_path, stated) == ["checkpoints/best.ckpt: is missing"]


def test_checkpoints_that_are_folders_are_named_file_by_file(tmp_path: Path) -> None:
    named = [f"checkpoints/step-00000{step}.ckpt/shards/rank_0.pt" for step in (2, 4)]
    files(tmp_path, *named)
    best = tmp_path / "checkpoints" / "best.ckpt"
    best.symlink_to("step-000002.ckpt")
    assert files_of(tmp_path) == ["checkpoints/best.ckpt/shards/rank_0.pt", *named]
    stated = [asdict(FileChecksum.of(tmp_path, name)) for name in files_of(tmp_path)]
    best.unlink()
    best.symlink_to("step-000004.ckpt")
    assert changed(tmp_path, stated) == ["checkpoints/best.ckpt/shards/rank_0.pt: has changed (45 bytes then, 45 now)"]
