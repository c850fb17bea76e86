"""The benchmark of rewards: what it compares is the same work, and it says so when it is not."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from medix.modality import ModalitySet
from medix.reporting.record import append_records, record_completion
from tests.support.fake_training import make_group, make_sample, write
from tools import bench_rewards
from tools.bench_rewards import SHAPES, Workload, measure, overhead, same, shapes_of, workload


def distinct_of(work: Workload) -> list[int]:
    """Sizes of the sets of equal answers, group by group."""
    groups = [work.completions[start : start + 5] for start in range(0, len(work.completions), 5)]
    answers = [[text.partition("<answer>")[2].partition("</answer>")[0] for text in group] for group in groups]
    return [len(set(group)) for group in answers]


def test_answers_repeat_as_the_shapes_say() -> None:
    assert set(distinct_of(workload({(1,) * 5: 1}))) == {5}
    assert set(distinct_of(workload({(3, 2): 1}))) == {2}
    assert len(workload(SHAPES).completions) == 640


def test_shapes_are_read_from_the_record_of_a_run(tmp_path: Path) -> None:
    """Answers a, a, b, a, c make (3, 1, 1); a sixth completion does not count; a group of four is left out."""
    path = tmp_path / "train.rank0.jsonl"
    for index, letters in enumerate(("aabacx", "abcd")):
        group = make_group(make_sample(index), [write("X_RAY", letter) for letter in letters])
        append_records(path, [record_completion(group, i, ModalitySet(), split="train") for i in range(len(letters))])
    assert shapes_of(path) == {(3, 1, 1): 1}


def test_a_record_without_a_whole_group_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("")
    with pytest.raises(ValueError, match="has no group with 5 answers"):
        shapes_of(path)


def test_every_number_is_there_and_the_scores_are_the_same() -> None:
    result = measure({(5,): 1}, delay=0.0, repeats=1, groups=3)
    assert {"speedup_unique", "speedup_grouped", "overhead_us_per_completion"} <= result.keys()
    assert (result["distinct_unique"], result["distinct_grouped"]) == (15, 3)
    assert result["same_scores"] is True


def test_other_scores_are_an_error_and_no_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench_rewards.WEIGHTS, "judge", 0.4)
    with pytest.raises(RuntimeError, match="disagree"):
        measure({(5,): 1}, delay=0.0, repeats=1, groups=2)


def test_the_workload_gives_every_component_something_to_tell() -> None:
    tags = Counter(text.partition(">")[0] for text in workload(SHAPES).completions)
    assert len(tags) == 2
    assert any(text.endswith("and so on") for text in workload(SHAPES).completions)


def test_nan_is_the_same_as_nothing() -> None:
    assert same([1.0], [1.0 + 1e-9])
    assert not same([float("nan")], [float("nan")])
    assert not same([1.0], [1.0, 1.0])


def test_the_overhead_is_a_time_per_completion() -> None:
    values: list[Any] = [overhead(repeats=1)]
    assert 0 < values[0] < 5000
