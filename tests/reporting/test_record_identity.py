"""One completion counts once, and one id for different samples is an error."""

import dataclasses
import logging

import pytest

from medix.reporting.record import CompletionRecord, record_group
from medix.reporting.record_identity import distinct, unique, with_datasets
from tests.support.fake_training import MODALITIES, CountingJudge, FakeSuite, make_group, make_sample, write


def _record(number: int = 1, step: int = 3, **changes: object) -> CompletionRecord:
    group = make_group(make_sample(number), [write("X_RAY", "lung")])
    scored = FakeSuite(CountingJudge()).score_groups([group])[0]
    (record,) = record_group(scored, MODALITIES, step=step, split="val")
    return dataclasses.replace(record, **changes)  # type: ignore[arg-type]


def test_a_sample_handed_to_two_ranks_counts_once() -> None:
    assert [record.id for record in unique([_record(2), _record(1), _record(2)])] == ["s001", "s002"]


def test_one_id_in_two_data_sets_is_two_samples() -> None:
    first, second = _record(1, dataset="a"), _record(1, dataset="b")
    assert first.cluster != second.cluster
    assert unique([second, first, second]) == [first, second]


def test_one_id_for_two_samples_of_a_data_set_is_an_error_that_names_it() -> None:
    with pytest.raises(
        ValueError, match=r"1 ids are used by different samples of one data set: a: s001\. Give .*dataset"
    ):
        unique([_record(1, dataset="a"), _record(1, dataset="a", question="Which side?")])


def test_a_sample_that_was_read_twice_is_said_with_its_count(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        unique([_record(1), _record(2)])
        assert caplog.text == ""
        unique([_record(1), _record(1), _record(1)])
    assert "2 completions are of samples that were read twice" in caplog.text


def test_a_file_that_has_a_completion_twice_is_refused_with_the_count() -> None:
    assert distinct([_record(2), _record(1)], "val.jsonl") == [_record(1), _record(2)]
    with pytest.raises(ValueError, match=r"val\.jsonl: 2 of 4 completions repeat .* samples s002, a: s001\. Give"):
        distinct([_record(1, dataset="a"), _record(2), _record(2), _record(1, dataset="a")], "val.jsonl")


def test_records_from_before_data_sets_take_that_of_the_only_sample_of_their_id() -> None:
    """s001 is in one data set of the others, s002 in two, s003 in none; s004 has its own."""
    old = [_record(1), _record(2), _record(3), _record(4, dataset="c")]
    others = [_record(1, dataset="a"), _record(2, dataset="a"), _record(2, dataset="b"), _record(4, dataset="a")]
    assert [record.dataset for record in with_datasets(old, others)] == ["a", "", "", "c"]


def test_of_a_sample_read_twice_the_first_position_counts_in_any_order_of_the_ranks() -> None:
    first, second = (_record(1, position=at, completion=f"from {at}") for at in (1, 2))
    assert unique([first, second]) == unique([second, first]) == [first]
