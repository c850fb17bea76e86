"""What DeepSpeed has to be told: micro-batches, gradients to forget, and when weights are gathered."""

import math

import pytest
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import nn

from medix.policy import zero
from medix.policy.zero import ZeRO
from tests.support.divided import Check, complaints, divided, module

ROWS = (torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([[0.3, 0.2, -0.1]]), torch.tensor([[-1.0, 1.0, 2.0]]))


def norm_of(rows: tuple[torch.Tensor, ...]) -> float:
    root = module()
    sum(root(row).sum() for row in rows).backward()  # type: ignore[union-attr]
    return float(nn.utils.get_total_norm([one.grad for one in root.parameters() if one.grad is not None]))


def _several(stage: int, offloaded: int) -> None:
    root = module()
    engine = divided(stage, root, offloaded=bool(offloaded))
    sharding = ZeRO(engine, [root[0]])
    optimizer = LightningOptimizer(engine.optimizer)
    engine.optimizer.check_grad_overflow = True  # as in bfloat16
    for factor in (1.0, math.nan, 1.0):  # updates that are given up, as by a dry run and for their loss; one is made
        sharding.forget_gradient(optimizer)
        for index, row in enumerate(ROWS):
            loss = root(row).sum() * factor
            with sharding.micro_batch(is_last=index == len(ROWS) - 1):
                engine.backward(loss)
    before = torch.cat([one.flatten() for one in module().parameters()]).detach()
    engine_step = type("Optimizer", (), {"step": staticmethod(engine.step)})
    assert sharding.step(engine_step, [], None) == pytest.approx(norm_of(ROWS), abs=1e-6)
    with sharding.gathered(root):
        assert not torch.equal(torch.cat([one.flatten() for one in root.parameters()]).detach(), before)


def _narrow(stage: int) -> None:
    """Half of the passes take back what the other half adds, but for rounding."""
    rows = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).bfloat16()
    root, exact = module().bfloat16(), torch.zeros(())
    engine = divided(stage, root)
    sharding = ZeRO(engine, [root[0]])
    for index, row in enumerate(rows):
        with sharding.micro_batch(is_last=index == len(rows) - 1):
            engine.backward(root(row[None]).sum() * (-1) ** index)
        one = module().bfloat16()
        (one(row[None]).sum() * (-1) ** index).backward()
        exact = exact + torch.cat([weight.grad.double().flatten() for weight in one.parameters()])  # type: ignore[union-attr]
    engine_step = type("Optimizer", (), {"step": staticmethod(engine.step)})
    assert sharding.step(engine_step, [], None) == pytest.approx(float(exact.norm()), rel=1e-5)


def _untold() -> None:
    root = module()
    engine = divided(3, root)
    for row in ROWS:
        engine.backward(root(row).sum())
    engine.step()
    assert float(engine.get_global_grad_norm()) == pytest.approx(norm_of(ROWS[-1:]), abs=1e-6)
    assert norm_of(ROWS[-1:]) != pytest.approx(norm_of(ROWS), rel=0.1)


def _infinite() -> None:
    root = module()
    engine = divided(3, root)
    sharding = ZeRO(engine, [root[0]])
    with sharding.micro_batch(is_last=True):
        engine.backward(root(ROWS[0]).sum() * math.inf)
    engine_step = type("Optimizer", (), {"step": staticmethod(engine.step)})
    assert sharding.step(engine_step, [], None) == math.inf
    with sharding.gathered(root):
        for found, expected in zip(root.parameters(), module().parameters(), strict=True):
            assert torch.equal(found, expected)
    assert root[1].weight.numel() == 4  # outside the layers; of the layer itself nothing is here
    assert dict(root[0].named_parameters())["weight"].numel() == 0


def _disordered() -> None:
    root = module()
    engine = divided(2, root)
    sharding = ZeRO(engine, [root[0]])
    with sharding.micro_batch(is_last=True):
        engine.backward(root(ROWS[0]).sum())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zero, "gather", lambda own: [own, b"of another rank"])
        with pytest.raises(RuntimeError, match=r"in different orders.*stage: 1, or ddp"):
            sharding.step(None, [], None)


CHECKS: list[Check] = [
    *((_several, (stage, offloaded)) for stage in (1, 2, 3) for offloaded in (0, 1)),
    *((_narrow, (stage,)) for stage in (2, 3)),
    (_untold, ()),
    (_infinite, ()),
    (_disordered, ()),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[Check, str]:
    return complaints(CHECKS, tmp_path_factory.mktemp("zero"))


@pytest.mark.parametrize("offloaded", [0, 1])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_the_gradient_is_that_of_all_micro_batches_and_of_no_update_before(
    said: dict[Check, str], stage: int, offloaded: int
) -> None:
    """The trainer's optimizer, which forgets nothing of DeepSpeed's, is given."""
    assert said[_several, (stage, offloaded)] == ""


@pytest.mark.parametrize("stage", [2, 3])
def test_gradients_of_bfloat16_weights_are_added_in_float32(said: dict[Check, str], stage: int) -> None:
    """In bfloat16 the sum of 64 passes would be wrong in the third digit."""
    assert said[_narrow, (stage,)] == ""


def test_stage_3_keeps_the_gradient_of_the_last_micro_batch_alone_unless_it_is_told(said: dict[Check, str]) -> None:
    """Why ``micro_batch`` is needed: DeepSpeed counts in ``engine.forward``, which a training step does not call."""
    assert said[_untold, ()] == ""


def test_a_gradient_that_is_not_finite_makes_no_step_and_leaves_weights_where_they_were(said: dict[Check, str]) -> None:
    assert said[_infinite, ()] == ""


def test_gradients_in_another_order_than_on_another_rank_are_refused(said: dict[Check, str]) -> None:
    """ZeRO would add gradients of different parameters, and nothing would show it."""
    assert said[_disordered, ()] == ""
