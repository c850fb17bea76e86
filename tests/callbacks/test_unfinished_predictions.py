"""What a stopped run leaves, and who may continue it."""

import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from medix.callbacks.unfinished_predictions import UnfinishedPredictions, completion_facts
from medix.reporting.record import CompletionRecord, record_completion
from tests.support.fake_training import MODALITIES, make_group, make_sample

FACTS = {"samples": "abc", "model.evaluation": {"temperature": 0.6}}


def completion(number: int, text: str = "left") -> CompletionRecord:
    return record_completion(make_group(make_sample(number), [text]), 0, MODALITIES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a run with two batches, of three and one samples."""
    path = tmp_path / "lines.jsonl.unfinished"
    file = UnfinishedPredictions(path, FACTS)
    file.add(3, [completion(0), completion(1, "strange \ud800 \u2028 text")], left_out=1)
    file.add(4, [completion(2)], left_out=0)
    file.close()
    return path


def test_batches_are_read_as_they_were_added(path: Path) -> None:
    file = UnfinishedPredictions(path, FACTS)
    assert (file.samples, file.left_out) == (4, 1)
    assert file.records == [completion(0), completion(1, "strange \ud800 \u2028 text"), completion(2)]
    file.close(is_done=True)
    assert not path.exists()


def test_a_batch_that_a_kill_cut_is_sampled_again(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5)
    file = UnfinishedPredictions(path, FACTS)
    assert (file.samples, [record.id for record in file.records]) == (3, ["s000", "s001"])
    file.add(4, [completion(3)], left_out=0)
    file.close()
    again = UnfinishedPredictions(path, FACTS)
    assert [record.id for record in again.records] == ["s000", "s001", "s003"]
    again.close()


def test_a_file_cut_in_its_first_line_is_begun_anew(path: Path) -> None:
    os.truncate(path, 5)
    file = UnfinishedPredictions(path, {"samples": "other"})
    assert file.samples == 0
    file.close()


@pytest.mark.parametrize("facts", [FACTS | {"samples": "def"}, {"model.evaluation": {"temperature": 0.6}}])
def test_completions_that_depend_on_something_else_are_not_continued(path: Path, facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"holds 4 samples of a predict run .*, with other samples\. Delete it"):
        UnfinishedPredictions(path, facts)
    UnfinishedPredictions(path, FACTS).close()  # the lock is released


def test_a_run_of_some_batches_continues_none(path: Path) -> None:
    with pytest.raises(ValueError, match="which a run of some batches does not continue"):
        UnfinishedPredictions(path, FACTS, goes_on=False)
    assert path.exists()


def test_two_runs_do_not_write_one_file(path: Path) -> None:
    file = UnfinishedPredictions(path, FACTS)
    with pytest.raises(ValueError, match="another predict writes it"):
        UnfinishedPredictions(path, FACTS)
    file.close()


def test_facts_are_those_that_change_a_completion(tmp_path: Path) -> None:
    checkpoint, folder = tmp_path / "step-000001.ckpt", tmp_path / "policy"
    folder.mkdir()
    for file in (checkpoint, folder / "model.safetensors"):
        file.write_bytes(b"weights")
    spec = {
        "model": {"policy": {"init_args": {"name": str(folder)}}, "evaluation": {"temperature": 0.6}},
        "data": {"val_batch_size": 2, "on_long": "error", "seed": 1, "exchange_images": False},
        "trainer": {"precision": None, "devices": 1},
    }

    def differing(digest: str = "abc", **changes: Any) -> list[str]:
        other = deepcopy(spec)
        for key, value in changes.items():
            section, name = key.split("__")
            other[section][name] = value
        before, now = facts, completion_facts(other, str(checkpoint), digest)
        return [name for name in before if before[name] != now[name]]

    facts = completion_facts(spec, str(checkpoint), "abc")
    assert differing(data__val_batch_size=3, data__on_long="skip", data__seed=2, trainer__devices=2) == []
    assert differing(digest="def") == ["samples"]
    assert differing(data__exchange_images=True) == ["data.exchange_images"]
    assert differing(model__evaluation={"temperature": 1.0}) == ["model.evaluation"]
    assert differing(trainer__precision="bf16-true") == ["trainer.precision"]
    checkpoint.write_bytes(b"weights of another run")
    (folder / "model.safetensors").write_bytes(b"other weights")
    assert differing() == ["--ckpt_path", "model.policy"]
