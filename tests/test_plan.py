import zipfile
from pathlib import Path

import pytest

from medix.plan import chosen_checkpoint, read_checkpoint


def test_words_name_checkpoints_of_the_run_and_other_names_are_files(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    assert chosen_checkpoint(None, tmp_path) is None
    for step in (2, 10):
        with zipfile.ZipFile(folder / f"step-{step:06d}.ckpt", "w") as file:
            file.writestr("x", "x")
    for given, name in ((None, "step-000010.ckpt"), ("last", "step-000010.ckpt"), ("best", "best.ckpt")):
        assert chosen_checkpoint(given, tmp_path) == str(folder / name)
    assert chosen_checkpoint("base", tmp_path) is None
    assert chosen_checkpoint("mine.ckpt", tmp_path) == "mine.ckpt"


def test_a_missing_checkpoint_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").touch()
    with pytest.raises(ValueError, match=r"--ckpt_path a\.ckpt: .*best, last, or base .*holds: best\.ckpt"):
        read_checkpoint("a.ckpt", tmp_path)


def test_a_folder_is_refused_because_what_wrote_it_pickles(tmp_path: Path) -> None:
    """As Lightning's DeepSpeedStrategy and ModelParallelStrategy write them."""
    (tmp_path / "step-000001.ckpt" / "checkpoint").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"--ckpt_path .*step-000001.ckpt: is a folder.* hold pickles"):
        read_checkpoint(str(tmp_path / "step-000001.ckpt"), tmp_path)
