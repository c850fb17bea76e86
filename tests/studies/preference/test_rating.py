"""What a rating says, whatever the sides."""

import pytest

from tests.support.studies import rating


@pytest.mark.parametrize(
    ("choice", "is_swapped", "winner", "said"),
    [
        ("left", False, 3, "3"), ("right", False, 5, "5"), ("left", True, 5, "5"), ("right", True, 3, "3"),
        ("tie", True, None, "tie"), ("neither", False, None, "neither"),
    ],
)  # fmt: skip
def test_the_side_is_undone(choice: str, is_swapped: bool, winner: int | None, said: str) -> None:
    found = rating(choice, models=(3, 5), is_swapped=is_swapped)
    assert (found.winner, found.said) == (winner, said)
    assert found.score(3) + found.score(5) == 1
    assert found.score(3) == {3: 1.0, 5: 0.0, None: 0.5}[winner]
