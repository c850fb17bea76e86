"""Which prompts share a prefix."""

from hypothesis import given
from hypothesis import strategies as st

from medix.judge.common_prefix import CommonPrefix, common_prefixes


def test_two_that_begin_alike_share_it_and_a_stranger_stands_alone() -> None:
    assert common_prefixes([[1, 2, 3, 4], [9, 9], [1, 2, 3, 5]]) == [CommonPrefix((0, 2), 3), CommonPrefix((1,), 0)]


def test_groups_share_more_than_all_do_together() -> None:
    """One token for all four saves 3; five tokens for each pair save 5 + 5."""
    one, other = [7, 1, 1, 1, 1], [7, 2, 2, 2, 2]
    assert common_prefixes([[*one, 0], [*one, 3], [*other, 0], [*other, 3]]) == [
        CommonPrefix((0, 1), 5),
        CommonPrefix((2, 3), 5),
    ]


def test_all_share_where_that_saves_more_than_groups_would() -> None:
    """Five tokens for all four save 15; six for each pair save 12."""
    begin = [7, 7, 7, 7, 7]
    texts = [[*begin, 1, 0], [*begin, 1, 3], [*begin, 2, 0], [*begin, 2, 3]]
    assert common_prefixes(texts) == [CommonPrefix((0, 1, 2, 3), 5)]


def test_a_text_keeps_its_last_token_to_predict_from() -> None:
    assert common_prefixes([[1, 2, 3], [1, 2, 3]]) == [CommonPrefix((0, 1), 2)]
    assert common_prefixes([[1, 2], [1, 2, 3]]) == [CommonPrefix((0, 1), 1)]
    assert common_prefixes([[1], [1, 2]]) == [CommonPrefix((0,), 0), CommonPrefix((1,), 0)]


def test_a_text_keeps_as_many_tokens_as_are_asked_for() -> None:
    assert common_prefixes([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]], own=3) == [CommonPrefix((0, 1), 2)]
    assert [part.length for part in common_prefixes([[1, 2], [1, 2]], own=3)] == [0, 0]


def test_of_nothing_there_is_nothing_to_share() -> None:
    assert common_prefixes([]) == []
    assert common_prefixes([[4]]) == [CommonPrefix((0,), 0)]


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=9))
def test_every_text_stands_in_one_part_and_begins_as_it_says(texts: list[list[int]]) -> None:
    parts = common_prefixes(texts)
    assert sorted(place for part in parts for place in part.members) == list(range(len(texts)))
    for part in parts:
        assert len({tuple(texts[place][: part.length]) for place in part.members}) == 1
        assert all(len(texts[place]) > part.length for place in part.members)
        assert part.length == 0 or len(part.members) > 1
    saved = sum((len(part.members) - 1) * part.length for part in parts)
    together = min(map(len, texts)) - 1
    while len({tuple(text[:together]) for text in texts}) > 1:
        together -= 1
    assert saved >= (len(texts) - 1) * together


def test_a_long_chain_of_prefixes_is_no_deep_recursion() -> None:
    """Each text is the one before and a token more."""
    texts = [[0] * (length + 1) for length in range(1500)]
    assert sum(len(part.members) for part in common_prefixes(texts)) == 1500
