from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from medix.data.exchange import ExchangedImages
from medix.data.prompting import placed_images
from medix.types import Sample


def samples(cases: Sequence[str], images: int = 1) -> Any:
    return [
        Sample(f"s{i}", f"q{i}", f"r{i}", "CT_SCAN", tuple(f"{i}.{k}".encode() for k in range(images)), case=case)
        for i, case in enumerate(cases)
    ]


def test_every_sample_gets_the_images_of_another_case_and_keeps_the_rest() -> None:
    stream = samples("aabbccdd")
    exchanged = ExchangedImages(stream)
    owner = {sample.images: sample.case for sample in stream}
    for i, sample in enumerate(stream):
        assert owner[exchanged[i].images] != sample.case
        assert replace(exchanged[i], images=sample.images) == sample


def test_the_exchange_is_the_same_each_time_and_another_with_another_seed() -> None:
    stream = samples("abcdefgh")
    first, again, other = ExchangedImages(stream), ExchangedImages(stream), ExchangedImages(stream, seed=2)
    assert [first[i] for i in range(8)] == [again[i] for i in range(8)]
    assert [first[i] for i in range(8)] != [other[i] for i in range(8)]


def test_a_text_only_sample_stays_as_it_is() -> None:
    stream = [*samples("ab"), Sample("t", "q", "r", None)]
    assert ExchangedImages(stream)[2] == stream[2]


def test_as_many_images_are_exchanged() -> None:
    stream = [*samples("ab"), *samples("cd", images=2)]
    assert [len(ExchangedImages(stream)[i].images) for i in range(4)] == [1, 1, 2, 2]


def test_a_split_of_one_case_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"data\.exchange_images: no sample of another case .* several cases"):
        ExchangedImages(samples("aaa"))[0]


def test_questions_on_one_image_do_not_get_it_again_where_no_case_is_named() -> None:
    stream = [replace(sample, images=(f"{i // 5}".encode(),)) for i, sample in enumerate(samples([""] * 20))]
    exchanged = ExchangedImages(stream)
    assert [i for i in range(20) if exchanged[i].images == stream[i].images] == []
    with pytest.raises(ValueError, match=r"no sample of another case has 1 other images for sample 's.'"):
        ExchangedImages(stream[:5])[0]


def test_cases_of_one_name_in_two_data_sets_are_different_cases() -> None:
    stream = [replace(sample, dataset=name) for sample, name in zip(samples("11"), "ab", strict=True)]
    assert ExchangedImages(stream)[0].images == stream[1].images
    with pytest.raises(ValueError, match="no sample of another case"):
        ExchangedImages(samples("11"))[0]


def test_exchanged_images_stand_at_the_markers_of_the_question() -> None:
    stream = [replace(sample, question="After: <image 2> Before: <image 1>") for sample in samples("abcd", images=2)]
    exchanged = ExchangedImages(stream)
    for i, sample in enumerate(stream):
        assert placed_images(exchanged[i]) == exchanged[i].images[::-1] != sample.images[::-1]
