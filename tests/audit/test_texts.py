"""Texts as they are compared."""

from hypothesis import given
from hypothesis import strategies as st

from medix.audit.texts import ngrams, normalised, words_of


def test_case_punctuation_markers_and_compatibility_forms_do_not_count() -> None:
    assert normalised("Before: <image 1> What is\u2028this?") == "before what is this"
    assert normalised("T2-weighted, 5 mm") == "t2 weighted 5 mm"
    assert words_of("Ⅲ \uff23\uff34") == ["iii", "ct"]
    assert normalised("左肺") == "左肺"


def test_a_text_without_letters_stays() -> None:
    assert normalised(" ? !") == "? !"


def test_runs_of_words_are_counted_by_hand() -> None:
    """15 words have three runs of 13; 12 words have none."""
    words = [str(number) for number in range(15)]
    assert list(ngrams(words)) == [" ".join(words[start : start + 13]) for start in range(3)]
    assert list(ngrams(words[:12])) == []


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)
