"""A validation as numbers for loggers."""

import math
from dataclasses import replace

from medix.evaluation.validation import Validation, differences_from_training, incomparable
from medix.reporting.record import record_group
from medix.reporting.table import slices_of, summary_table
from tests.support.fake_training import MODALITIES, CountingJudge, FakeSuite, make_group, make_sample, write


def _validation() -> Validation:
    suite = FakeSuite(CountingJudge())
    samples = [make_sample(1, "X_RAY", "slake"), make_sample(2, None, "medqa")]
    groups = [make_group(sample, [write(sample.modality, "lung")]) for sample in samples]
    records = [r for g in suite.score_groups(groups) for r in record_group(g, MODALITIES, step=5, split="val")]
    return Validation.of(records, step=5, split="val", judge="counting/v1", seconds=2.0)


def test_metrics_are_named_by_split_measure_and_slice() -> None:
    metrics = _validation().metrics()
    assert metrics["val/accuracy"] == 1.0
    assert metrics["val/accuracy/X_RAY"] == 1.0
    assert metrics["val/accuracy/source/medqa"] == 1.0
    assert metrics["val/reward/judge"] == 1.0
    assert metrics["val/completions"] == 2.0


def test_subgroups_have_metrics_and_tables_of_their_own() -> None:
    whole = _validation()
    records = [replace(record, subgroup={"sex": sex}) for record, sex in zip(whole.records, ("F", ""), strict=True)]
    found = Validation.of(records, step=5, split="val", judge="counting/v1")
    assert found.metrics()["val/accuracy/sex/F"] == 1.0
    assert list(found.subgroups["sex"]) == ["F"]
    kinds = {kind: [list(side) for side in sides] for kind, sides in slices_of(found.to_dict(), whole.to_dict())}
    assert kinds["sex"] == [["F"], []]
    assert [row[0] for row in summary_table(found.to_dict()).rows][-1] == "sex F"
    assert dict(slices_of(whole.to_dict())).keys() == {"Modality", "Source"}


def test_what_is_not_known_is_not_logged() -> None:
    metrics = _validation().metrics()
    assert "val/modality_accuracy/TEXT_ONLY" not in metrics
    assert not any(math.isnan(value) for value in metrics.values())


def test_plain_data_leaves_the_completions_out() -> None:
    data = _validation().to_dict()
    assert "records" not in data
    assert data["modalities"]["X_RAY"]["accuracy"] == 1.0
    assert (data["step"], data["judge"], data["seconds"]) == (5, "counting/v1", 2.0)


def test_validations_of_other_samples_of_one_split_are_not_compared() -> None:
    whole = _validation()
    part = Validation.of(whole.records[:1], step=2, split=whole.split, judge=whole.judge)
    assert incomparable(whole.to_dict(), whole.to_dict()) == []
    assert incomparable(whole.to_dict(), part.to_dict()) == ["other samples"]
    older = {name: value for name, value in part.to_dict().items() if name != "judged"}
    assert incomparable(whole.to_dict(), older) == []


def test_a_later_result_says_what_its_training_was_not_measured_with() -> None:
    """Another split has other samples anyway, and a control has other images; other rewards are named in each."""
    trained = _validation().to_dict() | {"suite": {"rewards": "a", "sampling": "s", "data": "d"}}
    other = {**trained, "suite": {"rewards": "b", "sampling": "s", "data": "e"}}
    fewer = {**trained, "judged": "fewer"}
    assert differences_from_training(trained, trained) == []
    assert differences_from_training(trained, other) == ["other rewards", "other samples"]
    assert differences_from_training(trained, fewer) == ["other samples"]
    assert differences_from_training(trained, other | {"split": "test", "judged": "t"}) == ["other rewards"]
    assert differences_from_training(trained, other | {"exchanged": True}) == ["other rewards"]
    assert differences_from_training(trained, fewer | {"exchanged": True}) == ["other samples"]
    assert differences_from_training(trained, trained | {"judge": "own/v1"}) == ["another judge"]
