"""What a run has left."""

import json
from pathlib import Path

import pytest

from medix.modules.checkpoint_file import DamagedCheckpointError
from medix.studies.run_folder import RunFolder
from tests.support.finished_runs import STEPS


def test_checkpoints_and_recorded_steps_are_those_of_the_run(run: Path) -> None:
    found = RunFolder(run)
    assert list(found.checkpoints) == [2, 4, 5]
    assert found.recorded_steps == list(range(1, STEPS + 1))
    assert found.report["step"] == STEPS
    assert found.checkpoint(4)["medix"]["step"] == 4


@pytest.mark.parametrize("line", ['{"step": 6, "spl', '{"step": 1e400}', "[" * 100_000])
def test_a_line_that_a_crash_has_cut_or_that_cannot_be_read_is_no_step(run: Path, line: str) -> None:
    with (run / "completions" / "train.rank0.jsonl").open("a") as file:
        file.write(line)
    assert RunFolder(run).recorded_steps == list(range(1, STEPS + 1))


def test_lines_that_stand_twice_are_counted_by_step(run: Path) -> None:
    assert RunFolder(run).repeated_lines == {}
    path = run / "completions" / "train.rank0.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[0], lines[0], lines[-1]]))
    assert RunFolder(run).repeated_lines == {1: 2, STEPS: 1}


def test_the_spec_of_later_steps_is_that_of_the_resume(run: Path) -> None:
    found = RunFolder(run)
    saved = found.checkpoint(2)
    assert found.spec_after(2, saved)["model"]["max_steps"] == STEPS
    (run / "spec.from-step-000002.yaml").write_text("model: {max_steps: 9}\n")
    assert found.spec_after(2, saved)["model"]["max_steps"] == 9
    assert found.spec_after(4, found.checkpoint(4))["model"]["max_steps"] == STEPS
    assert [path.name for path in found.specs] == ["spec.yaml", "spec.from-step-000002.yaml"]


def test_other_folders_and_damaged_checkpoints_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no spec\.yaml; give the folder of a run"):
        RunFolder(tmp_path)
    path = run / "checkpoints" / "step-000002.ckpt"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedCheckpointError, match=r"step-000002\.ckpt: cannot be read: .*\. Restore it; if that"):
        RunFolder(run).checkpoint(2)
    (tmp_path / "spec.yaml").write_text(json.dumps({}))
    assert (RunFolder(tmp_path).checkpoints, RunFolder(tmp_path).recorded_steps) == ({}, [])


def _edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_specs_that_say_otherwise_than_the_checkpoints_are_found(run: Path) -> None:
    assert RunFolder(run).altered_specs == []
    _edited(run / "spec.yaml", f"max_steps: {STEPS}\n", "max_steps: 9\n")
    [(path, step, change)] = RunFolder(run).altered_specs
    assert (path.name, step, change.values) == ("spec.yaml", 5, f"model.max_steps: {STEPS} -> 9")


def test_each_spec_of_a_resumed_run_is_compared_with_a_checkpoint_of_its_steps(run: Path) -> None:
    """The checkpoint of step 4 is of the first spec, that of step 5 of the one with which the run was resumed at 4."""
    resumed = run / "spec.from-step-000004.yaml"
    resumed.write_text((run / "spec.yaml").read_text())
    assert RunFolder(run).altered_specs == []
    _edited(run / "spec.yaml", f"max_steps: {STEPS}\n", "max_steps: 8\n")
    _edited(resumed, f"max_steps: {STEPS}\n", "max_steps: 9\n")
    found = [(path.name, step, change.now) for path, step, change in RunFolder(run).altered_specs]
    assert found == [("spec.yaml", 4, 8), (resumed.name, 5, 9)]
    (run / "checkpoints" / "step-000005.ckpt").unlink()  # nothing says what the second was
    assert [path.name for path, *_ in RunFolder(run).altered_specs] == ["spec.yaml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "None is not the spec"),
        ("[]", r"\[\] is not the spec"),
        ("5", "5 is not the spec"),
        ("trainer: 5", "trainer: 5 is not a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_spec_of_another_shape_is_named(run: Path, text: str, said: str) -> None:
    (run / "spec.yaml").write_text(text)
    with pytest.raises(ValueError, match=rf"spec\.yaml(, line \d)?: {said}"):
        _ = RunFolder(run).altered_specs
    with pytest.raises(ValueError, match=r"spec\.yaml"):
        RunFolder(run).spec_in(run / "spec.yaml")


def test_a_damaged_report_is_not_called_absent(run: Path) -> None:
    (run / "report.json").write_text('{"title": "Tr')
    with pytest.raises(ValueError, match=r"report\.json: is not what medix fit writes; restore it; if that cannot be"):
        _ = RunFolder(run).report
    (run / "report.json").unlink()
    assert RunFolder(run).report == {}
