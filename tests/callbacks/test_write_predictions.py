import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medix.callbacks.write_predictions import WritePredictions
from medix.reporting.record import read_records
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample
from tests.support.fake_training import FakeModule, make_trainer


def group(name: str, text: str, reason: FinishReason = FinishReason.STOP) -> RolloutGroup:
    sample = Sample(name, "Which side?", "left", "CT_SCAN", source="tiny")
    return RolloutGroup(Prompt(sample, (1,)), (Completion(text, (1, 2), (-0.1, -0.2), reason),), 0)


@pytest.fixture
def lines(tmp_path: Path) -> list[dict[str, Any]]:
    trainer, module = make_trainer(tmp_path, []), FakeModule()
    callback = WritePredictions(tmp_path / "out" / "predictions.jsonl")
    good = group("a", "<CT_SCAN><think>dense</think><answer>left</answer>")
    callback.on_predict_start(trainer, module)
    callback.on_predict_batch_end(trainer, module, [good, group("b", "left", FinishReason.LENGTH)], None, 0)
    callback.on_predict_batch_end(trainer, module, [good], None, 1)
    assert not callback.path.exists()
    callback.on_predict_end(trainer, module)
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
    callback.on_predict_start(trainer, module)
    callback.on_predict_batch_end(trainer, module, groups, None, 0)
    callback.on_predict_end(trainer, module)
    assert [record.sample_key for record in read_records(callback.path)] == [("a", "1"), ("b", "1")]
