import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medix.callbacks.write_predictions import WritePredictions
from medix.reporting.record import read_records
from medix.types import Completion, FinishReason, Prompt, PromptBatch, RolloutGroup, Sample
from tests.support.fake_training import FakeModule, make_trainer


def group(name: str, text: str, reason: FinishReason = FinishReason.STOP) -> RolloutGroup:
    sample = Sample(name, "Which side?", "left", "CT_SCAN", source="tiny")
    return RolloutGroup(Prompt(sample, (1,)), (Completion(text, (1, 2), (-0.1, -0.2), reason),), 0)


def batch(next_index: int, too_long: int = 0) -> PromptBatch:
    return PromptBatch([], next_index, too_long)


@pytest.fixture
def lines(tmp_path: Path) -> list[dict[str, Any]]:
    trainer, module = make_trainer(tmp_path, []), FakeModule()
    callback = WritePredictions(tmp_path / "out" / "predictions.jsonl")
    good = group("a", "<CT_SCAN><think>dense</think><answer>left</answer>")
    callback.setup(trainer, module, "predict")
    callback.on_predict_batch_end(trainer, module, [good, group("b", "left", FinishReason.LENGTH)], batch(2), 0)
    callback.on_predict_batch_end(trainer, module, [good], batch(3), 1)
    assert not callback.path.exists()
    callback.on_predict_end(trainer, module)
    assert list(callback.path.parent.iterdir()) == [callback.path]
    assert [record.id for record in read_records(callback.path)] == ["a", "b"]
    return [json.loads(line) for line in callback.path.read_text().splitlines()]


def test_each_line_has_the_parse_the_modality_check_and_the_flags(lines: list[dict[str, Any]]) -> None:
    good, bad = lines
    assert (good["answer"], good["reasoning"], good["named_modality"]) == ("left", "dense", "CT_SCAN")
    assert good["names_modality"] is True
    assert good["flags"] == []
    assert bad["answer"] is None
    assert bad["names_modality"] is False
    assert bad["flags"] == ["no_tag", "no_reasoning", "no_answer", "text_outside", "truncated"]


def test_a_sample_that_two_ranks_read_is_written_once(lines: list[dict[str, Any]]) -> None:
    assert len(lines) == 2


def test_samples_of_one_id_in_two_data_sets_are_both_written(tmp_path: Path) -> None:
    trainer, module = make_trainer(tmp_path, []), FakeModule()
    callback = WritePredictions(tmp_path / "predictions.jsonl")
    made = group("1", "left")
    groups = [replace(made, prompt=Prompt(replace(made.prompt.sample, dataset=name), (1,))) for name in "ba"]
    callback.setup(trainer, module, "predict")
    callback.on_predict_batch_end(trainer, module, groups, batch(2), 0)
    callback.on_predict_end(trainer, module)
    assert [record.sample_key for record in read_records(callback.path)] == [("a", "1"), ("b", "1")]


def test_a_run_goes_on_after_the_batches_of_one_that_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Three samples in two batches, and one left out in each."""
    trainer, module = make_trainer(tmp_path, []), FakeModule()
    trainer.datamodule = SimpleNamespace()  # type: ignore[attr-defined]
    path = tmp_path / "predictions.jsonl"
    first, second = WritePredictions(path), WritePredictions(path)
    first.setup(trainer, module, "predict")
    first.on_predict_batch_end(trainer, module, [group("b", "left"), group("c", "left")], batch(3, too_long=1), 0)
    first.on_exception(trainer, module, RuntimeError())
    kept = f"{path}.unfinished"
    assert capsys.readouterr().out == f"medix: 3 samples are kept in {kept}, after which the same command goes on\n"
    second.setup(trainer, module, "predict")
    assert capsys.readouterr().out == f"medix: going on after 3 samples ({kept})\n"
    assert trainer.datamodule.predict_from == 3  # type: ignore[attr-defined]
    second.on_predict_batch_end(trainer, module, [group("a", "left")], batch(5, too_long=1), 0)
    second.on_predict_end(trainer, module)
    assert [record.id for record in read_records(path)] == ["a", "b", "c"]
    assert "lacks 2 samples" in caplog.text
    assert not Path(kept).exists()


@pytest.mark.parametrize("goes_on", [False, True])
def test_nothing_is_left_of_a_run_that_no_run_can_continue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], goes_on: bool
) -> None:
    """A run of two batches that was stopped after one, and one that was stopped before its first batch."""
    trainer, module = make_trainer(tmp_path, [], **({} if goes_on else {"limit_predict_batches": 2})), FakeModule()
    callback = WritePredictions(tmp_path / "predictions.jsonl")
    callback.setup(trainer, module, "predict")
    if not goes_on:
        callback.on_predict_batch_end(trainer, module, [group("a", "left")], batch(1), 0)
    callback.on_exception(trainer, module, KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == ""


def test_a_device_gets_the_completions_and_no_file_beside_it(tmp_path: Path) -> None:
    trainer, module = make_trainer(tmp_path, []), FakeModule()
    callback = WritePredictions("/dev/null")
    callback.setup(trainer, module, "predict")
    callback.on_predict_batch_end(trainer, module, [group("a", "left")], batch(1), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.jsonl.unfinished"]
    callback.on_predict_end(trainer, module)
    assert list(tmp_path.iterdir()) == []
