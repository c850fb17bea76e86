"""The sum of the weights of rewards."""

import pytest

from medix.weight_sum import check_sum


def test_a_sum_of_1_passes_within_rounding_and_another_is_told_with_its_weights() -> None:
    check_sum({"a": 0.1, "b": 0.2, "c": 0.7 - 1e-9})
    with pytest.raises(
        ValueError, match=r"sum to 1, got 1\.25 from a 0\.5, b 0\.75; scale them \(divide each by 1\.25\)"
    ):
        check_sum({"a": 0.5, "b": 0.75})
