"""Which steps are replayed, and which runs are not. That replays are equal: ``test_verification.py``."""

import json
from pathlib import Path

import pytest

from medix.studies.replay import CannotReplayError, Window, replay
from medix.studies.run_folder import RunFolder
from medix.yaml_text import read_yaml, write_yaml
from tests.support.fault_server import nobody


def folder(path: Path, checkpoints: list[int], steps: list[int]) -> RunFolder:
    (path / "spec.yaml").write_text("{}")
    for name in ("checkpoints", "completions"):
        (path / name).mkdir()
    for step in checkpoints:
        (path / "checkpoints" / f"step-{step:06d}.ckpt").touch()
    lines = "".join(json.dumps({"step": step}) + "\n" for step in steps)
    (path / "completions" / "train.rank0.jsonl").write_text(lines)
    return RunFolder(path)


@pytest.mark.parametrize(
    ("checkpoints", "steps", "start", "expected"),
    [
        ([10, 20, 30, 40], list(range(1, 41)), 30, (31, 32, 33)),
        ([10, 38, 40], list(range(1, 41)), 10, (11, 12, 13)),  # three steps rather than the newest checkpoint
        ([38, 40], list(range(1, 41)), 38, (39, 40)),
        ([10, 20], [10, 15, 20, 25, 30, 35], 20, (25, 30, 35)),  # every fifth is on record
    ],
)
def test_the_newest_checkpoint_with_three_recorded_steps_after_it_is_taken(
    tmp_path: Path, checkpoints: list[int], steps: list[int], start: int, expected: tuple[int, ...]
) -> None:
    assert Window.of(folder(tmp_path, checkpoints, steps)) == Window(start, expected)


@pytest.mark.parametrize(
    ("checkpoints", "resumed", "expected"),
    [
        ([4, 6, 7], [6], Window(4, (5, 6))),  # step 7 is of another spec
        ([2, 4, 6], [6], Window(2, (3, 4, 5))),
        ([6], [6], Window(6, (7,))),
        ([2, 4], [3, 5], Window(4, (5,))),  # of windows of one length the newest
    ],
)
def test_a_window_ends_where_the_run_was_resumed_with_another_spec(
    tmp_path: Path, checkpoints: list[int], resumed: list[int], expected: Window
) -> None:
    found = folder(tmp_path, checkpoints, list(range(1, 8)))
    for step in resumed:
        (tmp_path / f"spec.from-step-{step:06d}.yaml").write_text("{}")
    assert Window.of(found) == expected


@pytest.mark.parametrize(
    ("checkpoints", "steps", "told"),
    [
        ([], [1, 2], "holds no checkpoint"),
        ([2], [], "no step is on record"),
        ([2, 4], [1, 2, 3, 4][:2], r"no checkpoint has a recorded step after it \(checkpoints: 2, 4; .* up to step 2"),
    ],
)
def test_a_run_without_steps_after_a_checkpoint_cannot_be_replayed(
    tmp_path: Path, checkpoints: list[int], steps: list[int], told: str
) -> None:
    with pytest.raises(CannotReplayError, match=told):
        Window.of(folder(tmp_path, checkpoints, steps))


def changed(run: Path, **keys: object) -> RunFolder:
    """The run, resumed after step 2 with other keys of its spec."""
    spec = read_yaml((run / "spec.yaml").read_text())
    for key, value in keys.items():
        place = spec
        *path, last = key.split("__")
        for name in path:
            place = place[name]
        place[last] = value
    (run / "spec.from-step-000002.yaml").write_text(write_yaml(spec))
    return RunFolder(run)


def test_engines_whose_tokens_depend_on_more_than_weights_and_seeds_are_refused(run: Path) -> None:
    other = changed(run, model__engine__class_path="medix.rollout.ColocatedEngine")
    with pytest.raises(CannotReplayError, match=r"model\.engine: medix\.rollout\.ColocatedEngine: runs of"):
        replay(other, Window(2, (3,)))


def test_a_judge_that_does_not_answer_is_named(run: Path) -> None:
    with nobody("/v1") as url:
        judge = {"class_path": "medix.judge.ServedJudge", "init_args": {"base_url": url, "model": "j"}}
        with pytest.raises(CannotReplayError, match=r"the judge at http://127\.0\.0\.1:[0-9]+/v1 .*; start it"):
            replay(changed(run, judge=judge), Window(2, (3,)))


def test_callbacks_of_the_users_are_left_out_and_named(run: Path) -> None:
    callbacks = [{"class_path": "my_callbacks.Mine", "init_args": {}}, {"class_path": "medix.callbacks.LogRewards"}]
    made = replay(changed(run, trainer__callbacks=callbacks), Window(2, (3,)))
    assert made.left_out == ("my_callbacks.Mine",)
    assert {record.step for record in made.records} == {3}
    assert list(made.metrics) == [3]
