"""Scoring with every component: in which order, and what a component may return."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest
import torch

from medix.judge import Judge
from medix.rewards import EmbeddingReward, JudgeReward, RewardBatch
from medix.rewards.component_scores import component_scores
from medix.types import JudgeQuestion, Verdict
from tests.rewards.test_suite import Fixed
from tests.support.components import BATCH, rows_of


def test_the_judge_is_asked_before_the_encoder_computes_and_waited_for_after() -> None:
    """The judge answers once the encoder has finished, so that waiting for the judge first would take two minutes."""
    events: list[str] = []
    future: Future[Verdict] = Future()

    class SlowEncoder:
        def encode(self, texts: list[str], /) -> Any:
            events.append("encoding")
            time.sleep(0.02)
            events.append("encoded")
            future.set_result(Verdict(1.0, "slow"))
            return [[1.0, 0.0]] * len(texts)

    class SlowJudge(Judge):
        @property
        def identity(self) -> str:
            return "slow"

        def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
            return [self.submit(question).result(120) for question in questions]

        def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
            events.append("asked")
            alarm = threading.Timer(120, future.cancel)
            alarm.daemon = True
            alarm.start()
            return future

    parts = {"judge": JudgeReward(SlowJudge()), "embedding": EmbeddingReward(SlowEncoder())}
    scores, seconds = component_scores(parts, rows_of(BATCH, [0]))
    assert events == ["asked", "encoding", "encoded"]
    assert scores["judge"].value.tolist() == [1.0]
    assert seconds["embedding"] > 0.019
    assert list(scores) == list(seconds) == ["judge", "embedding"]


@pytest.mark.parametrize(("given", "shown"), [(None, "NoneType"), ([1.0], "list"), (torch.ones(1), "Tensor")])
def test_a_component_that_returns_something_else_is_told_what_to_return(given: Any, shown: str) -> None:
    class Odd(Fixed):
        def score(self, batch: RewardBatch) -> Any:
            return given

    with pytest.raises(ValueError, match=rf"'odd' \(Odd\) returned {shown}; .* ComponentScores\.of"):
        component_scores({"odd": Odd([])}, BATCH)
