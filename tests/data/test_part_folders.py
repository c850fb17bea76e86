"""The folders of the parts of a data set."""

from pathlib import Path

from medix.data.part_folders import part_folders


def test_folders_that_hold_manifests_are_parts(tmp_path: Path) -> None:
    for name in ("val/a.yaml", "train/a.yaml", "train/b.yaml", ".building-x/a.yaml", "train/deeper/a.yaml", "own.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("name: a\nshards:\n- url: a.tar\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.yaml").write_text("data: {shards: 2}\n")
    (tmp_path / "run" / "folder.yaml").mkdir()
    assert part_folders(tmp_path) == [tmp_path / "train", tmp_path / "val"]


def test_a_folder_without_parts_has_none(tmp_path: Path) -> None:
    assert part_folders(tmp_path) == part_folders(tmp_path / "absent") == []
