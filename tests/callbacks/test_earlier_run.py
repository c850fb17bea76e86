"""What another training has left in the folder of a run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import CSVLogger

import medix.callbacks
from medix.callbacks.check_judge import CheckJudge
from medix.callbacks.dry_run import DryRun
from medix.callbacks.earlier_run import set_earlier_run_aside, set_later_results_aside
from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.log_rewards import LogRewards
from medix.callbacks.record_completions import RecordCompletions
from medix.callbacks.save_checkpoint import SaveCheckpoint, checkpoints
from medix.callbacks.save_spec import SaveSpec
from medix.callbacks.show_progress import ShowProgress
from medix.callbacks.watch_signal import WatchSignal
from medix.callbacks.write_report import WriteReport
from tests.support.fake_training import CountingJudge, FakeData, FakeModule, make_trainer

ASIDE = (
    "spec.yaml", "spec.from-step-000002.yaml", "report.json", "report.html", "validation.json", "test.json",
    "canaries.json", "canaries-step-000002.json", "verification.json", "run-card.md", "predictions.jsonl",
)  # fmt: skip
FILES = (
    *ASIDE,
    "completions/train.rank0.jsonl",
    "logs/version_0/metrics.csv",
    "logs/version_1/metrics.csv",
    "mine.txt",
)
TOLD = [
    "spec.yaml", "spec.from-step-*.yaml", "completions", "report.html", "report.json", "validation.json", "test.json",
    "predictions.jsonl", "canaries-step-*.json", "canaries.json", "verification.json", "run-card.md", "logs/version_*",
]  # fmt: skip


def made(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def start(folder: Path, given: Path | None, *loggers: Any, callbacks: tuple[Callback, ...] = ()) -> Any:
    return SimpleNamespace(
        default_root_dir=str(folder), ckpt_path=given, loggers=loggers, callbacks=list(callbacks), global_rank=0
    )


@pytest.mark.parametrize("given", [None, "run/checkpoints/step-000002.ckpt", "other/step-000002.ckpt"])
@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_it_is_set_aside_where_training_goes_on_from_a_checkpoint_of_elsewhere(
    tmp_path: Path, given: str | None, has_checkpoint: bool
) -> None:
    held, other = "run/checkpoints/step-000002.ckpt", "other/step-000002.ckpt"
    run = made(tmp_path / "run", *FILES)
    for number, name in enumerate((held, other)):
        (tmp_path / name).parent.mkdir()
        if has_checkpoint or name == other:
            torch.save({"w": torch.tensor(float(number))}, tmp_path / name)
    trainer = start(run, None if given is None else tmp_path / given, CSVLogger(run, "logs", 1))
    is_other = has_checkpoint and given == other
    assert set_earlier_run_aside(trainer, checkpoints(run / "checkpoints")) == (TOLD if is_other else [])
    moved = {"completions/train.rank0.jsonl": "superseded-completions/train.rank0.jsonl"}
    moved |= {"logs/version_0/metrics.csv": "logs/superseded-version_0/metrics.csv"}
    moved |= {name: f"superseded-{name}" for name in ASIDE}
    for name in FILES:
        assert (run / (moved.get(name, name) if is_other else name)).read_text() == name
        assert (run / name).exists() == (not is_other or name not in moved)


def of_another_training(folder: Path) -> tuple[Path, Path]:
    """A folder with a checkpoint, and one of elsewhere."""
    paths = folder / "run" / "checkpoints" / "step-000002.ckpt", folder / "other.ckpt"
    paths[0].parent.mkdir(parents=True)
    for number, path in enumerate(paths):
        torch.save({"w": torch.tensor(float(number))}, path)
    return folder / "run", paths[1]


def train(run: Path, max_steps: int, keep: int, given: Path | None = None) -> list[Path]:
    """The checkpoints that are there then."""
    trainer = make_trainer(run, [SaveCheckpoint(every_n_steps=1, keep=keep, monitor=None)])
    module = FakeModule(max_steps=max_steps, judge=CountingJudge())
    trainer.fit(module, FakeData(), ckpt_path=given, weights_only=None if given is None else True)
    return [path for _, path in checkpoints(run / "checkpoints")]


@pytest.mark.parametrize(
    ("keep", "starts", "damaged"),
    [(1, [4], 0), (1, [3, 4], 0), (1, [3, 5, 6], 0), (1, [4], 1), (2, [5], 1), (2, [5], 2)],
)
def test_a_copy_of_a_checkpoint_that_the_run_has_pruned_is_of_the_run(
    tmp_path: Path, keep: int, starts: list[int], damaged: int
) -> None:
    """As kept by hand before pruning deletes it: the newest checkpoint that can be read lists it."""
    run, copy = tmp_path / "run", tmp_path / "good.ckpt"
    held = train(run, 2, keep)
    shutil.copyfile(held[-1], copy)
    for last in starts:
        held = train(run, last, keep, held[-1])
    assert [path.name for path in held] == [f"step-{starts[-1] - n:06d}.ckpt" for n in reversed(range(keep))]
    for path in held[keep - damaged :]:
        path.write_bytes(path.read_bytes()[:1000])
    made(run, "spec.yaml")
    said = set_earlier_run_aside(start(run, copy), checkpoints(run / "checkpoints"))
    assert said == (["spec.yaml"] if damaged == keep else [])


@pytest.mark.parametrize("is_of_the_run", [True, False])
@pytest.mark.parametrize("damaged", [1, 2])
def test_a_copy_of_a_checkpoint_that_was_damaged_since_is_of_the_run(
    tmp_path: Path, is_of_the_run: bool, damaged: int
) -> None:
    """It lists the newest one that can be read; that of a training that began elsewhere from a copy does not."""
    run, copy = tmp_path / "run", tmp_path / "good.ckpt"
    first, *rest = train(run, 4, 3)
    if not is_of_the_run:
        rest = train(tmp_path / "other", 4, 2, Path(shutil.copyfile(first, tmp_path / "first.ckpt")))
    shutil.copyfile(rest[-1], copy)
    for path in [path for _, path in checkpoints(run / "checkpoints")][-damaged:]:
        path.write_bytes(path.read_bytes()[:1000])
    made(run, "spec.yaml")
    said = set_earlier_run_aside(start(run, copy), checkpoints(run / "checkpoints"))
    assert said == ([] if is_of_the_run else ["spec.yaml"])


@pytest.mark.parametrize("is_of_the_run", [True, False])
def test_what_a_run_went_on_from_is_of_it_when_it_goes_on_from_that_once_more(
    tmp_path: Path, is_of_the_run: bool
) -> None:
    """A copy of a checkpoint that was pruned. One of elsewhere is not of it, nor are those before that one."""
    run, other = tmp_path / "run", tmp_path / "other"
    copies: list[Path] = []
    for step in (1, 2):
        (saved,) = train(run if is_of_the_run else other, step, 1, copies[-1] if copies else None)
        copies.append(Path(shutil.copyfile(saved, tmp_path / f"good-{step}.ckpt")))
    if is_of_the_run:
        train(run, 4, 1, run / "checkpoints" / "step-000002.ckpt")
    for last in (4, 3):
        train(run, last, 1, copies[1])
        for copy in copies:
            made(run, "spec.yaml")
            said = set_earlier_run_aside(start(run, copy), checkpoints(run / "checkpoints"))
            assert said == ([] if is_of_the_run else ["spec.yaml"])


@pytest.mark.parametrize("records", [".", "checkpoints"])
def test_a_folder_that_callbacks_share_loses_only_their_own_files(tmp_path: Path, records: str) -> None:
    run, given = of_another_training(tmp_path)
    written = made(run / records, "train.rank0.jsonl", "val-exchanged-step-000002.jsonl", "images/a.png", "mine.jsonl")
    trainer = start(run, given, callbacks=(RecordCompletions(folder=records),))
    said = ["images", "train.rank*.jsonl", "val-exchanged-step-*.jsonl"]
    assert set_earlier_run_aside(trainer, checkpoints(run / "checkpoints")) == [
        str(Path(records) / one) for one in said
    ]
    assert (written / "superseded-images" / "a.png").exists()
    assert (written / "mine.jsonl").exists()
    assert [step for step, _ in checkpoints(run / "checkpoints")] == [2]


@pytest.mark.parametrize("has_it_inside", [True, False])
def test_logs_of_a_folder_that_runs_share_stay(tmp_path: Path, has_it_inside: bool) -> None:
    run, given = of_another_training(tmp_path)
    made(tmp_path, "run/own/version_0/a", "shared/version_0/a")
    trainer = start(run, given, CSVLogger(run if has_it_inside else tmp_path, "own" if has_it_inside else "shared", 1))
    said = set_earlier_run_aside(trainer, checkpoints(run / "checkpoints"))
    assert said == (["own/version_*"] if has_it_inside else [])
    assert (tmp_path / "shared" / "version_0" / "a").exists()


def test_results_of_later_steps_than_training_goes_on_from_are_set_aside(tmp_path: Path) -> None:
    """Those of the abandoned training would pass for this one's in the report, the card and ``rescore``."""
    run = tmp_path / "run"
    written: dict[str, dict[str, object]] = {}
    for step in (3, 6):
        for folder in ("completions", "records"):
            written[f"{folder}/validate-step-{step:06d}.jsonl"] = {"step": step}
    written |= {"validation.json": {"step": 3}, "test.json": {"step": 6}, "reports/test.json": {"step": 6}}
    written |= {"predictions.jsonl": {"step": 6}, "verification.json": {"steps": [2, 4]}, "canaries.json": {"step": 9}}
    made(run, *written)
    for name, content in written.items():
        (run / name).write_text(json.dumps(content) + "\n")
    made(run, "completions/val-step-000003.jsonl", "test-exchanged.json")
    callbacks = (RecordCompletions(folder="records"), WriteReport(folder=str(run / "reports")))
    later = ["completions/validate-step-000006.jsonl", "records/validate-step-000006.jsonl", "test.json"]
    later += ["reports/test.json", "predictions.jsonl", "verification.json"]
    assert set_later_results_aside(start(run, None, callbacks=callbacks), 6) == []
    said = set_later_results_aside(start(run, None, callbacks=callbacks), 3)
    assert sorted(said) == sorted(one.replace("000006", "*") for one in later)
    assert sorted(name for name in written if not (run / name).exists()) == sorted(later)
    assert (run / "completions" / "superseded-validate-step-000006.jsonl").exists()
    assert (run / "test-exchanged.json").exists()


