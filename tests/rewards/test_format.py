"""Credit for the grammar."""

import pytest

from medix.rewards import FormatReward, PublishedFormatReward
from tests.rewards.test_answer import batch_of
from tests.support.components import BATCH


def test_format_is_one_for_a_well_formed_completion_tagged_or_text_only() -> None:
    assert FormatReward().score(BATCH).value.tolist() == [1, 1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("completion", "credit"),
    [
        ("<X_RAY><thinking>r</thinking><answer>a</answer>", 1),
        ("text before <thinking>r</thinking> \n <answer>a</answer> \n", 1),
        ("<thinking></thinking><answer></answer>", 1),
        ("<thinking>r</thinking><answer>a</answer><answer>b</answer>", 1),
        ("<thinking><answer>in</answer></thinking><answer>a</answer>", 1),
        ("<thinking>r</thinking>so<answer>a</answer>", 0),
        ("<thinking>r</thinking><answer>a</answer> trailing", 0),
        ("<think>r</think><answer>a</answer>", 0),
        ("<thinking>r<answer>a</answer>", 0),
        ("<thinking></thinking><answer>", 0),
        ("<answer>a</answer>", 0),
        ("", 0),
    ],
)
def test_published_format_looks_from_the_first_thinking_on(completion: str, credit: int) -> None:
    assert PublishedFormatReward().score(batch_of(completion)).value.tolist() == [credit]
