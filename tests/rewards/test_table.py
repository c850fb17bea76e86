"""Scores by column and by row."""

import math

import pytest
import torch

from medix.rewards import ComponentScores, RewardTable, Unscored
from medix.types import ComponentScore, Status, Verdict

VERDICT = Verdict(1.0, "scripted", reply="YES")
TABLE = RewardTable(
    torch.tensor([1.0, math.nan], dtype=torch.float64),
    (Status.SCORED, Status.UNSCORED),
    ("", "b: down"),
    {
        "a": ComponentScores.of([1.0, None]),
        "b": ComponentScores.of([1.0, Unscored("down")], [VERDICT, None]),
    },
)


def test_columns_are_found_by_name() -> None:
    assert TABLE.names == ("a", "b")
    assert len(TABLE) == 2
    assert TABLE["b"].verdicts == (VERDICT, None)
    with pytest.raises(KeyError, match="no component 'c'; there are a, b"):
        TABLE["c"]


def test_rows_carry_every_component_with_reason_and_verdict() -> None:
    first, second = TABLE
    assert first.total == 1.0
    assert first.components["b"] == ComponentScore(1.0, Status.SCORED, "", VERDICT)
    assert math.isnan(second.total)
    assert second.components["a"].status is Status.NOT_APPLICABLE
    assert second.components["b"].reason == "down"
