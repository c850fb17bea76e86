"""The report of a run, of a resumed run, and of a validation on its own."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.save_checkpoint import SaveCheckpoint
from medix.callbacks.write_report import WriteReport
from medix.judge.own_arguments import named
from medix.reporting import render
from medix.reporting.evaluations import began, read_evaluations, read_report
from medix.reporting.render import Report
from tests.support.fake_training import (
    CountingJudge,
    FakeData,
    FakeModule,
    make_trainer,
)


def _fit(folder: Path, report: WriteReport, max_steps: int = 4, **how: Any) -> None:
    callbacks = [JudgeValidation(every_n_steps=2), report, SaveCheckpoint(every_n_steps=2, keep=9)]
    make_trainer(folder, callbacks).fit(FakeModule(max_steps=max_steps, judge=CountingJudge()), FakeData(), **how)


def _read(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return data


def test_before_and_after_and_the_paired_gain(tmp_path: Path) -> None:
    """Of six samples none is right before, four after four steps; half the total of the images is always there."""
    _fit(tmp_path, WriteReport(table=False))
    data = _read(tmp_path)
    assert (data["before"]["step"], data["after"]["step"]) == (0, 4)
    assert (data["before"]["accuracy"], data["after"]["accuracy"]) == (0.0, pytest.approx(4 / 6))
    assert (data["before"]["reward"], data["after"]["reward"]) == (pytest.approx(2 / 6), pytest.approx(4.5 / 6))
    assert data["after"]["modality_accuracy"] == 1.0
    assert data["after"]["unscored"] == 0.0
    assert data["gain"]["accuracy"]["estimate"] == pytest.approx(4 / 6)
    assert data["after"]["judge"] == named(CountingJudge())
    assert data["finished"] is True
    assert data["ended"] == ""


def test_the_history_has_every_step_and_validation(tmp_path: Path) -> None:
    _fit(tmp_path, WriteReport(table=False))
    data = _read(tmp_path)
    assert [row["step"] for row in data["steps"]] == [1, 2, 3, 4]
    assert data["steps"][0]["signal/without"] == 0.0
    assert [entry["step"] for entry in data["validations"]] == [0, 2, 4]


def test_a_resumed_run_continues_its_curves_and_keeps_its_first_validation(tmp_path: Path) -> None:
    _fit(tmp_path / "straight", WriteReport(table=False), max_steps=4)
    _fit(tmp_path / "resumed", WriteReport(table=False), max_steps=2)
    checkpoint = tmp_path / "resumed" / "checkpoints" / "step-000002.ckpt"
    _fit(tmp_path / "resumed", WriteReport(table=False), max_steps=4, ckpt_path=checkpoint, weights_only=True)
    straight, resumed = _read(tmp_path / "straight"), _read(tmp_path / "resumed")
    for data in (straight, resumed):
        for entry in (data["before"], data["after"], *data["validations"]):
            entry.pop("seconds")
    for key in ("before", "after", "gain", "validations", "steps"):
        assert resumed[key] == straight[key]
    assert (resumed["resumes"], resumed["run"]["Resumed"]) == ([2], "from step 2")
    assert straight["resumes"] == []
    assert "Resumed" not in straight["run"]
    assert resumed["run"]["Run"] == "resumed"


class _Fails(Callback):
    def on_train_batch_start(self, *_: object) -> None:
        raise ValueError("no step more")


def test_a_run_that_goes_back_and_fails_leaves_no_report_of_the_steps_it_gave_up(tmp_path: Path) -> None:
    _fit(tmp_path, WriteReport(table=False))
    assert (_read(tmp_path)["step"], _read(tmp_path)["finished"]) == (4, True)
    callbacks = [JudgeValidation(every_n_steps=2), WriteReport(table=False), _Fails()]
    checkpoint = tmp_path / "checkpoints" / "step-000002.ckpt"
    with pytest.raises(ValueError, match="no step more"):
        make_trainer(tmp_path, callbacks).fit(
            FakeModule(max_steps=4, judge=CountingJudge()), FakeData(), ckpt_path=checkpoint, weights_only=True
        )
    data = _read(tmp_path)
    assert (data["step"], data["finished"], data["ended"]) == (2, False, "Stopped by an error")
    assert [row["step"] for row in data["steps"]] == [1, 2]
    assert [entry["step"] for entry in data["validations"]] == [0, 2]


def test_the_checkpoint_of_a_step_holds_the_history_of_that_step(tmp_path: Path) -> None:
    _fit(tmp_path, WriteReport(table=False))
    state = torch.load(tmp_path / "checkpoints" / "step-000002.ckpt", weights_only=True)["callbacks"]["WriteReport"]
    assert [row["step"] for row in state["steps"]] == [1, 2]
    assert [entry["step"] for entry in state["validations"]] == [0, 2]


@pytest.mark.parametrize("report_first", [True, False])
def test_the_order_of_the_callbacks_does_not_matter(tmp_path: Path, report_first: bool) -> None:
    report, judge = WriteReport(table=False), JudgeValidation(every_n_steps=1)
    trainer = make_trainer(tmp_path, [report, judge] if report_first else [judge, report])
    trainer.fit(FakeModule(max_steps=2, judge=CountingJudge()), FakeData())
    assert [row["step"] for row in _read(tmp_path)["steps"]] == [1, 2]


def test_pictures_are_shown_unless_switched_off(tmp_path: Path) -> None:
    _fit(tmp_path / "with", WriteReport(table=False))
    _fit(tmp_path / "without", WriteReport(table=False, images=False))
    assert (tmp_path / "with" / "report.html").read_text().count("data:image/jpeg") == 4
    assert "data:image/jpeg" not in (tmp_path / "without" / "report.html").read_text()


def test_examples_show_before_and_after(tmp_path: Path) -> None:
    _fit(tmp_path, WriteReport(table=False))
    text = (tmp_path / "report.html").read_text()
    assert text.count("<article") == 6
    assert text.count('data-change="gained"') == 4
    assert "&lt;think&gt;" in text


def test_the_report_is_renewed_between_validations_where_asked(tmp_path: Path) -> None:
    """It says after step 3 what it said after step 2; and once the run has failed, that it is not running."""
    found = {}

    class Look(Callback):
        def on_train_batch_end(self, trainer: Trainer, module: Any, *_: object) -> None:
            found[module.step] = _read(tmp_path)["step"] if module.step > 1 else None

    report = WriteReport(every_n_steps=2)
    callbacks = [JudgeValidation(every_n_steps=10, at_start=False, at_end=False), report, Look()]
    module = FakeModule(max_steps=4, judge=CountingJudge())
    module.fails_at_step = 4
    with pytest.raises(RuntimeError, match="in the middle"):
        make_trainer(tmp_path, callbacks).fit(module, FakeData())
    assert found == {1: None, 2: 2, 3: 2}
    assert (_read(tmp_path)["step"], _read(tmp_path)["ended"]) == (3, "Stopped by an error")
    assert "Stopped by an error: 3 of 4 steps." in (tmp_path / "report.md").read_text()


def test_a_report_that_cannot_be_written_does_not_hide_the_error_that_ended_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = FakeModule(max_steps=4, judge=CountingJudge())
    module.fails_at_step = 2
    written = Report.write

    def until_full(self: Report, *arguments: Any, **named: Any) -> None:
        if self.ended:
            raise OSError(28, "No space left on device", "report.md")
        written(self, *arguments, **named)

    monkeypatch.setattr(Report, "write", until_full)
    with pytest.raises(RuntimeError, match="in the middle"):
        make_trainer(tmp_path, [JudgeValidation(every_n_steps=1), WriteReport()]).fit(module, FakeData())
    assert "the report could not be written again: [Errno 28]" in caplog.text


@pytest.mark.parametrize(("taken", "pages"), [(0.0, 3), (1.0, 2)])
def test_the_page_is_drawn_again_only_where_that_is_cheap_and_at_the_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: float, pages: int
) -> None:
    """Three validations, at once one after the other. A page that takes a second is due after 20."""
    clock = [100.0]
    monkeypatch.setattr("medix.callbacks.write_report.time.monotonic", lambda: clock[0])
    drawn = []

    def html(report: Report) -> str:
        clock[0] += taken
        drawn.append(report.step)
        return "a page"

    monkeypatch.setattr(Report, "html", html)
    _fit(tmp_path, WriteReport(table=False))
    assert len(drawn) == pages
    assert drawn[-1] == 4


@pytest.mark.parametrize("lost", ["nothing", "report.html", "report.json", "the last step"])
def test_a_restart_behind_the_last_step_writes_what_is_missing_and_keeps_what_is_whole(
    tmp_path: Path, lost: str
) -> None:
    """A whole report is of the validation, whose images a restart has not."""
    _fit(tmp_path, WriteReport(table=False))
    whole, checkpoint = _read(tmp_path), tmp_path / "checkpoints" / "step-000004.ckpt"
    page = tmp_path / "report.html"
    page.write_text(page.read_text().replace("Finished", "Running"))
    if lost.startswith("report"):
        (tmp_path / lost).unlink()
    elif lost == "the last step":
        (tmp_path / "report.json").write_text(json.dumps(whole | {"step": 2, "finished": False}))
    _fit(tmp_path, WriteReport(table=False), ckpt_path=checkpoint, weights_only=True)
    found = _read(tmp_path)
    assert (found["step"], found["finished"], found["resumes"], found["steps"]) == (4, True, [], whole["steps"])
    assert ("Running" in page.read_text()) == (lost == "nothing")


def test_a_restart_behind_the_last_step_writes_over_the_report_of_another_training(tmp_path: Path) -> None:
    """Both went on from step 2, so that they began at one time and were resumed at one step; the last one differs."""
    _fit(tmp_path, WriteReport(table=False))
    report, checkpoint = _read(tmp_path), tmp_path / "checkpoints" / "step-000004.ckpt"
    other = [*report["steps"][:-1], report["steps"][-1] | {"judge/seconds": 7.0}]
    (tmp_path / "report.json").write_text(json.dumps(report | {"steps": other}))
    _fit(tmp_path, WriteReport(table=False), ckpt_path=checkpoint, weights_only=True)
    assert _read(tmp_path)["steps"] == report["steps"]


def test_the_numbers_are_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the process before them, a restart finds that they do not say that the run has finished."""
    _fit(tmp_path, WriteReport(table=False))
    (tmp_path / "report.json").unlink()
    written = render.write_atomically

    def cut(path: Path, text: str) -> None:
        if path.suffix == ".md":
            raise OSError(28, "No space left on device", str(path))
        written(path, text)

    monkeypatch.setattr(render, "write_atomically", cut)
    checkpoint = tmp_path / "checkpoints" / "step-000004.ckpt"
    with pytest.raises(OSError, match="No space left"):
        _fit(tmp_path, WriteReport(table=False), ckpt_path=checkpoint, weights_only=True)
    assert not (tmp_path / "report.json").exists()


