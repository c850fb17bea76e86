"""The mark of what a run began from."""

from pathlib import Path

import pytest

from medix.run_beginning import NAME, Beginning, beginning_of, named, note_beginning


def test_a_mark_is_read_as_it_was_written_and_can_be_removed(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    assert beginning_of(folder) is None
    note_beginning(folder, None)
    assert not folder.exists()
    note_beginning(folder, Beginning("a.ckpt", 4))
    assert beginning_of(folder) == Beginning("a.ckpt", 4)
    note_beginning(folder, Beginning("a.ckpt", 4, "d"))
    assert beginning_of(folder) == Beginning("a.ckpt", 4, "d")
    (folder / NAME).write_text('{"checkpoint": "a.ckpt", "step": 4}')
    assert beginning_of(folder) == Beginning("a.ckpt", 4)
    note_beginning(folder, None)
    assert beginning_of(folder) is None


def test_a_file_is_what_a_run_began_from_by_its_content_or_by_its_path() -> None:
    """``best.ckpt`` becomes another one, a file may be gone, and marks of earlier versions know the path alone."""
    mark = Beginning("/a/warm.ckpt", 4, "d")
    assert mark.is_what("/moved/warm.ckpt", "d")
    assert mark.is_what("/a/warm.ckpt", None)
    assert mark.is_what("/a/warm.ckpt", "e")
    assert not mark.is_what("/moved/warm.ckpt", "e")
    assert not mark.is_what("/moved/warm.ckpt", None)
    assert not Beginning("base", 0).is_what("/moved/warm.ckpt", None)


HOSTILE = ("[" * 100_000, '{"checkpoint": "a", "step": 1e400}', '"text"', "\0")


@pytest.mark.parametrize("text", ["", "{", "[]", "4", "{}", '{"checkpoint": "a", "step": null}', *HOSTILE])
def test_a_mark_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    assert beginning_of(tmp_path) is None


def test_a_file_has_one_name_from_any_folder_and_in_a_run_that_was_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = "checkpoints/step-000002.ckpt"
    assert named("run/checkpoints/step-000002.ckpt", Path("run")) == inside
    assert named(str(tmp_path / "moved" / inside), Path("elsewhere/../moved")) == inside
    assert named("other/a.ckpt", Path("run")) == str(tmp_path / "other" / "a.ckpt")
    assert named("base", Path("run")) == "base"
