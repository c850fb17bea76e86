"""A run that signals stop again and again is the run that nobody stopped, bit for bit."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.policy.tiny import build_tiny
from tests.support.inside import Outcome, working_in
from tests.support.runs import small_spec, write_spec
from tests.test_resume import same

SIGNALS = '''\
"""Sends this process a signal, once in each place that the file ``places`` names."""

import json
import os
import signal
from pathlib import Path

from lightning.pytorch import Callback


class Send(Callback):
    def reach(self, place, step):
        file = Path("places")
        places = json.loads(file.read_text()) if file.exists() else []
        if places and [place, step] == places[0][:2]:
            file.write_text(json.dumps(places[1:]))
            os.kill(os.getpid(), signal.Signals[places[0][2]])

    def on_fit_start(self, trainer, module):
        self.reach("start", module.step)

    def on_phase_start(self, trainer, module, name):
        self.reach(name, module.step + 1)

    def on_save_checkpoint(self, trainer, module, checkpoint):
        self.reach("checkpoint", module.step)

    def on_fit_end(self, trainer, module):
        self.reach("end", module.step)

    def on_validation_batch_start(self, trainer, module, batch, batch_idx, dataloader_idx=0):
        self.reach("validation", module.step)
'''

EARLY = '''\
"""Ends training in the middle of a step, once, as a callback that watches a metric or the time may."""

from pathlib import Path

from lightning.pytorch import Callback


class EndEarly(Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if module.step == 1 and module.finished_step is None and not Path("ended").exists():
            Path("ended").touch()
            trainer.should_stop = True
'''

PLACES = [
    ("start", 0, "SIGTERM", 0),
    ("rollout", 2, "SIGTERM", 1),
    ("reward", 3, "SIGINT", 2),
    ("validation", 3, "SIGTERM", 3),
    ("update", 4, "SIGTERM", 4),
    ("validation", 6, "SIGINT", 6),
]
"""Where a signal comes, which one, and the step that the run then has: the update of step 4 is finished first."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, list[Outcome]]]:
    """Six steps in one go, and as many in seven starts; groups wait between steps, validations are every third step."""
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "my_signals.py").write_text(SIGNALS)
    made = small_spec(
        folder,
        build_tiny("qwen3_vl", folder / "policy"),
        model={
            "policy": {"init_args": {"lora": {"rank": 2, "dropout": 0.2}}},
            "prompts_per_rollout": 5,
            "max_steps": 6,
        },
        data={"mixture": {"total": 10}},
    )
    made["trainer"]["callbacks"] += [
        {"class_path": "my_signals.Send"},
        {"class_path": "medix.callbacks.JudgeValidation", "init_args": {"every_n_steps": 3}},
        {"class_path": "medix.callbacks.WriteReport", "init_args": {"table": False}},
    ]
    made["trainer"]["callbacks"][2]["init_args"] = {"every_n_steps": 6}
    words = ("fit", "--config", str(write_spec(folder, made)), "--trainer.default_root_dir")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with working_in(folder) as run:
            straight = run(*words, "straight")
            assert straight.code == 0, straight
            (folder / "places").write_text(json.dumps(PLACES))
            yield folder / "straight", folder / "stopped", [run(*words, "stopped") for _ in range(len(PLACES) + 1)]
    finally:
        signal.signal(signal.SIGINT, before)


def test_each_start_ends_in_words_with_the_status_of_its_signal(runs: tuple[Path, Path, list[Outcome]]) -> None:
    outcomes = runs[2]
    assert [one.code for one in outcomes] == [128 + signal.Signals[name] for _, _, name, _ in PLACES] + [0], outcomes
    for (place, _, name, step), outcome in zip(PLACES, outcomes, strict=False):
        named = "Ctrl-C (SIGINT)" if name == "SIGINT" else name
        goes_on = "goes on" if step else "begins again"
        last = f"medix fit: stopped by {named} at step {step}; the same command {goes_on}"
        assert outcome.err.splitlines()[-1] == last, place
        assert "Traceback" not in outcome.err
    assert ["going on from" in one.out for one in outcomes] == [False] * 2 + [True] * 5
    assert "going on from step 6 of 6" in outcomes[-1].out


@pytest.mark.parametrize("part", ["state_dict", "optimizer_states", "medix"])
def test_weights_optimiser_buffer_position_and_random_states_are_equal(
    runs: tuple[Path, Path, list[Outcome]], part: str
) -> None:
    straight, stopped = (
        torch.load(run / "checkpoints" / "step-000006.ckpt", weights_only=True)[part] for run in runs[:2]
    )
    assert straight
    if part == "medix":
        for one in (straight, stopped):
            one["ranks"][0]["random"].pop("python")  # the run-time type checks of the tests draw from it
    assert same(straight, stopped)


