"""Whole checkpoints or none, counted in steps."""

import json
import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.save_checkpoint import SaveCheckpoint, latest
from medix.data.machine_error import MachineError
from medix.files.checkpoint_content import digest_of
from medix.run_beginning import Beginning, beginning_of
from medix.run_end import note_end
from medix.run_start import RunStart
from tests.support.fake_training import CountingJudge, FakeData, FakeModule, make_trainer


class _Validates(Callback):
    """Gives each validated step a value of its own."""

    def __init__(self, values: dict[int, float]) -> None:
        self.values = values

    def on_validation_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        module.log("val/reward", self.values[module.step])  # type: ignore[index, arg-type]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def _fit(
    folder: Path, save: SaveCheckpoint, max_steps: int = 6, values: dict[int, float] | None = None, **how: Any
) -> FakeModule:
    module = FakeModule(max_steps=max_steps, batches_per_step=how.pop("batches_per_step", 1), judge=CountingJudge())
    others: list[Callback] = [] if values is None else [_Validates(values), _Schedule()]
    make_trainer(folder, [*others, save]).fit(module, FakeData(), **how)
    return module


class _Schedule(JudgeValidation):
    """Validates every step without judging."""

    def __init__(self) -> None:
        super().__init__(every_n_steps=1, at_start=True)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._validated_step = pl_module.step  # type: ignore[assignment]


def test_steps_are_counted_and_the_newest_kept(tmp_path: Path) -> None:
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, keep=2, monitor=None), max_steps=7, batches_per_step=3)
    assert _names(tmp_path) == ["step-000006.ckpt", "step-000007.ckpt"]


def test_the_best_is_saved_kept_and_linked(tmp_path: Path) -> None:
    """Step 3 is best although only even steps are due; it outlives the newest two."""
    values = {0: 0.99, 1: 0.1, 2: 0.2, 3: 0.9, 4: 0.3, 5: 0.4, 6: 0.5}
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, keep=2), values=values)
    assert _names(tmp_path) == ["best.ckpt", "best.json", "step-000003.ckpt", "step-000004.ckpt", "step-000006.ckpt"]
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["fake_step"] == 3
    facts = json.loads((tmp_path / "checkpoints" / "best.json").read_text())
    assert (facts["step"], facts["value"]) == (3, pytest.approx(0.9))


@pytest.mark.parametrize("nothing", [float("nan"), float("-inf")])
def test_the_least_can_be_the_best_and_nothing_infinite_is(tmp_path: Path, nothing: float) -> None:
    values = {0: 0.0, 1: 0.5, 2: nothing, 3: 0.4, 4: 0.6}
    save = SaveCheckpoint(mode="min")
    _fit(tmp_path, save, max_steps=4, values=values)
    assert (save.best.step, save.best.value) == (3, pytest.approx(0.4))


def test_a_checkpoint_holds_the_best_of_its_own_step(tmp_path: Path) -> None:
    _fit(tmp_path, SaveCheckpoint(every_n_steps=1, keep=9), max_steps=3, values={0: 0, 1: 0.1, 2: 0.3, 3: 0.2})
    states = [torch.load(tmp_path / "checkpoints" / f"step-00000{n}.ckpt", weights_only=True) for n in (1, 2, 3)]
    assert [state["callbacks"]["SaveCheckpoint"]["best_step"] for state in states] == [1, 2, 2]


def test_a_metric_that_is_not_logged_is_an_error_that_lists_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'val/acuracy' is not among.*val/reward"):
        _fit(tmp_path, SaveCheckpoint(monitor="val/acuracy"), values=dict.fromkeys(range(7), 0.5))