def test_a_run_that_fails_leaves_a_page_of_its_last_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(Report, "html", lambda report: drawn.append(len(report.validations)) or "a page")
    monkeypatch.setattr("medix.callbacks.write_report.time.monotonic", lambda: 100.0 + len(drawn))
    callbacks = [JudgeValidation(every_n_steps=2), WriteReport()]
    module = FakeModule(max_steps=4, judge=CountingJudge())
    module.fails_at_step = 4
    with pytest.raises(RuntimeError, match="in the middle"):
        make_trainer(tmp_path, callbacks).fit(module, FakeData())
    assert drawn == [1, 2]  # at the start; the second validation is behind until the run fails


def test_a_validation_on_its_own_reproduces_after_and_leaves_the_report_alone(tmp_path: Path) -> None:
    _fit(tmp_path, WriteReport(table=False))
    before = (tmp_path / "report.json").read_bytes()
    trainer = make_trainer(tmp_path, [JudgeValidation(), WriteReport(table=False)])
    trainer.validate(
        FakeModule(judge=CountingJudge()),
        FakeData(),
        ckpt_path=tmp_path / "checkpoints" / "step-000004.ckpt",
        weights_only=True,
        verbose=False,
    )
    assert (tmp_path / "report.json").read_bytes() == before
    alone, after = json.loads((tmp_path / "validation.json").read_text()), _read(tmp_path)["after"]
    assert {**alone, "seconds": 0} == {**after, "seconds": 0, "use": alone["use"], "written": alone["written"]}
    for name in ("report.html", "report.md"):  # these show it, beside the result of the run
        text = (tmp_path / name).read_text()
        assert text.count("Results of validate and test") == 1
        assert text.count("as in training") == 1
    assert read_evaluations(tmp_path, began(read_report(tmp_path))) == [alone]


