"""How much answers need their images, by hand on a policy that reads its prompt's last token."""

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medix.advantages.dr_grpo import DrGRPOAdvantage
from medix.data.prompt_errors import PromptTooLongError
from medix.losses.dapo import DAPOLoss
from medix.modules.image_dependence import ImageDependence, exchanged, image_shares
from medix.modules.preparation import Preparation, Prepared
from medix.modules.update import Update
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.types import Completion, CompletionScores, FinishReason, Prompt, RolloutGroup, Sample, ScoredGroup
from tests.support.policies import BigramPolicy
from tests.support.tiny import picture

WORDS = ("<answer>", "left", "</ans", "wer>", "right", "<eos>", "why")
OPEN, LEFT, CLOSE, END, RIGHT, EOS, WHY = range(7)


def decode(ids: Sequence[int]) -> str:
    return "".join(WORDS[token] for token in ids)


class Reads(BigramPolicy):
    """Its prompt ends with a token that stands for its picture."""

    @property
    def processor(self) -> Any:
        return SimpleNamespace(tokenizer=SimpleNamespace(decode=decode))


def sample(name: str, *pictures: int, case: str = "") -> Sample:
    return Sample(name, "?", "left", "CT_SCAN", tuple(picture(seed) for seed in pictures), case=case)


def render(given: Sample, index: int) -> Prompt:
    last = next((seed for seed in (1, 2, 3) if given.images and given.images[0] == picture(seed)), 0)
    return Prompt(given, (5, last), index=index)


def group(given: Sample, *completions: Sequence[int]) -> RolloutGroup:
    made = tuple(Completion(decode(ids), tuple(ids), (0.0,) * len(ids), FinishReason.STOP) for ids in completions)
    return RolloutGroup(render(given, 0), made, 0)


ANSWER = (OPEN, LEFT, CLOSE, END, EOS)


def test_images_come_from_the_next_group_of_another_case_with_as_many() -> None:
    rows = [sample("a", 1, case="x"), sample("b", 2, case="x"), sample("c", 3), sample("d"), sample("e", 1, 2)]
    found = exchanged([group(row, ANSWER) for row in rows], render)
    taken = [None if one is None else one.prompt.sample.images for one in found]
    assert taken == [rows[2].images, rows[2].images, rows[0].images, None, None]
    same = exchanged([group(sample(name, seed), ANSWER) for name, seed in (("f", 1), ("g", 1), ("h", 2))], render)
    assert [one and one.prompt.sample.images[0] for one in same] == [picture(2), picture(2), picture(1)]
    assert found[0] is not None
    assert (found[0].prompt.sample.id, found[0].prompt.sample.question) == ("a", "?")

    def refuses(given: Sample, index: int) -> Prompt:
        raise PromptTooLongError("too long")

    assert exchanged([group(row, ANSWER) for row in rows[:3]], refuses) == [None] * 3


def test_the_share_is_of_the_tokens_of_the_answer_alone() -> None:
    """Answer and closing tag: p'/p is e^-1, e^+1 (as likely without the picture) and unknown."""
    completions = [(WHY, *ANSWER), (OPEN, RIGHT, CLOSE, END), (WHY, EOS), (*ANSWER, *ANSWER), (OPEN, LEFT)]
    given = group(sample("a", 1), *completions)
    own = tuple(torch.zeros(len(ids)) for ids in completions)
    others = tuple(torch.full((len(ids),), -9.0) for ids in completions)
    others[0][2:5] = torch.tensor([-0.5, -0.25, -0.25])
    others[1][1:] = torch.tensor([0.5, 0.5, 0.0])
    shares = image_shares([given, given], [own, own], [others, None], decode)
    assert shares[0, :2].tolist() == pytest.approx([1 - math.exp(-1), 0.0])
    assert shares[0, 2:].isnan().all()
    assert shares[1].isnan().all()


@pytest.mark.parametrize(
    ("weight", "expected"), [(0.0, [1.0, -1.0, 0.5, math.nan]), (0.5, [0.625, -1.0, 0.5, math.nan])]
)
def test_advantages_are_weighted_where_the_share_is_known(weight: float, expected: list[float]) -> None:
    advantages = torch.tensor([[1.0, -1.0, 0.5, math.nan]], dtype=torch.float64)
    shares = torch.tensor([[0.25, 1.0, math.nan, 0.5]], dtype=torch.float64)
    assert ImageDependence(weight).weigh(advantages, shares)[0].tolist() == pytest.approx(expected, nan_ok=True)


def test_a_weight_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.image_dependence\.weight: 1\.5 is not a share"):
        ImageDependence(1.5)


def prepared(dependence: ImageDependence | None) -> Prepared:
    policy = Reads()
    rows = [(sample("a", 1), (1.0, 0.0)), (sample("b", 2), (0.0, 1.0)), (sample("c"), (1.0, 0.0))]
    groups = [
        ScoredGroup(group(row, (LEFT, CLOSE, *ANSWER)[2:], (OPEN, RIGHT, CLOSE, END)),
                    tuple(CompletionScores(total, {}) for total in totals))
        for row, totals in rows
    ]  # fmt: skip
    engine = LocalEngine(Sampling(completions_per_prompt=2))
    make = Preparation(policy, engine, DAPOLoss(), Update(1), DrGRPOAdvantage(), None, dependence, render)
    return make([replace(one) for one in groups], torch.device("cpu"))


def test_a_step_measures_the_share_and_weights_its_advantages() -> None:
    """The first token alone depends on the picture here, and it opens the answer: nothing after it does."""
    assert prepared(None).images == {}
    measured, weighted = prepared(ImageDependence()), prepared(ImageDependence(1.0))
    assert measured.images == weighted.images == {"image_share": 0.0}
    assert [one.advantages for one in measured.groups] == [one.advantages for one in prepared(None).groups]
    assert [one.advantages for one in weighted.groups] == [(0.0, 0.0), (0.0, 0.0), (0.5, -0.5)]
