"""The lists are what the reader takes them for."""

from medix.judge.clinical import lexicon
from medix.judge.clinical.spelling import base_form


def test_no_word_is_its_own_opposite_and_opposition_is_mutual() -> None:
    for word, against in lexicon.OPPOSITES.items():
        assert word not in against
        assert all(word in lexicon.OPPOSITES[other] for other in against)


def test_listed_words_are_in_the_form_in_which_they_are_looked_up() -> None:
    """Texts are brought into their base form first: a listed plural would never be found."""
    for word in (*lexicon.NEGATORS, *lexicon.GENERIC, *lexicon.GRADED):
        assert base_form(word) == word or word == "rads"  # RADS in capitals stays as it is
    assert all(base_form(word) == word or base_form(word) in lexicon.SIDES for word in lexicon.SIDES if len(word) > 4)
    assert not lexicon.NEGATORS & lexicon.LIGHT


def test_counted_words_count() -> None:
    assert (lexicon.NUMBERS["twelve"], lexicon.NUMBERS["ninety"]) == (12, 90)
    assert (lexicon.ORDINALS["twentieth"], lexicon.ROMAN["xiv"]) == (20, 14)