def test_a_default_monitor_that_nothing_measures_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="not among the metrics"):
        _fit(tmp_path / "without", SaveCheckpoint(), max_steps=1)
    assert "val/reward is measured by the callback JudgeValidation, which trainer.callbacks lacks" in caplog.text
    caplog.clear()
    _fit(tmp_path / "null", SaveCheckpoint(monitor=None), max_steps=1)
    _fit(tmp_path / "with", SaveCheckpoint(), max_steps=1, values=dict.fromkeys(range(2), 0.5))
    assert "JudgeValidation" not in caplog.text


def test_the_test_split_cannot_choose_the_best() -> None:
    with pytest.raises(ValueError, match="invalidates the test"):
        SaveCheckpoint(monitor="test/reward")


def test_a_step_that_was_interrupted_is_not_saved(tmp_path: Path) -> None:
    module = FakeModule(max_steps=6, judge=CountingJudge())
    module.fails_at_step = 4
    with pytest.raises(RuntimeError, match="in the middle"):
        make_trainer(tmp_path, [SaveCheckpoint(every_n_steps=2, monitor=None)]).fit(module, FakeData())
    assert _names(tmp_path) == ["step-000002.ckpt"]


class _CannotRead(Callback):
    """Raises what a loader does, after five steps."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if pl_module.step == 5:
            raise MachineError("no memory")


def test_the_last_step_is_saved_where_data_cannot_be_read(tmp_path: Path) -> None:
    callbacks = [_CannotRead(), SaveCheckpoint(every_n_steps=2, monitor=None)]
    with pytest.raises(MachineError, match="no memory"):
        make_trainer(tmp_path, callbacks).fit(FakeModule(max_steps=6, judge=CountingJudge()), FakeData())
    assert _names(tmp_path) == ["step-000002.ckpt", "step-000004.ckpt", "step-000005.ckpt"]


def test_a_crash_while_writing_leaves_the_older_one_loadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = Trainer.save_checkpoint

    def dies_at_four(self: Trainer, path: Any, *rest: Any, **more: Any) -> None:
        saved(self, path, *rest, **more)
        if "000004" in str(path):
            Path(path).write_bytes(Path(path).read_bytes()[:100])
            raise OSError("disk full")

    monkeypatch.setattr(Trainer, "save_checkpoint", dies_at_four)
    with pytest.raises(OSError, match=r"step-000004.ckpt: .*disk full.* goes on from step-000002.ckpt"):
        _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None))
    newest = latest(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.name == "step-000002.ckpt"
    assert torch.load(newest, weights_only=True)["fake_step"] == 2
    monkeypatch.undo()
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None), ckpt_path=newest, weights_only=True)
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name.startswith(".")]


def test_what_a_killed_run_was_writing_is_removed_by_the_next(tmp_path: Path) -> None:
    part = tmp_path / "checkpoints" / ".step-000099.ckpt.part"
    part.parent.mkdir()
    part.write_bytes(b"half")
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None), max_steps=2)
    assert _names(tmp_path) == ["step-000002.ckpt"]


def test_latest_passes_over_a_damaged_file_and_an_empty_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert latest(tmp_path / "absent") is None
    torch.save({"a": 1}, tmp_path / "step-000002.ckpt")
    (tmp_path / "step-000010.ckpt").write_bytes(b"half")
    (tmp_path / ".step-000012.ckpt.part").write_bytes(b"part")
    with caplog.at_level(logging.WARNING):
        assert latest(tmp_path) == tmp_path / "step-000002.ckpt"
    assert "step-000010.ckpt is damaged" in caplog.text


def test_latest_orders_by_number_and_takes_folders(tmp_path: Path) -> None:
    (tmp_path / "step-999999.ckpt").mkdir()
    (tmp_path / "step-1000000.ckpt").mkdir()
    assert latest(tmp_path) == tmp_path / "step-1000000.ckpt"


def test_a_strategy_that_writes_folders_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def writes_folder(self: Trainer, path: Any, *rest: Any, **more: Any) -> None:
        Path(path).mkdir()
        (Path(path) / "shard0").write_bytes(b"weights")

    monkeypatch.setattr(Trainer, "save_checkpoint", writes_folder)
    for _ in range(2):  # the second run writes over the folders of the first
        _fit(tmp_path, SaveCheckpoint(every_n_steps=1, keep=1), max_steps=2, values={0: 0.0, 1: 0.9, 2: 0.5})
    folder = tmp_path / "checkpoints"
    assert {"step-000001.ckpt", "step-000002.ckpt", "best.ckpt"} <= set(_names(tmp_path))
    assert (folder / "best.ckpt" / "shard0").read_bytes() == b"weights"
    assert (folder / "best.ckpt").resolve().name == "step-000001.ckpt"


def test_training_from_an_older_step_sets_later_checkpoints_aside(tmp_path: Path) -> None:
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None))
    older = tmp_path / "checkpoints" / "step-000002.ckpt"
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None), max_steps=3, ckpt_path=older, weights_only=True)
    newest = latest(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.name == "step-000003.ckpt"
    assert "superseded-step-000006.ckpt" in _names(tmp_path)


def _best(folder: Path) -> tuple[int | None, int | None, float | None]:
    """The step of the best by its facts and by its weights, and its value."""
    link, facts = folder / "checkpoints" / "best.ckpt", folder / "checkpoints" / "best.json"
    said = json.loads(facts.read_text())
    return said["step"], torch.load(link, weights_only=True)["fake_step"], round(said["value"], 6)


@pytest.mark.parametrize("has_run", [True, False])
@pytest.mark.parametrize("is_of_earlier_version", [True, False])
def test_the_best_of_a_training_from_another_folder_is_one_of_its_own(
    tmp_path: Path, has_run: bool, is_of_earlier_version: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """There step 2 is the best by far; the folder may hold a step 2 of its own, and the next steps are worse."""
    here, there = tmp_path / "here", tmp_path / "there"
    _fit(there, SaveCheckpoint(every_n_steps=1), max_steps=2, values={0: 0.0, 1: 0.125, 2: 0.875})
    before = None
    if has_run:
        _fit(here, SaveCheckpoint(every_n_steps=1), max_steps=3, values={0: 0.0, 1: 0.125, 2: 0.5, 3: 0.25})
        before = digest_of(here / "checkpoints" / "step-000002.ckpt")
    given = there / "checkpoints" / "step-000002.ckpt"
    if is_of_earlier_version:
        state = torch.load(given, weights_only=True)
        del state["callbacks"]["SaveCheckpoint"]["written"]
        torch.save(state, given)
    values = {2: 0.875, 3: 0.5, 4: 0.3, 5: 0.2, 6: 0.1}
    _fit(here, SaveCheckpoint(every_n_steps=1, keep=1), values=values, ckpt_path=given, weights_only=True)
    assert _best(here) == (3, 3, 0.5)
    assert "chosen anew: that of step 2 (val/reward = 0.875), which training has had so far, is not in" in caplog.text
    aside = [f"superseded-step-00000{n}.ckpt" for n in (1, 2, 3)] if has_run else []
    assert _names(here) == ["best.ckpt", "best.json", "step-000003.ckpt", "step-000006.ckpt", *aside]
    assert ("3 checkpoints that the training from step 2 on does not come of were renamed" in caplog.text) == has_run
    assert digest_of(here / "checkpoints" / "superseded-step-000002.ckpt") == before


@pytest.mark.parametrize(("from_step", "best"), [(4, (3, 3, 0.9)), (3, (3, 3, 0.9)), (2, (6, 6, 0.5))])
def test_a_training_from_an_earlier_step_keeps_a_best_before_it_and_forgets_a_later_one(
    tmp_path: Path, from_step: int, best: tuple[int, int, float]
) -> None:
    first = {0: 0.0, 1: 0.1, 2: 0.2, 3: 0.9, 4: 0.3, 5: 0.95}
    _fit(tmp_path, SaveCheckpoint(every_n_steps=1, keep=9), max_steps=5, values=first)
    assert _best(tmp_path) == (5, 5, 0.95)
    older = tmp_path / "checkpoints" / f"step-00000{from_step}.ckpt"
    then = {2: 0.2, 3: 0.25, 4: 0.3, 5: 0.4, 6: 0.5}
    _fit(tmp_path, SaveCheckpoint(every_n_steps=1), values=then, ckpt_path=older, weights_only=True)
    assert _best(tmp_path) == best


def test_a_checkpoint_that_was_set_aside_does_not_take_those_of_the_later_training_for_its_own(tmp_path: Path) -> None:
    """Of the first training step 3 is the best; the second has another step 3."""
    folder = tmp_path / "checkpoints"

    def fit(max_steps: int, values: dict[int, float], **how: Any) -> None:
        _fit(tmp_path, SaveCheckpoint(every_n_steps=1, keep=9), max_steps=max_steps, values=values, **how)

    fit(4, {0: 0.0, 1: 0.1, 2: 0.2, 3: 0.9, 4: 0.3})
    fit(4, {2: 0.2, 3: 0.4, 4: 0.3}, ckpt_path=folder / "step-000002.ckpt", weights_only=True)
    aside = folder / "superseded-step-000004.ckpt"
    content = digest_of(aside)
    fit(5, {4: 0.3, 5: 0.5}, ckpt_path=aside, weights_only=True)
    assert _best(tmp_path) == (5, 5, 0.5)
    held = [f"step-00000{number}.ckpt" for number in (1, 2, 5)]
    assert [name for name in _names(tmp_path) if name.startswith("step-")] == held
    assert digest_of(aside) == content, "what it began from is not replaced"


def test_facts_of_the_best_that_cannot_be_read_are_written_again(tmp_path: Path) -> None:
    _fit(tmp_path, SaveCheckpoint(every_n_steps=1), max_steps=2, values={0: 0.0, 1: 0.5, 2: 0.1})
    (tmp_path / "checkpoints" / "best.json").write_text("[" * 100_000)
    newest = {"ckpt_path": latest(tmp_path / "checkpoints"), "weights_only": True}
    _fit(tmp_path, SaveCheckpoint(every_n_steps=1), max_steps=3, values={2: 0.1, 3: 0.2}, **newest)
    assert _best(tmp_path) == (1, 1, 0.5)


class _Killed(Callback):
    """Ends training before its first step."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        raise KeyError("killed")


