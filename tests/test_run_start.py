"""With what a command starts, and that the same command goes on although --ckpt_path names a file."""

import json
import signal
import zipfile
from pathlib import Path

import pytest

from medix.callbacks.save_checkpoint import SaveCheckpoint
from medix.files.checkpoint_content import digest_of
from medix.policy.tiny import build_tiny
from medix.run_beginning import Beginning, note_beginning
from medix.run_end import note_end
from medix.run_start import RunStart
from tests.support.runs import medix, small_spec, write_spec

STOPPER = '''\
"""Sends this process a signal, once, behind the checkpoint of a step."""

import os
from pathlib import Path

from lightning.pytorch import Callback


class Stops(Callback):
    def __init__(self, number: int, step: int) -> None:
        self.number, self.step = number, step

    def on_train_batch_start(self, trainer, module, batch, batch_idx) -> None:
        if module.step == self.step and not Path("stopped").exists():
            Path("stopped").touch()
            os.kill(os.getpid(), self.number)
'''


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with checkpoints of steps 4 and 6."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    for step in (4, 6):
        with zipfile.ZipFile(tmp_path / "run" / "checkpoints" / f"step-{step:06d}.ckpt", "w") as file:
            file.writestr("x", "x")
    return Path("run")


@pytest.mark.parametrize(
    ("given", "began", "goes_on"),
    [
        (None, None, True),
        ("last", None, True),
        (None, Beginning("checkpoints/step-000004.ckpt", 4), True),
        ("run/checkpoints/step-000004.ckpt", None, False),
        ("run/checkpoints/step-000004.ckpt", Beginning("checkpoints/step-000004.ckpt", 4), True),
        ("run/checkpoints/../checkpoints/step-000004.ckpt", Beginning("checkpoints/step-000004.ckpt", 4), True),
        ("run/checkpoints/step-000002.ckpt", Beginning("checkpoints/step-000004.ckpt", 4), False),
        ("run/checkpoints/step-000006.ckpt", Beginning("checkpoints/step-000006.ckpt", 6), False),
        ("best", Beginning("checkpoints/best.ckpt", 4), True),
        ("best", Beginning("checkpoints/step-000004.ckpt", 4), False),
        ("base", Beginning("base", 0), True),
        ("base", None, False),
        ("best", Beginning("base", 0), False),
    ],
)
def test_a_run_goes_on_from_its_own_checkpoints_behind_what_the_same_command_named(
    run: Path, given: str | None, began: Beginning | None, goes_on: bool
) -> None:
    note_beginning(run / "checkpoints", began)
    assert RunStart(given, run).saved == (run / "checkpoints" / "step-000006.ckpt" if goes_on else None)


def test_a_file_of_the_same_content_is_the_same_beginning_wherever_it_lies(run: Path, tmp_path: Path) -> None:
    """The folder of a project is mounted under another path; then the file is gone."""
    (tmp_path / "warm.ckpt").write_bytes((run / "checkpoints" / "step-000004.ckpt").read_bytes())
    note_beginning(run / "checkpoints", Beginning("/mounted/warm.ckpt", 4, digest_of(tmp_path / "warm.ckpt")))
    newest = run / "checkpoints" / "step-000006.ckpt"
    assert RunStart("warm.ckpt", run).saved == newest
    with zipfile.ZipFile(tmp_path / "warm.ckpt", "a") as file:
        file.writestr("y", "y")
    assert RunStart("warm.ckpt", run).saved is None
    (tmp_path / "warm.ckpt").unlink()
    assert RunStart("warm.ckpt", run).saved is None
    assert RunStart("/mounted/warm.ckpt", run).saved == newest


def test_what_a_run_begins_from_is_told_to_what_notes_it(run: Path) -> None:
    save = SaveCheckpoint()
    assert RunStart("best", run).begin([save]) == "run/checkpoints/best.ckpt"
    assert save.begins_from == "checkpoints/best.ckpt"
    with pytest.raises(ValueError, match=r"--ckpt_path base: run holds .*\(step-000006.ckpt\); name another"):
        RunStart("base", run).begin([save])
    assert RunStart("base", Path("new")).begin([save]) is None
    assert save.begins_from == "base"
    assert RunStart(None, Path("new")).begin([save]) is None
    assert save.begins_from is None


