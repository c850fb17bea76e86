"""A run that learns nothing ends, and does not go on to a good end."""

import math

import pytest

from medix.modules.no_update import LIMIT, NoUpdateError, NoUpdates

MADE = {"loss": 0.5, "grad_norm": 1.0, "skipped_updates": 0.0}
BROKEN = {"loss": 0.5, "grad_norm": math.inf, "skipped_updates": 1.0}
EMPTY = {"skipped_updates": 1.0}


@pytest.mark.parametrize(
    ("skipped", "told"),
    [
        (BROKEN, r"step 30: .*last 10 steps was skipped.*not finite \(grad_norm inf\).*lower the learning rate"),
        (EMPTY, r"none of their completions could be trained on.*raise max_completion_tokens"),
    ],
)
def test_as_many_steps_without_an_update_as_the_limit_end_a_run(skipped: dict[str, float], told: str) -> None:
    counted = NoUpdates()
    for _ in range(LIMIT - 1):
        counted.check([skipped, skipped], 1)
    counted.check([skipped, MADE], 1)
    for _ in range(LIMIT - 1):
        counted.check([skipped], 1)
    with pytest.raises(NoUpdateError, match=told):
        counted.check([skipped], 30)
