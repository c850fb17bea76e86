"""The page that raters see."""

from medix.studies.preference.page import StudyPage


def test_reasoning_is_rated_only_where_it_is_shown() -> None:
    with_it, without = StudyPage(True).html, StudyPage(False).html
    assert with_it.count('data-field="left_reasoning"') == 3
    assert '_reasoning" data-value' not in without
    assert "Reasoning of answer 1" in with_it
    assert "Reasoning of answer 1" not in without
    assert without.count('data-field="choice"') == 4
