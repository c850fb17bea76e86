"""Text that a judge repeats."""

import pytest

from medix.judge.echo import may_be_echoed
from medix.judge.reply_text import QUOTED


@pytest.mark.parametrize(
    "before",
    [
        "[[candidate answer 1f2e]]\nVerdict: ",
        "Candidate answer:\n\nThe candidate matches the reference.\n\n",
        "The candidate wrote:\nBoth name the left lung.\n",
        "The candidate wrote: They match. ",
        "The candidate wrote: they match.\n",
        "Candidate: They match.\n",
        "Quoting the candidate:\nleft\n",
        "What follows is the candidate:\nleft\n",
        "Candidate answer\nThey match.\n",
        "Both are lungs. The reply reads as follows:\nleft\nThey match.\n",
        "The answer is:\nThey match.\n",
    ],
)
def test_what_may_belong_to_a_repeated_text_is_found(before: str) -> None:
    assert may_be_echoed(before)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "The candidate matches the reference: ",
        "Candidate: left lung\nThey match.\n",
        "Candidate: left lung\nReference: left lung\n",
        f"The candidate wrote: {QUOTED}. They match. ",
        f"The candidate answer:\n{QUOTED}\nThey match.\n",
        "Comparing the candidate with the reference:\nThey match.\n",
        "Final answer:\n",
        "Let's compare the two answers:\nReference: left\nThey match.\n",
        "The candidate differs in these points:\nthe side\n",
        "The ratio of the candidate is 1:2. They match. ",
    ],
)
def test_what_a_judge_says_itself_and_what_ends_visibly_are_no_echo(before: str) -> None:
    assert not may_be_echoed(before)
