"""The lists are what the reader takes them for."""

from medix.judge.clinical.tokens import singular
from medix.judge.clinical.words import ANTONYMS, LATERALITY, NEGATORS, SIDES_OF_WORD, UNITS


def test_no_word_is_its_own_opposite() -> None:
    for one, other in ANTONYMS:
        assert one
        assert other
        assert not one & other


def test_listed_words_are_in_the_form_in_which_they_are_looked_up() -> None:
    """Texts are made singular first: a listed plural would never be found."""
    for word in (*SIDES_OF_WORD, *LATERALITY):
        assert singular(word) == word == word.casefold()
    missed = {word for word in NEGATORS if singular(word) != word}
    assert {singular(word) for word in missed} <= NEGATORS


def test_every_unit_has_a_positive_factor() -> None:
    assert all(factor > 0 for _, factor in UNITS.values())
