"""Renaming, setting aside, deleting and copying of files and folders."""

from pathlib import Path

import pytest

from medix.files.durable_files import copy, delete, rename, set_aside, sync


@pytest.mark.parametrize("is_folder", [False, True])
def test_files_and_folders_are_served_alike(tmp_path: Path, is_folder: bool) -> None:
    def made(name: str, text: str) -> Path:
        path = tmp_path / name
        if is_folder:
            path.mkdir()
        (path / "part" if is_folder else path).write_text(text)
        return path

    def text(name: str) -> str:
        path = tmp_path / name
        return (path / "part" if is_folder else path).read_text()

    new, old = made("new", "new"), made("old", "old")
    sync(new)
    rename(new, old)
    assert text("old") == "new"
    copy(old, tmp_path / "copy")
    assert text("copy") == "new"
    delete(old)
    delete(tmp_path / "absent")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy"]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_that_an_interrupted_renaming_left_is_deleted_by_the_next(tmp_path: Path, is_there: bool) -> None:
    for name in (".step.old", "new", *(["step"] if is_there else [])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_text(name)
    rename(tmp_path / "new", tmp_path / "step")
    assert [path.name for path in tmp_path.iterdir()] == ["step"]
    assert (tmp_path / "step" / "part").read_text() == "new"


def test_a_file_that_gets_a_name_deletes_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / ".a.old").write_text("mine")
    (tmp_path / "new").write_text("new")
    rename(tmp_path / "new", tmp_path / "a")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {".a.old": "mine", "a": "new"}


def test_what_was_set_aside_before_is_not_replaced(tmp_path: Path) -> None:
    for text in ("first", "second", "third"):
        (tmp_path / "a.ckpt").write_text(text)
        set_aside(tmp_path / "a.ckpt")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "superseded-a.ckpt": "first", "superseded-2-a.ckpt": "second", "superseded-3-a.ckpt": "third",
    }  # fmt: skip