MADE: dict[type[Callback], Callable[[Path], Callback]] = {
    CheckJudge: lambda _: CheckJudge(every_n_steps=1, max_false_positive=1.0, max_false_negative=1.0, max_unscored=1.0),
    JudgeValidation: lambda _: JudgeValidation(every_n_steps=1),
    LogRewards: lambda _: LogRewards(),
    RecordCompletions: lambda _: RecordCompletions(folder="records", images=True),
    SaveCheckpoint: lambda _: SaveCheckpoint(every_n_steps=1),
    ShowProgress: lambda _: ShowProgress(),
    WatchSignal: lambda _: WatchSignal(),
    WriteReport: lambda folder: WriteReport(folder=str(folder / "reports"), every_n_steps=1, table=False),
}
"""Every callback that a spec names, where it can write elsewhere than by default."""


def fit(folder: Path, max_steps: int, **how: Any) -> dict[Path, int]:
    """What is in the folder then: files by their number on disk, which renaming keeps."""
    saving = SaveSpec(None, None)
    saving.text = lambda: f"max_steps: {max_steps}\n"  # type: ignore[method-assign]
    trainer = make_trainer(folder, [saving, *(make(folder) for make in MADE.values())], CSVLogger(folder, "own"))
    trainer.fit(FakeModule(max_steps=max_steps, judge=CountingJudge()), FakeData(), **how)
    return {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_nothing_that_a_shipped_callback_has_written_stays_under_its_name(tmp_path: Path) -> None:
    """Of a DryRun, which needs a policy, there is no file; best.ckpt and its facts are of the new training."""
    shipped = {one for name in medix.callbacks.__all__ if isinstance(one := getattr(medix.callbacks, name), type)}
    assert {one for one in shipped if issubclass(one, Callback)} == {*MADE, DryRun}, "add the callback to MADE"
    run, other = tmp_path / "run", tmp_path / "other"
    fit(other, 1)
    first = fit(run, 3)
    tops = {path.relative_to(run).parts[0] for path in first}
    assert {"spec.yaml", "records", "reports", "own", "canaries-step-000003.json", "checkpoints"} <= tops
    then = fit(run, 2, ckpt_path=other / "checkpoints" / "step-000001.ckpt", weights_only=True)
    assert [path for path, number in first.items() if then.get(path) == number] == []
    best = {"best.ckpt", "best.json"}
    renamed = {number: path for path, number in then.items() if "superseded-" in str(path)}
    kept = {path.name for path, number in first.items() if number not in renamed}
    assert kept <= best