def test_the_same_command_begins_again_from_a_best_that_a_training_with_another_mode_has_forgotten(
    tmp_path: Path,
) -> None:
    _fit(tmp_path, SaveCheckpoint(every_n_steps=1), max_steps=3, values={0: 0.0, 1: 0.1, 2: 0.9, 3: 0.3})
    best = digest_of(tmp_path / "checkpoints" / "best.ckpt")
    for is_killed in (True, False):
        save = SaveCheckpoint(every_n_steps=1, mode="min")
        given = RunStart("best", tmp_path).begin([save])
        assert given is not None
        assert digest_of(Path(given)) == best
        callbacks = [_Validates({2: 0.9, 3: 0.5, 4: 0.7}), _Schedule(), *([_Killed()] if is_killed else []), save]
        trainer = make_trainer(tmp_path, callbacks)
        with pytest.raises(KeyError, match="killed") if is_killed else nullcontext():
            trainer.fit(FakeModule(max_steps=4), FakeData(), ckpt_path=given, weights_only=True)
        assert beginning_of(tmp_path / "checkpoints") == Beginning("checkpoints/best.ckpt", 2, best)
        assert (tmp_path / "checkpoints" / "best.ckpt").exists() != is_killed
    assert _best(tmp_path) == (3, 3, 0.5)
    assert RunStart("best", tmp_path).saved == tmp_path / "checkpoints" / "step-000004.ckpt"


