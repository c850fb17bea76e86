"""Ranks that found different checkpoints do not begin."""

from pathlib import Path

import pytest

from medix.callbacks import agree_on_checkpoint
from medix.callbacks.agree_on_checkpoint import AgreeOnCheckpoint
from tests.support.fake_training import FakeModule, make_trainer


def begin(monkeypatch: pytest.MonkeyPatch, folder: Path, *paths: Path | None) -> None:
    """What rank 0 does when ranks have found these."""
    found: list[object] = []
    monkeypatch.setattr(agree_on_checkpoint, "gather", lambda own: found.append(own) or [own])
    callbacks = [AgreeOnCheckpoint(None if path is None else str(path)) for path in paths]
    for callback in callbacks:
        callback.setup(make_trainer(folder, []), FakeModule(), "fit")
    monkeypatch.setattr(agree_on_checkpoint, "gather", lambda own: found)
    callbacks[0].setup(make_trainer(folder, []), FakeModule(), "fit")


def written(folder: Path, size: int) -> Path:
    folder.mkdir()
    path = folder / "step-000002.ckpt"
    path.write_bytes(b"x" * size)
    return path


def test_a_machine_that_does_not_share_the_folder_is_named_with_what_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = written(tmp_path / "first", 7)
    with pytest.raises(
        ValueError,
        match=r"rank 0 on \S+ found step-000002.ckpt of 7 bytes, and rank 1 on \S+ no checkpoint; "
        r"trainer.default_root_dir .* all machines share",
    ):
        begin(monkeypatch, tmp_path, first, None)
    with pytest.raises(ValueError, match=r"rank 1 on \S+ step-000002.ckpt of 8 bytes"):
        begin(monkeypatch, tmp_path, first, written(tmp_path / "second", 8))
    with pytest.raises(ValueError, match=r"rank 1 on \S+ no step-000002.ckpt"):
        begin(monkeypatch, tmp_path, first, tmp_path / "third" / first.name)


def test_copies_of_one_checkpoint_are_the_same_and_so_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begin(monkeypatch, tmp_path, written(tmp_path / "first", 7), written(tmp_path / "second", 7))
    begin(monkeypatch, tmp_path, None, None)
