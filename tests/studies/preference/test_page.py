"""The page that raters see."""

import re

from medix.studies.preference.page import StudyPage


def test_the_page_loads_nothing_and_its_policy_allows_its_own_script_alone() -> None:
    page = StudyPage(with_reasoning=True)
    assert re.findall(r"""(?:src|href)=["']([^"']*)""", page.html) == ["data:,"]
    assert not re.search(r"https?://|@import|url\(", page.html)
    assert re.findall(r"script-src ([^;]*)", page.policy)[0].startswith("'sha256-")
    assert "default-src 'none'" in page.policy
    assert page.html.count("<script") == 1


def test_reasoning_is_rated_only_where_it_is_shown() -> None:
    with_it, without = StudyPage(True).html, StudyPage(False).html
    assert with_it.count('data-field="left_reasoning"') == 3
    assert '_reasoning" data-value' not in without
    assert "Reasoning of answer 1" in with_it
    assert "Reasoning of answer 1" not in without
    assert without.count('data-field="choice"') == 4