@pytest.mark.parametrize("name", ["step-000006.ckpt", "superseded-step-000006.ckpt"])
@pytest.mark.parametrize("given", ["best", "run/checkpoints/best.ckpt"])
def test_what_the_same_command_began_from_is_found_by_its_content_where_its_name_is_gone(
    run: Path, name: str, given: str
) -> None:
    """A training that measures otherwise has no best of its own before it is killed."""
    folder = run / "checkpoints"
    began = (folder / "step-000006.ckpt").rename(folder / name)
    with zipfile.ZipFile(began, "a") as file:
        file.writestr("y", "y")
    note_beginning(folder, Beginning("checkpoints/best.ckpt", 6, digest_of(began)))
    save = SaveCheckpoint()
    assert RunStart(given, run).saved is None
    assert RunStart(given, run).begin([save]) == str(began)
    assert save.begins_from == "checkpoints/best.ckpt"
    assert RunStart("run/other.ckpt", run).begin([]) == "run/other.ckpt"
    note_beginning(folder, Beginning("checkpoints/best.ckpt", 6))
    assert RunStart(given, run).begin([]) == "run/checkpoints/best.ckpt"


def test_a_run_is_complete_at_or_beyond_the_last_step(run: Path) -> None:
    start, found = RunStart(None, run), run / "checkpoints" / "step-000006.ckpt"
    assert start.complete(found, 6, "") == ""
    note_end(found)
    assert "the run in run is complete: step-000006.ckpt is at model.max_steps = 6. Raise" in start.complete(
        found, 6, ""
    )
    assert "step-000006.ckpt is beyond model.max_steps = 2. Its report" in start.complete(found, 2, "Its report. ")
    assert start.complete(found, 7, "") == ""
    assert start.going_on(found, 7) == f"going on from step 6 of 7 ({found})"
    assert start.going_on(found, 2) == f"going on from step 6, beyond model.max_steps = 2 ({found})"
    told = "; it began from --ckpt_path a.ckpt: to begin from that once more, delete run/checkpoints/began_from.json"
    assert RunStart("a.ckpt", run).going_on(found, 7) == f"going on from step 6 of 7 ({found}){told}"
    assert RunStart("a.ckpt", run).complete(found, 6, "").endswith(told)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("run_start") / "policy")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("given", ["first/checkpoints/step-000001.ckpt", "base"])
def test_the_same_command_goes_on_although_it_names_what_it_began_from(
    tmp_path: Path, policy: Path, number: signal.Signals, given: str
) -> None:
    (tmp_path / "stopper.py").write_text(STOPPER)
    spec = small_spec(tmp_path, policy, trainer={"default_root_dir": "run"}, model={"max_steps": 4})
    spec["trainer"]["callbacks"][-1]["init_args"]["every_n_steps"] = 1
    stops = {"class_path": "stopper.Stops", "init_args": {"number": int(number), "step": 2}}
    spec["trainer"]["callbacks"].append(stops)
    begin = ("fit", "--config", str(write_spec(tmp_path, spec)))
    medix(tmp_path, *begin, "--trainer.default_root_dir", "first", "--model.max_steps", "1")
    command, folder = (*begin, "--ckpt_path", given), tmp_path / "run" / "checkpoints"
    stopped = medix(tmp_path, *command, check=False)
    assert (tmp_path / "stopped").exists()
    assert stopped.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 143), stopped
    if number == signal.SIGTERM:
        assert "at step 2; the same command goes on" in stopped.stderr
    assert "going on from step 2 of 4 (run/checkpoints/step-000002.ckpt)" in medix(tmp_path, *command).stdout
    assert not list(folder.glob("superseded-*"))
    lines = (tmp_path / "run" / "completions" / "train.rank0.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert set(steps) == ({1, 2, 3, 4} if given == "base" else {2, 3, 4})
    assert len({steps.count(step) for step in steps}) == 1, "every step is recorded once"
    assert "step-000004.ckpt is at model.max_steps = 4" in medix(tmp_path, *command).stdout
    if given != "base":
        (folder / "began_from.json").unlink()
        assert "going on" not in medix(tmp_path, *command).stdout
        again = (*begin, "--ckpt_path", "run/checkpoints/step-000003.ckpt")
        assert "going on" not in medix(tmp_path, *again).stdout
        assert (folder / "superseded-step-000004.ckpt").is_file()