def test_the_table_is_printed_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _fit(tmp_path, WriteReport())
    out = capsys.readouterr().out
    assert "Before (step 0)" in out
    assert "report.html" in out


def test_facts_name_judge_sizes_and_seed(tmp_path: Path) -> None:
    _fit(tmp_path, WriteReport(table=False))
    facts = _read(tmp_path)["facts"]
    assert facts["Judge of the validation"] == named(CountingJudge())
    assert _read(tmp_path)["reward_judges"] == [named(CountingJudge())]
    assert facts["Steps"] == "4"
    assert facts["Trained parameters"] == "1 of 1"
    assert "torch" in _read(tmp_path)["versions"]


def test_samples_left_out_are_counted_once_however_often_they_are_read() -> None:
    """Two of 29 at each of three validations, and three in training; not 9, what one loader counted."""
    report = WriteReport()
    assert report._left_out() == {}
    report._validations = [{"step": step, "left_out": 2, "samples": 27} for step in (0, 1, 2)]
    assert report._left_out() == {"Samples left out (data.on_long)": "2 of 29 in the last validation"}
    report._steps = [{"step": 1.0, "train/prompts_too_long": 1.0}, {"step": 2.0, "train/prompts_too_long": 2.0}]
    (text,) = report._left_out().values()
    assert text == "3 in training, 2 of 29 in the last validation"


