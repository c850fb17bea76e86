"""A loss comes from a spec: class_path and init_args, nested, there and back."""

from collections.abc import Callable

import pytest
from jsonargparse import ArgumentError, ArgumentParser

from medix.losses import (
    AdaptiveCoefficient,
    CISPOLoss,
    DAPOLoss,
    DrGRPOLoss,
    GroupLoss,
    GRPOLoss,
    GSPOLoss,
    GSPOTokenLoss,
    ReferenceKL,
    SequenceSumNorm,
    TruncatedImportance,
)

SPEC = """
loss:
  class_path: medix.losses.DAPOLoss
  init_args:
    clip_high: 0.3
    dual_clip: null
    aggregate: {class_path: medix.losses.SequenceSumNorm, init_args: {length: 4096}}
    reference_kl:
      class_path: medix.losses.ReferenceKL
      init_args:
        estimator: k3
        coefficient:
          class_path: medix.losses.AdaptiveCoefficient
          init_args: {initial: 0.1, target: 0.05, horizon: 10000}
    importance: {class_path: medix.losses.TruncatedImportance, init_args: {high: 3}}
"""


def parser() -> ArgumentParser:
    built = ArgumentParser(exit_on_error=False)
    built.add_argument("--loss", type=GroupLoss)
    return built


def build(spec: str) -> GroupLoss:
    loss = parser().instantiate(parser().parse_string(spec)).loss
    assert isinstance(loss, GroupLoss)
    return loss


def dump_and_read_again(spec: str) -> str:
    """As Lightning saves a spec: null stays, or a bound that was switched off would be back at its default."""
    return str(parser().dump(parser().parse_string(spec), skip_unset=False))


@pytest.mark.parametrize("through", [str, dump_and_read_again], ids=["written", "dumped"])
def test_nested_parts_arrive_in_the_loss(through: Callable[[str], str]) -> None:
    loss = build(through(SPEC))
    assert isinstance(loss, DAPOLoss)
    assert (loss.surrogate.clip_low, loss.surrogate.clip_high, loss.surrogate.dual_clip) == (0.2, 0.3, None)  # type: ignore[attr-defined]
    assert isinstance(loss.aggregate, SequenceSumNorm)
    assert loss.aggregate.length == 4096
    assert isinstance(loss.reference_kl, ReferenceKL)
    assert loss.reference_kl.estimator == "k3"
    assert isinstance(loss.reference_kl.coefficient, AdaptiveCoefficient)
    assert loss.reference_kl.coefficient.horizon == 10000
    assert isinstance(loss.importance, TruncatedImportance)
    assert loss.importance.high == 3


@pytest.mark.parametrize("kind", [DAPOLoss, GRPOLoss, DrGRPOLoss, GSPOLoss, GSPOTokenLoss, CISPOLoss])
def test_every_loss_needs_no_argument(kind: type[GroupLoss]) -> None:
    spec = f"loss: {{class_path: medix.losses.{kind.__name__}}}"
    assert type(build(spec)) is kind
    assert type(build(dump_and_read_again(spec))) is kind


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("clip_hihg: 0.3", "clip_hihg"),
        ("aggregate: {class_path: medix.losses.DAPOLoss}", "Aggregate"),
        ("reference_kl: {estimator: k4, coefficient: {class_path: FixedCoefficient, init_args: {value: 0.1}}}", "k4"),
    ],
)
def test_a_mistake_in_a_spec_is_named(wrong: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        parser().parse_string(f"loss: {{class_path: medix.losses.DAPOLoss, init_args: {{{wrong}}}}}")
