"""Credit for the modality."""

import pytest

from medix.rewards import ModalityReward, PublishedModalityReward
from medix.types import Status
from tests.rewards.test_answer import batch_of
from tests.support.components import BATCH


def test_the_tag_of_the_sample_is_one_another_is_zero_and_text_only_does_not_apply() -> None:
    scores = ModalityReward().score(BATCH)
    assert [scores.status[row] for row in (2, 4)] == [Status.NOT_APPLICABLE] * 2
    assert [scores.value[row].item() for row in (0, 1, 3, 5)] == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("completion", "credit"),
    [
        (" <x_ray> <thinking>", 1),
        ("<X_RAY>so<thinking>", 0),
        ("The scan: <X_RAY><thinking>", 0),
        ("<X_RAY><think>", 0),
        ("<X_RAY>", 0),
        ("<CT_SCAN><thinking>", 0),
    ],
)
def test_published_modality_is_all_that_stands_before_thinking(completion: str, credit: int) -> None:
    assert PublishedModalityReward().score(batch_of(completion)).value.tolist() == [credit]