def test_records_and_validations_are_equal_and_the_report_is_finished(runs: tuple[Path, Path, list[Outcome]]) -> None:
    found: list[tuple[list[dict[str, Any]], dict[str, Any]]] = []
    for run in runs[:2]:
        lines = [json.loads(line) for line in (run / "completions" / "train.rank0.jsonl").read_text().splitlines()]
        report = json.loads((run / "report.json").read_text())
        for validation in report["validations"]:
            validation.pop("seconds")
        found.append((lines, report))
    (lines, straight), (others, stopped) = found
    assert lines == others
    assert [one["step"] for one in straight["validations"]] == [0, 3, 6]
    assert straight["validations"] == stopped["validations"]
    assert stopped["finished"]
    assert [one["step"] for one in straight["steps"]] == [one["step"] for one in stopped["steps"]]


def test_no_partial_file_stays(runs: tuple[Path, Path, list[Outcome]]) -> None:
    assert not [path for path in runs[1].rglob("*") if path.name.startswith(".") or "part" in path.name]


def test_what_was_stopped_says_so_in_its_report(runs: tuple[Path, Path, list[Outcome]]) -> None:
    folder = runs[1].parent
    (folder / "places").write_text(json.dumps([["rollout", 2, "SIGTERM", 1]]))
    with working_in(folder) as run:
        assert run("fit", "--config", "spec.yaml", "--trainer.default_root_dir", "report").code == 143
    told = (folder / "report" / "report.md").read_text()
    assert "Stopped: 1 of 6 steps." in told


@pytest.mark.parametrize(("place", "name"), [("checkpoint", "SIGINT"), ("checkpoint", "SIGTERM"), ("end", "SIGTERM")])
def test_a_signal_behind_the_last_step_stops_the_run_too_and_the_same_command_completes_it(
    runs: tuple[Path, Path, list[Outcome]], place: str, name: str
) -> None:
    """Nothing is left to train, but a script that goes on after status 0 is to stop."""
    folder, target = runs[1].parent, f"{place}-{name}"
    words = ("fit", "--config", "spec.yaml", "--trainer.default_root_dir", target, "--model.max_steps", "3")
    (folder / "places").write_text(json.dumps([[place, 3, name, 3]]))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with working_in(folder) as run:
            stopped, completed, complete = (run(*words) for _ in range(3))
    finally:
        signal.signal(signal.SIGINT, before)
    named = "Ctrl-C (SIGINT)" if name == "SIGINT" else name
    assert stopped.err.splitlines()[-1] == f"medix fit: stopped by {named} at step 3; the same command goes on"
    assert [one.code for one in (stopped, completed, complete)] == [128 + signal.Signals[name], 0, 0]
    assert "going on from step 3 of 3" in completed.out
    assert "is complete: step-000003.ckpt is at model.max_steps = 3" in complete.out


def test_what_a_callback_ends_in_the_middle_of_a_step_goes_on_from_the_last_finished_one(tmp_path: Path) -> None:
    """Every step reads two batches or more. What the selector is told of the step that was not finished, of which the
    first batch was scored, it is told once: the checkpoint is that of the step before."""
    (tmp_path / "my_early.py").write_text(EARLY)
    selector = {"class_path": "medix.data.SpreadSelector", "init_args": {"patience": 1, "by": ["modality"]}}
    made = small_spec(
        tmp_path,
        build_tiny("qwen3_vl", tmp_path / "policy"),
        model={"prompts_per_rollout": 2, "max_steps": 3},
        data={"mixture": {"total": 10}, "selector": selector, "val": []},
    )
    made["trainer"]["callbacks"] += [{"class_path": "my_early.EndEarly"}]
    words = ("fit", "--config", str(write_spec(tmp_path, made)), "--trainer.default_root_dir")
    with working_in(tmp_path) as run:
        outcomes = [run(*words, "ended-early")]
        early = torch.load(tmp_path / "ended-early" / "checkpoints" / "step-000001.ckpt", weights_only=True)
        outcomes += [run(*words, "ended-early"), run(*words, "straight")]
    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes
    assert early["medix"]["position"] == early["ShardDataModule"]["selector state"]["index"]
    straight, ended = (
        torch.load(tmp_path / name / "checkpoints" / "step-000003.ckpt", weights_only=True)
        for name in ("straight", "ended-early")
    )
    for part in ("state_dict", "optimizer_states", "ShardDataModule"):
        assert same(straight[part], ended[part]), part
    lines, others = (
        (tmp_path / name / "completions" / "train.rank0.jsonl").read_text() for name in ("straight", "ended-early")
    )
    assert lines == others
