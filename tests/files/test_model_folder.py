"""The digest of a model folder follows its contents, wherever it is."""

import os
from pathlib import Path

import pytest

from medix.files import model_folder
from medix.files.model_folder import folder_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    (made / "1_Pooling").mkdir(parents=True)
    (made / "1_Pooling" / "config.json").write_text("{}")
    (made / "pytorch_model.bin").write_bytes(bytes(range(256)) * 400)
    (made / "README.md").write_text("about")
    return made


@pytest.mark.parametrize("name", ["pytorch_model.bin", "1_Pooling/config.json"])
def test_a_file_that_is_exchanged_for_one_of_equal_length_is_another_model(folder: Path, name: str) -> None:
    before = folder_digest(folder)
    path = folder / name
    new = bytearray(path.read_bytes())
    new[-1] ^= 1
    path.with_name("new").write_bytes(new)
    path.with_name("new").replace(path)
    assert folder_digest(folder) != before


def test_a_long_file_counts_with_its_parts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_folder, "_WHOLE", 1000)
    path = folder / "pytorch_model.bin"
    before = folder_digest(folder)
    path.write_bytes(bytes(reversed(path.read_bytes())))
    assert folder_digest(folder) != before


def test_what_is_no_part_of_the_model_and_where_it_lies_do_not_count(folder: Path) -> None:
    before = folder_digest(folder)
    (folder / "README.md").write_text("other")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.json").write_text("{}")
    moved = folder.rename(folder.with_name("elsewhere"))
    assert folder_digest(moved) == before


def test_a_file_is_read_again_only_after_it_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder_digest(folder)
    monkeypatch.setattr(Path, "open", lambda self, mode="r": pytest.fail(f"{self} is read again"))
    assert folder_digest(folder) == before
    os.utime(folder / "pytorch_model.bin", ns=(1, 1))
    with pytest.raises(pytest.fail.Exception):
        folder_digest(folder)
