"""Which rank trains which group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.rollout.dealing import Place, deal


def test_one_rank_takes_the_oldest_version_first_and_then_the_order_of_the_data() -> None:
    held = [[(2, 7), (1, 3), (2, 5), (1, 4)]]
    assert deal(held, 1, 3) == [[Place(0, 1), Place(0, 3), Place(0, 2)]]


def test_a_rank_with_too_few_gets_what_another_has_too_much_of() -> None:
    """Two updates of 4 on two ranks. The oldest four are 0 to 3, of which rank 0 holds three: its last one moves.

    The next four are 4 to 7, of which rank 1 holds none: the last two move.
    """
    held = [[(0, index) for index in (0, 2, 3, 4, 5, 6, 7)], [(0, 1)]]
    assert deal(held, 4, 8) == [
        [Place(0, 0), Place(0, 1), Place(0, 3), Place(0, 4)],
        [Place(1, 0), Place(0, 2), Place(0, 5), Place(0, 6)],
    ]


def test_groups_outside_a_stream_are_dealt_all_the_same() -> None:
    assert deal([[(0, -1)] * 3, [(0, -1)]], 2, 4) == [[Place(0, 0), Place(0, 2)], [Place(0, 1), Place(1, 0)]]


def test_more_than_waits_cannot_be_dealt() -> None:
    with pytest.raises(ValueError, match="4 groups were requested of 3"):
        deal([[(0, 1), (0, 2)], [(0, 3)]], 2, 4)


@given(st.data(), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3))
def test_updates_are_those_of_one_rank_and_shares_are_equal(
    data: st.DataObject, ranks: int, share: int, updates: int
) -> None:
    count = ranks * share * updates
    versions = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count + 7))
    owners = data.draw(st.lists(st.integers(0, ranks - 1), min_size=len(versions), max_size=len(versions)))
    keys = [(version, index) for index, version in enumerate(versions)]
    held = [[key for key, owner in zip(keys, owners, strict=True) if owner == rank] for rank in range(ranks)]
    dealt = [[held[place.rank][place.position] for place in own] for own in deal(held, ranks * share, count)]
    alone = [keys[place.position] for place in deal([keys], ranks * share, count)[0]]
    for number in range(updates):
        parts = [own[number * share : (number + 1) * share] for own in dealt]
        assert all(part == sorted(part) and len(part) == share for part in parts)
        assert sorted(key for part in parts for key in part) == alone[number * len(alone) // updates :][: ranks * share]
        for rank, part in enumerate(parts):
            mine = [key for key in alone[number * ranks * share :][: ranks * share] if key in held[rank]]
            assert set(mine[:share]) <= set(part), "a group stays where it is while its rank needs it"
