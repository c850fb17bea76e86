"""Running means: sums over rows, ranks and batches."""

import math

import pytest
import torch

from medix.modality import ModalitySet
from medix.rewards import FormatReward
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
