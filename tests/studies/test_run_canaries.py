"""Checks of the judge by canaries that a run of a grid has made."""

from collections.abc import Callable
from pathlib import Path

import pytest

from medix.run_beginning import Beginning, note_beginning
from medix.studies.run_canaries import RunCanaries
from tests.studies.grids import write_canaries

SPEC = """
trainer:
  callbacks:
  - class_path: medix.callbacks.WriteReport
  - class_path: medix.callbacks.CheckJudge
    init_args: {every_n_steps: 2, at_start: true}
"""


def checked(folder: Path, *steps: int) -> None:
    for step in steps:
        write_canaries(folder, step, 10, step / 10 or None)


def test_a_check_that_the_spec_asks_for_and_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Steps 0, 2 and 4 of 5; one more was made after a restart at step 3."""
    (tmp_path / "checkpoints").mkdir()
    checked(tmp_path, 0, 2, 3, 4)
    found = RunCanaries.read(tmp_path, SPEC, 5)
    assert found.checks == [{"step": step, "accepted": step / 10 or None} for step in (0, 2, 3, 4)]
    assert not found.faults
    (tmp_path / "canaries-step-000002.json").unlink()
    found = RunCanaries.read(tmp_path, SPEC, 5)
    assert [one["step"] for one in found.checks] == [0, 3, 4]
    (fault,) = found.faults
    assert fault.startswith(f"{tmp_path}/canaries-step-000002.json: is not there, though the spec of the run asks for")
    assert "restore it; until then" in fault


@pytest.mark.parametrize(("began", "made"), [(2, (2, 4)), (3, (3, 4)), (3, (0, 2, 3, 4)), (4, (2, 4))])
def test_a_run_that_began_from_a_checkpoint_has_no_checks_of_steps_before_it(
    tmp_path: Path, began: int, made: tuple[int, ...]
) -> None:
    """One that went back to a checkpoint of its own has those that it made before."""
    note_beginning(tmp_path / "checkpoints", Beginning("a.ckpt", began))
    checked(tmp_path, *made)
    assert not RunCanaries.read(tmp_path, SPEC, 5).faults
    (tmp_path / "canaries-step-000004.json").unlink()
    (fault,) = RunCanaries.read(tmp_path, SPEC, 5).faults
    assert "canaries-step-000004.json: is not there" in fault


def test_a_copy_without_checkpoints_does_not_tell_where_the_run_began(tmp_path: Path) -> None:
    """Its earliest check is taken for the first; later ones are missed."""
    checked(tmp_path, 3, 4)
    assert not RunCanaries.read(tmp_path, SPEC, 4).faults
    (fault,) = RunCanaries.read(tmp_path, SPEC, 6).faults
    assert "canaries-step-000006.json: is not there" in fault


@pytest.mark.parametrize(
    "spec",
    [None, 3, "", "a: [", "trainer: 1", "trainer: {callbacks: 1}", "trainer: {callbacks: [1, {init_args: 2}]}",
     SPEC.replace("{every_n_steps: 2, at_start: true}", "[1]"), SPEC.replace("CheckJudge", "Other")],
)  # fmt: skip
def test_where_no_check_is_known_to_be_asked_for_none_is_missed(tmp_path: Path, spec: object) -> None:
    checked(tmp_path, 2)
    assert RunCanaries.read(tmp_path, spec, 4) == RunCanaries([{"step": 2, "accepted": 0.2}], [])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_text('{"st'), "is not what medix judge canaries or CheckJudge writes"),
        (lambda file: file.write_text(file.read_text().replace('"step": 2, ', "")), "step: is missing"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot be read (Is a directory)"),
    ],
)
def test_a_damaged_file_is_told_and_the_others_are_read(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    checked(tmp_path, 0, 2)
    damage(tmp_path / "canaries-step-000002.json")
    found = RunCanaries.read(tmp_path, None, 4)
    assert [one["step"] for one in found.checks] == [0]
    (fault,) = found.faults
    assert fault.startswith(f"{tmp_path}/canaries-step-000002.json: {said}")
    assert "the numbers of the row are whole" in fault
