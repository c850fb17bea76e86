"""Running means: sums over rows, ranks and batches."""

import math

import pytest
import torch

from medix.modality import ModalitySet
from medix.rewards import FormatReward, ModalityReward, RewardSuite, Weighted
from medix.types import Status

S, U, N = Status.SCORED, Status.UNSCORED, Status.NOT_APPLICABLE
VALUES = torch.tensor([1.0, math.nan, 0.5, math.nan], dtype=torch.float64)


def test_the_means_are_those_of_the_scored_rows() -> None:
    """Rows 1.0 (X_RAY), unscored (X_RAY), 0.5 (text-only), not applicable: mean 0.75, unscored 1 of 3."""
    means = FormatReward()
    means.add(VALUES, (S, U, S, N), ("X_RAY", "X_RAY", None, "SPECT"))
    result = {name: value.item() for name, value in means.compute().items()}
    assert result[""] == 0.75
    assert result["unscored"] == pytest.approx(1 / 3)
    assert (result["X_RAY"], result["TEXT_ONLY"]) == (1.0, 0.5)
    assert math.isnan(result["SPECT"])
    assert len(result) == 2 + 16 + 1


def test_the_cache_of_torchmetrics_is_not_stale_after_rows_are_added() -> None:
    means = FormatReward()
    means.add(VALUES, (S, U, S, N), ("X_RAY",) * 4)
    assert means.compute()[""] == 0.75
    means.add(torch.tensor([0.0], dtype=torch.float64), (S,), ("X_RAY",))
    assert means.compute()[""] == 0.5


@pytest.mark.parametrize("convert", ["half", "bfloat16", "double", "float"])
def test_counters_stay_float64_whatever_the_metric_becomes(convert: str) -> None:
    means = FormatReward()
    means.add(VALUES, (S, U, S, N), ("X_RAY",) * 4)
    for moved in (getattr(means, convert)(), means.to(torch.bfloat16), means.set_dtype(torch.float16)):
        assert moved is means
        assert means.counts.dtype == means.never_equal.dtype == means.dtype == torch.float64
        assert means.compute()[""] == 0.75
    means.reset()
    assert means.counts.dtype == torch.float64


def test_counters_that_were_nowhere_begin_empty() -> None:
    with torch.device("meta"):
        means = FormatReward()
    means.to_empty(device="cpu")
    assert means.counts.sum() == 0
    assert means.never_equal.isnan()
    means.add(VALUES, (S, U, S, N), ("X_RAY",) * 4)
    assert means.compute()[""] == 0.75
    means.reset()
    assert means.counts.sum() == 0


def test_merging_adds_rows_and_refuses_others() -> None:
    one, other = FormatReward(), FormatReward()
    one.add(VALUES, (S, U, S, N), ("X_RAY",) * 4)
    other.add(VALUES[:1], (S,), ("X_RAY",))
    one.merge_state(other)
    one.merge_state({"counts": other.counts.to(torch.float32)})
    assert one.compute()[""] == 3.5 / 4
    with pytest.raises(ValueError, match=r"a ModalityReward counts other rows"):
        one.merge_state(ModalityReward())
    with pytest.raises(ValueError, match="got dict"):
        one.merge_state({})
    other.sync(lambda state, group: [state, state], distributed_available=lambda: True)
    with pytest.raises(ValueError, match="would count twice"):
        one.merge_state(other)
    assert one.compute()[""] == 3.5 / 4


def test_counting_goes_on_beyond_what_a_float32_holds() -> None:
    means = FormatReward()
    means.counts[:, 0] = 2.0**24
    means.add(torch.tensor([1.0], dtype=torch.float64), (S,), ("X_RAY",))
    assert means.counts[1, 0] == 2**24 + 1


def test_another_modality_set_has_other_rows_and_forgets() -> None:
    means = FormatReward()
    means.add(VALUES, (S, U, S, N), ("X_RAY",) * 4)
    means.use_modalities(ModalitySet(["BRAIN"]))
    assert list(means.compute()) == ["", "unscored", "BRAIN", "TEXT_ONLY"]
    assert means.counts.sum() == 0


def test_means_over_nothing_are_not_a_number_and_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert all(value.isnan() for value in FormatReward().compute().values())
    assert not [warning for warning in recwarn if "update" in str(warning.message)]


def test_a_component_in_two_places_has_running_means_for_each() -> None:
    """Scores a right form in the first suite, twice, and a wrong one in the second."""
    form = FormatReward()
    first, second = (
        RewardSuite({name: Weighted(form, 0.5) for name in ("a", "b")}, modalities=["X_RAY"]) for _ in range(2)
    )
    right = "<X_RAY><think>It is on the left.</think><answer>lung</answer>"
    for suite, texts in ((first, [right, right]), (second, ["lung"])):
        rows = len(texts)
        suite.update(completions=texts, references=["lung"] * rows, questions=["?"] * rows, modalities=["X_RAY"] * rows)
    assert [suite.compute()[f"reward/{name}"] for suite in (first, second) for name in "ab"] == [1.0, 1.0, 0.0, 0.0]
    assert [part.compute()[""].item() for part in (*first.components.values(), *second.components.values())] == [
        1.0, 1.0, 0.0, 0.0,
    ]  # fmt: skip
