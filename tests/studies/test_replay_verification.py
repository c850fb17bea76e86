"""Three steps of a run again: equal here, within rounding elsewhere, and not where something was changed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from medix.studies.replay import CannotReplayError
from medix.studies.run_folder import RunFolder
from medix.studies.verification import verify
from tests.support.runs import medix, write_spec


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}" for path in files}


@pytest.mark.exact
def test_a_run_is_reproduced_bit_for_bit_and_its_folder_is_left_as_it_is(run: Path) -> None:
    """Dropout, groups that wait, an update of two halves; weights are compared after steps 4 and 5."""
    before = contents(run.parent.parent)
    found = verify(RunFolder(run))
    assert (found.found.outcome, found.window.start, found.window.steps) == ("bit-equal", 2, (3, 4, 5))
    assert found.found.is_same_kind
    assert found.found.compared["completions"] > 36
    assert found.found.compared["weights"] > 50
    assert found.found.compared["metrics"] > 50
    assert found.notes == ()
    assert contents(run.parent.parent) == before


def test_another_processor_is_within_rounding(run: Path) -> None:
    words = ("verify", str(run), "--json", "v.json")
    told = medix(run.parent.parent, *words, is_fresh=True, ATEN_CPU_CAPABILITY="default")
    assert "\nwithin rounding: " in told.stdout
    data = json.loads((run.parent.parent / "v.json").read_text())
    assert data["here"]["processor"]["kernels"] == "DEFAULT"
    assert not data["same_kind_of_processor"]
    assert "the run is of another processor" in told.stdout


def test_steps_that_another_machine_made_before_the_next_checkpoint_may_round_differently(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run has moved at step 4: the checkpoint of step 5 says so, that of step 4 does not."""
    read = RunFolder.checkpoint

    def moved(self: RunFolder, step: int) -> dict[str, Any]:
        saved = read(self, step)
        if step == 5:
            saved["medix"]["written_by"] |= {"torch": "0"}
        return saved

    monkeypatch.setattr(RunFolder, "checkpoint", moved)
    assert not verify(RunFolder(run)).found.is_same_kind


@pytest.mark.parametrize("key", ["total", "advantage", "mean_logprob"])
def test_a_record_that_was_tampered_with_is_not_reproduced(run: Path, key: str) -> None:
    path = run / "completions" / "train.rank0.jsonl"
    lines = path.read_text().splitlines()
    number = next(place for place, line in enumerate(lines) if json.loads(line)["advantage"] and '"step": 4' in line)
    entry = json.loads(lines[number])
    lines[number] = json.dumps({**entry, key: entry[key] + 1e-12})
    path.write_text("\n".join(lines) + "\n")
    found = verify(RunFolder(run), 2).found
    assert found.outcome == "not reproduced"
    assert [(one.step, one.what) for one in found.differences] == [(4, f"{entry['id']}[{entry['index']}]: {key}")]


def test_weights_that_are_not_those_of_the_run_are_found(run: Path) -> None:
    """The checkpoint of step 5 in the place of that of step 4: records and metrics are equal, weights are not."""
    (run / "checkpoints" / "step-000004.ckpt").write_bytes((run / "checkpoints" / "step-000005.ckpt").read_bytes())
    found = verify(RunFolder(run), 2).found
    assert found.outcome == "not reproduced"
    assert all(one.what.startswith("weight ") for one in found.differences)


def test_a_run_whose_spec_was_changed_afterwards_is_not_reproduced(run: Path) -> None:
    """The replay is of the spec in the checkpoint, and equal; what the folder says of the run is not."""
    path = run / "spec.yaml"
    text = path.read_text()
    path.write_text(text.replace("seed_everything: 1\n", "seed_everything: 7\n"))
    found = verify(RunFolder(run), 1).found
    assert found.outcome == "not reproduced"
    assert list(map(str, found.differences)) == ["step 5, spec.yaml, seed_everything: 7 on record, 1 replayed"]
    path.write_text(f"# a comment\n{text}")
    assert verify(RunFolder(run), 1).found.outcome == "bit-equal"


@pytest.mark.exact
def test_steps_after_a_resume_with_other_rewards_are_reproduced(run: Path) -> None:
    """Groups that wait are scored by the new rewards when the run goes on, and so they are in the replay."""
    folder = run.parent.parent
    spec = yaml.safe_load((folder / "spec.yaml").read_text())
    components = spec["model"]["rewards"]["components"]
    components["half"]["weight"] = 0.5
    components["format"] = {"reward": {"class_path": "medix.rewards.FormatReward"}, "weight": 0.5}
    spec["model"]["max_steps"] = 7
    medix(folder, "fit", "--config", str(write_spec(folder, spec, "other.yaml")))
    found = verify(RunFolder(run), 2)
    assert (found.window.start, found.window.steps) == (5, (6, 7))
    assert (found.found.outcome, found.found.differences) == ("bit-equal", [])


def test_data_that_changed_are_named_by_their_manifest(run: Path) -> None:
    manifest = run.parent.parent / "data" / "manifests" / "tiny_train-x_ray.yaml"
    text = manifest.read_text()
    manifest.write_text(text.replace("name: tiny_train", "name: other_train"))
    with pytest.raises(CannotReplayError, match=r"changed or missing: data/manifests/tiny_train-x_ray\.yaml\)"):
        verify(RunFolder(run))
    manifest.write_text(text)
    for shard in (run.parent.parent / "data" / "tiny").glob("tiny_train-x_ray-*.tar"):
        shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(CannotReplayError, match=r"does not match manifest data/manifests/tiny_train-x_ray\.yaml"):
        verify(RunFolder(run))


def test_without_a_report_and_later_checkpoints_it_is_said_what_is_not_compared(run: Path) -> None:
    (run / "report.json").unlink()
    (run / "checkpoints" / "step-000004.ckpt").unlink()
    (run / "checkpoints" / "step-000005.ckpt").unlink()
    found = verify(RunFolder(run), 1)
    assert found.found.outcome == "bit-equal"
    assert [note.partition(",")[0] for note in found.notes] == [
        "there is no report.json (medix.callbacks.WriteReport): losses and gradients are not compared",
        "no checkpoint lies among these steps",
    ]


def test_a_report_without_the_steps_is_told_from_one_that_is_damaged(run: Path) -> None:
    """The damaged one before a step is made again."""
    report = json.loads((run / "report.json").read_text())
    (run / "report.json").write_text(json.dumps({**report, "step": 3, "steps": report["steps"][:3]}))
    told = "report.json, of step 3, holds no metrics of these steps: losses and gradients are not compared"
    assert told in verify(RunFolder(run), 1).notes
    (run / "report.json").write_text("{")
    with pytest.raises(ValueError, match=r"report\.json: is not what medix fit writes"):
        verify(RunFolder(run), 1)


def test_a_step_between_that_is_not_on_record_is_named(run: Path) -> None:
    path = run / "completions" / "train.rank0.jsonl"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if '"step": 4' not in line))
    found = verify(RunFolder(run), 2)
    assert found.window.steps == (3, 5)
    assert found.found.outcome == "bit-equal"
    assert found.notes == (
        "of the steps between, completions of 4 are not on record (completions/), and were not compared",
    )
