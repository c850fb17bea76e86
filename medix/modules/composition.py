"""Loss and advantage as parts of one model: what they must know of it, and whether they belong together."""

import warnings

from medix.advantages.base import Advantage
from medix.losses.aggregate import Aggregate
from medix.losses.base import GroupLoss
from medix.losses.reference_kl import ReferenceKL
from medix.losses.reward_kl import RewardKL
from medix.rewards.length import SoftOverlongPenalty
from medix.rewards.suite import RewardSuite


def compose(loss: GroupLoss, advantage: Advantage, max_completion_tokens: int) -> None:
    """Tell the loss the generation budget, and warn if it is named after a paper that has another advantage.

    A named loss states the advantage of its paper (``advantage``, the name of a class). ``ComposedLoss`` and other
    classes without that attribute promise no paper, and go with every advantage.

    Args:
        loss: of the model.
        advantage: of the model.
        max_completion_tokens: the most tokens of a completion in training.
    """
    aggregate = getattr(loss, "aggregate", None)
    if isinstance(aggregate, Aggregate):
        aggregate.use_budget(max_completion_tokens)
    wanted = getattr(loss, "advantage", None)
    if wanted is None or wanted in {kind.__name__ for kind in type(advantage).__mro__}:
        return
    warnings.warn(
        f"model.advantage: {type(advantage).__name__} with model.loss: {type(loss).__name__} is not the algorithm of "
        f"{getattr(loss, 'paper', 'its paper')}, whose loss belongs with {wanted}. Set model.advantage: "
        f"{{class_path: medix.advantages.{wanted}}}; a combination of your own is a medix.losses.ComposedLoss, which "
        "has no advantage of its own",
        stacklevel=3,
    )


def check_penalties(rewards: RewardSuite, max_completion_tokens: int) -> None:
    """Refuse a length penalty that completions of this budget cannot reach in full.

    Args:
        rewards: of the model.
        max_completion_tokens: the most tokens of a completion in training.

    Raises:
        ValueError: names the key and what to set.
    """
    for name, part in rewards.components.items():
        if isinstance(part, SoftOverlongPenalty) and part.max_completion_tokens > max_completion_tokens:
            raise ValueError(
                f"model.rewards.penalties.{name}.max_completion_tokens: {part.max_completion_tokens} exceeds the "
                f"engine's sampling.max_completion_tokens: {max_completion_tokens}, where completions are cut before "
                f"they are penalised in full; set both to the same"
            )


def check_coefficients(loss: GroupLoss, reward_kl: RewardKL | None, sequences: int) -> None:
    """Refuse a KL coefficient that cannot adapt to steps of this size.

    Args:
        loss: of the model.
        reward_kl: of the model.
        sequences: completions of a step, over all ranks.

    Raises:
        ValueError: names the key and what to change.
    """
    for key, part in (("model.loss.reference_kl", getattr(loss, "reference_kl", None)), ("model.reward_kl", reward_kl)):
        if isinstance(part, ReferenceKL | RewardKL):
            try:
                part.coefficient.check(sequences)
            except ValueError as error:
                raise ValueError(f"{key}.coefficient: {error}") from error
