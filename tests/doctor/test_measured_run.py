"""The rates of a run, from its logs."""

from pathlib import Path

import pytest

from medix.doctor.measured_run import MeasuredRun

LOG = """\
step,seconds/rollout,seconds/step,seconds/update,train/tokens_per_second,val/reward
0,,,,,0.5
1,4.0,10.0,6.0,20,
2,2.0,8.0,6.0,25,
3,2.0,5.0,3.0,20,
"""


def run(folder: Path) -> Path:
    (folder / "logs" / "version_0").mkdir(parents=True)
    (folder / "logs" / "version_0" / "metrics.csv").write_text(LOG)
    (folder / "completions").mkdir()
    for rank in (0, 1):
        (folder / "completions" / f"train.rank{rank}.jsonl").touch()
    return folder


def test_seconds_are_divided_by_the_tokens_of_their_step(tmp_path: Path) -> None:
    """Steps of 200, 200 and 100 tokens; rollout 0.02, 0.01, 0.02 a token, update 0.03 in all."""
    found = MeasuredRun.read(run(tmp_path))
    assert (found.ranks, found.steps) == (2, 3)
    assert found.seconds_per_token == pytest.approx({"rollout": 0.02, "update": 0.03})


def test_a_folder_without_such_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--rates .*LogRewards and RecordCompletions"):
        MeasuredRun.read(tmp_path)