def test_the_only_comparable_validation_has_none_before_it() -> None:
    """After other rewards at step 2, the first validation to compare with is the last itself."""
    report = WriteReport()
    report._validations = [{"step": step, "suite": {"rewards": name}} for step, name in ((0, "a"), (2, "b"))]
    assert report._before is None
    report._validations[0]["suite"] = {"rewards": "b"}
    assert report._before is report._validations[0]


def test_two_data_sets_that_count_from_one_are_both_in_the_report(tmp_path: Path) -> None:
    """After four steps ids 1 to 4 of either set are right: 8 of 12; both have sources slake and medpix of 3 samples."""
    callbacks = [JudgeValidation(every_n_steps=4), WriteReport(table=False)]
    data = FakeData([replace(sample, dataset=name) for name in "ab" for sample in FakeData().samples])
    make_trainer(tmp_path, callbacks).fit(FakeModule(max_steps=4, judge=CountingJudge()), data)
    found = _read(tmp_path)
    assert (found["after"]["samples"], found["after"]["accuracy"]) == (12, pytest.approx(8 / 12))
    assert {name: part["samples"] for name, part in found["after"]["sources"].items()} == {
        "a/medpix": 3, "a/slake": 3, "b/medpix": 3, "b/slake": 3,
    }  # fmt: skip
    assert (found["gain"]["accuracy"]["count"], found["gain"]["accuracy"]["clusters"]) == (12, 12)
    text = (tmp_path / "report.html").read_text()
    assert text.count("<article") == 12
    assert text.count('data-change="gained"') == 8
    assert "b: s003" in text
    assert "eld out" not in text
    assert "eld-out" not in text
    assert (tmp_path / "report.md").read_text().count("Samples / completions / cases") == 2


def _without_datasets(state: dict[str, Any]) -> dict[str, Any]:
    """The state of a report as it was before data sets, and the samples of a validation, were recorded."""
    old = {**state, "first_scores": [row[1:] for row in state["first_scores"]]}
    old["validations"] = [{k: v for k, v in entry.items() if k != "judged"} for entry in state["validations"]]
    for name in ("first_examples", "last_examples"):
        old[name] = [{k: v for k, v in entry.items() if k != "dataset"} for entry in state[name]]
    return old


@pytest.mark.parametrize(("names", "pairs"), [("a", 6), ("ab", 0)])
def test_a_run_recorded_without_data_sets_keeps_its_pairs_where_ids_are_clear(
    tmp_path: Path, names: str, pairs: int
) -> None:
    """With one data set, the six ids are clear; with two, each id could be of either, so none is paired."""
    _fit(tmp_path, WriteReport(table=False), max_steps=2)
    path = tmp_path / "checkpoints" / "step-000002.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["callbacks"]["WriteReport"] = _without_datasets(checkpoint["callbacks"]["WriteReport"])
    torch.save(checkpoint, path)
    data = FakeData([replace(sample, dataset=name) for name in names for sample in FakeData().samples])
    callbacks = [JudgeValidation(every_n_steps=2), WriteReport(table=False), SaveCheckpoint(every_n_steps=2, keep=9)]
    make_trainer(tmp_path, callbacks).fit(
        FakeModule(max_steps=4, judge=CountingJudge()), data, ckpt_path=path, weights_only=True
    )
    assert _read(tmp_path)["gain"].get("accuracy", {"count": 0})["count"] == pairs
    assert (tmp_path / "report.html").read_text().count('data-change="gained"') == (4 if pairs else 0)