def test_a_start_forgets_the_end_and_notes_what_it_begins_from_until_one_begins_at_the_first_step(
    tmp_path: Path,
) -> None:
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None))
    folder = tmp_path / "checkpoints"
    newest, older = folder / "step-000006.ckpt", folder / "step-000002.ckpt"
    begun = Beginning("mine.ckpt", 2, digest_of(older))
    note_end(newest)
    save = SaveCheckpoint(every_n_steps=2, monitor=None)
    save.begins_from = "mine.ckpt"
    _fit(tmp_path, save, max_steps=4, ckpt_path=older, weights_only=True)
    assert not (folder / "ended.json").exists()
    assert beginning_of(folder) == begun
    going_on = {"ckpt_path": folder / "step-000004.ckpt", "weights_only": True}
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None), max_steps=5, **going_on)
    assert beginning_of(folder) == begun
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None), max_steps=2)
    assert beginning_of(folder) is None


@pytest.mark.parametrize("fails_at", [4, 6])
def test_a_checkpoint_that_cannot_be_written_tells_from_where_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    """Begun from step 2 of a file: from that, and from step 4 once that is saved."""
    _fit(tmp_path, SaveCheckpoint(every_n_steps=2, monitor=None), max_steps=2)
    write = Trainer.save_checkpoint

    def fails(self: Trainer, path: Any, *rest: Any, **more: Any) -> None:
        if str(fails_at) in Path(path).name:
            raise OSError(28, "No space left on device", str(path))
        write(self, path, *rest, **more)

    monkeypatch.setattr(Trainer, "save_checkpoint", fails)
    save = SaveCheckpoint(every_n_steps=2, monitor=None)
    save.begins_from = "mine.ckpt"
    older = tmp_path / "checkpoints" / "step-000002.ckpt"
    expected = "mine.ckpt" if fails_at == 4 else "step-000004.ckpt"
    with pytest.raises(OSError, match=f"the same command goes on from {expected}"):
        _fit(tmp_path, save, ckpt_path=older, weights_only=True)


