"""Which checkpoints in a folder are of the training that goes on there."""

import shutil
from pathlib import Path

import pytest
import torch

from medix.callbacks.own_checkpoints import holds, lineage, own_checkpoints
from medix.callbacks.save_checkpoint import checkpoints
from medix.files.checkpoint_content import digest_of


def saved(folder: Path, step: int, weight: float) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step:06d}.ckpt"
    torch.save({"weight": torch.tensor(weight)}, path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Steps 2, 4 and 6 of one training."""
    for step in (2, 4, 6):
        saved(tmp_path / "here", step, float(step))
    return tmp_path / "here"


@pytest.mark.parametrize(
    ("given", "is_known", "own"),
    [
        ("here/step-000004.ckpt", True, [2, 4]),
        ("here/step-000004.ckpt", False, [2, 4]),  # of an earlier version
        ("copy/any.ckpt", False, [2, 4]),
        ("other/step-000004.ckpt", True, []),
        ("other/step-000004.ckpt", False, []),
    ],
)
def test_numbers_do_not_tell_whose_a_checkpoint_is(
    folder: Path, tmp_path: Path, given: str, is_known: bool, own: list[int]
) -> None:
    other = saved(tmp_path / "other", 2, 20.0)
    saved(tmp_path / "other", 4, 40.0)
    (tmp_path / "copy").mkdir()
    shutil.copy(folder / "step-000004.ckpt", tmp_path / "copy" / "any.ckpt")
    before = other if given.startswith("other") else folder / "step-000002.ckpt"
    written = {2: digest_of(before)} if is_known else None
    known = lineage(checkpoints(folder), 4, tmp_path / given, written)
    assert own_checkpoints(checkpoints(folder), known) == list(known) == own
    assert holds(checkpoints(folder), tmp_path / given) == bool(own)


def test_one_that_was_set_aside_goes_on_with_what_it_came_of(folder: Path) -> None:
    """Two trainings from step 2: the first one's step 6 was set aside, steps 4 and 6 are of the second."""
    aside = folder / "superseded-step-000006.ckpt"
    torch.save({"weight": torch.tensor(60.0)}, aside)
    written = {2: digest_of(folder / "step-000002.ckpt"), 4: "of the first one"}
    assert own_checkpoints(checkpoints(folder), lineage(checkpoints(folder), 6, aside, written)) == [2]
    assert not holds(checkpoints(folder), aside)


def test_a_training_that_begins_has_none(folder: Path) -> None:
    assert lineage(checkpoints(folder), 0, None, {}) == {}
    assert own_checkpoints(checkpoints(folder), {}) == []
    assert not holds(checkpoints(folder), folder / "absent.ckpt")


def test_those_that_were_pruned_stay_known_up_to_the_step_from_which_training_goes_on(folder: Path) -> None:
    four = folder / "step-000004.ckpt"
    written = {1: "pruned", 2: digest_of(folder / "step-000002.ckpt"), 6: "of later"}
    assert lineage(checkpoints(folder), 4, four, written) == {1: "pruned", 2: written[2], 4: digest_of(four)}