def test_validations_with_other_rewards_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Steps 0 and 2 with the old rewards, 4 and 6 with the new: before is step 4, and the best starts anew there."""

    def fit(max_steps: int, rewards: str, **how: Any) -> SaveCheckpoint:
        module = FakeModule(max_steps=max_steps, judge=CountingJudge())
        module.suite = {"rewards": rewards, "judge": "counting/v1"}  # type: ignore[assignment]
        save = SaveCheckpoint(every_n_steps=2, keep=9)
        make_trainer(tmp_path, [JudgeValidation(every_n_steps=2), WriteReport(), save]).fit(module, FakeData(), **how)
        return save

    assert fit(2, "old").best.step == 2
    data = _read(tmp_path)
    assert (data["before"]["step"], data["notes"]) == (0, [])
    capsys.readouterr()
    resumed = {"ckpt_path": tmp_path / "checkpoints" / "step-000002.ckpt", "weights_only": True}
    save = fit(6, "new", **resumed)
    data = _read(tmp_path)
    assert (data["before"]["step"], data["after"]["step"]) == (4, 6)
    assert data["gain"]["accuracy"]["estimate"] == pytest.approx(2 / 6)
    page = (tmp_path / "report.html").read_text()
    assert ("from 0.750 after step 4" in page, "before training" in page) == (True, False)
    note = "Validations up to step 2 are not compared with those from step 4 on, which were made with other rewards."
    assert data["notes"][0] == note
    [trained] = data["notes"][1:]
    assert trained.startswith("Training rewards up to step 2 were given by other rewards or another judge")
    assert note in (tmp_path / "report.md").read_text()
    assert note in (tmp_path / "report.html").read_text()
    assert note in capsys.readouterr().out
    assert [entry["suite"]["rewards"] for entry in data["validations"]] == ["old", "old", "new", "new"]
    assert save.best.chosen_by["suite"]["rewards"] == "new"
    assert save.best.step == 6


def test_a_validation_that_no_earlier_one_compares_with_stands_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no before of itself, in numbers, page and terminal: the first of a run, and the first of other rewards."""
    for max_steps, at_start, rewards, how in (
        (2, False, "old", {}),
        (4, True, "new", {"ckpt_path": tmp_path / "checkpoints" / "step-000002.ckpt", "weights_only": True}),
    ):
        module = FakeModule(max_steps=max_steps, judge=CountingJudge())
        module.suite = {"rewards": rewards}  # type: ignore[assignment]
        callbacks = [JudgeValidation(every_n_steps=2, at_start=at_start), WriteReport(), SaveCheckpoint(monitor=None)]
        make_trainer(tmp_path, callbacks).fit(module, FakeData(), **how)  # type: ignore[arg-type]
        data = _read(tmp_path)
        assert (data["before"], data["after"]["step"], data["gain"]) == (None, max_steps, {})
        page, shown = (tmp_path / "report.html").read_text(), capsys.readouterr().out
        for text in (page, shown, (tmp_path / "report.md").read_text()):
            assert f"Step {max_steps}" in text
            assert "Before" not in text
            assert "Validation, validation, 95 % intervals" in text
        assert "with which no earlier one can be compared" in page


def test_the_judges_of_the_rewards_are_kept_over_resumes_with_the_steps_after_which_they_began(tmp_path: Path) -> None:
    """The checkpoint of step 2 is that of judge one; steps 3 and 4 were made with judge two, and are made again."""
    for steps, identity, start in ((2, "one", None), (4, "two", 2), (4, "one", 2), (6, "two", 4)):
        module = FakeModule(max_steps=steps, judge=CountingJudge(identity))
        callbacks = [JudgeValidation(every_n_steps=2), WriteReport(table=False), SaveCheckpoint(2, keep=9)]
        checkpoint = None if start is None else tmp_path / "checkpoints" / f"step-{start:06d}.ckpt"
        make_trainer(tmp_path, callbacks).fit(module, FakeData(), ckpt_path=checkpoint, weights_only=True)
    data = _read(tmp_path)
    one, two = (named(CountingJudge(identity)) for identity in ("one", "two"))
    assert data["reward_judges"] == [two]
    assert data["rewarded_by"] == [{"after": 0, "judges": [one]}, {"after": 4, "judges": [two]}]
