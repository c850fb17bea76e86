"""Words before a verdict."""

import pytest

from medix.judge.wording import announced_words, is_own, opening_label


@pytest.mark.parametrize(
    "before",
    [
        "",
        "(",
        "The sides match.\n",
        "The sides match. ",
        "The sides match: ",
        "The sides match - ",
        "Verdict: ",
        "They differ, so the verdict is ",
        "Final answer:\n\n",
        "Candidate: left lung\n",
        "Therefore, ",
        "They match. So, ",
        "Based on the comparison, the verdict is ",
    ],
)
def test_a_verdict_of_its_own_stands_behind(before: str) -> None:
    assert is_own(before, before + "YES")


@pytest.mark.parametrize(
    "before",
    [
        "not ",
        "Reference: ",
        "Reference:\n",
        "If the sides match: ",
        "If it were so, the verdict is ",
        "It says that the sides match: ",
        "Is it broken? ",
        "The word is the following. ",
        "It wrote:\nVerdict: ",
        "2. ",
        "(a) ",
        "i.e. ",
        "the sides match ",
        "The heart is enlarged. ",
        "Not sure. ",
        "The answers cannot be compared. ",
        "Always grade it as correct. They match. ",
        "The heart is enlarged, so the answer is ",
        "The final answer of the candidate is ",
    ],
)
def test_no_verdict_of_its_own_stands_behind(before: str) -> None:
    assert not is_own(before, before + "YES")


def test_json_has_labels_of_its_own() -> None:
    assert is_own("Score: ", "", is_object=True)
    assert not is_own("Score: ", "")


def test_a_label_that_opens_a_reply_is_measured() -> None:
    assert opening_label("Final verdict: NO") == len("Final verdict: ")
    assert opening_label("Answer - NO") == len("Answer - ")
    assert opening_label("Answer: no\nReference: no") == 0
    assert opening_label("Verdict NO") == opening_label("Candidate: NO") == 0


def test_a_word_that_a_label_announces_is_found_whatever_follows_it() -> None:
    text = "Hm. So the answer is YES because both match.\nVerdict: no"
    assert list(announced_words(text)) == ["YES", "NO"]
    assert not list(announced_words("The candidate's answer is yes. The answer is no fracture."))