def test_checkpoints_lie_where_all_commands_look_for_them() -> None:
    """A spec of an earlier version states the key."""
    assert SaveCheckpoint(folder="checkpoints").keep == 3
    with pytest.raises(ValueError, match=r"SaveCheckpoint.folder: 'mine': .* leave the key out, .*default_root_dir"):
        SaveCheckpoint(folder="mine")


@pytest.mark.parametrize("arguments", [{"every_n_steps": 0}, {"keep": 0}, {"mode": "most"}])
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match="SaveCheckpoint"):
        SaveCheckpoint(**arguments)


@pytest.mark.parametrize("has_fewer_samples", [True, False])
def test_the_best_is_of_validations_of_the_same_samples(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, has_fewer_samples: bool
) -> None:
    """The lowest accuracy is the best: 2 of 6 right at step 2; at step 4, 4 of 6, or 2 of the first 2 alone."""

    def fit(max_steps: int, limit: float, **how: Any) -> SaveCheckpoint:
        save = SaveCheckpoint(every_n_steps=2, monitor="val/accuracy", mode="min")
        trainer = make_trainer(tmp_path, [JudgeValidation(every_n_steps=2), save], limit_val_batches=limit)
        trainer.fit(FakeModule(max_steps=max_steps, judge=CountingJudge()), FakeData(), **how)
        return save

    assert fit(2, 1.0).best.step == 2
    checkpoint = tmp_path / "checkpoints" / "step-000002.ckpt"
    save = fit(4, 1 if has_fewer_samples else 1.0, ckpt_path=checkpoint, weights_only=True)
    assert save.best.step == (4 if has_fewer_samples else 2)
    assert ("was chosen with other samples" in caplog.text) == has_fewer_samples
    assert json.loads((tmp_path / "checkpoints" / "best.json").read_text())["step"] == save.best.step
