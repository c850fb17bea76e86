"""Old log-probabilities: the engine's where they are right, a pass where they are not."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from medix.modules.old_logprobs import OldLogprobs
from medix.types import RolloutGroup
from tests.support.policies import BigramPolicy, group

ALLOWED = 1e-3


class Passes:
    """Counts the groups that pass again; what it returns is the engine's plus a difference."""

    def __init__(self, difference: float = 0.0) -> None:
        self.difference = difference
        self.groups: list[RolloutGroup] = []
        self.calls = 0

    def __call__(self, groups: Sequence[RolloutGroup]) -> list[tuple[Tensor, ...]]:
        self.calls += 1
        self.groups += groups
        return [tuple(torch.tensor(one.logprobs) + self.difference for one in group.completions) for group in groups]


def groups(versions: tuple[int, ...] = (0, 0, 0)) -> list[RolloutGroup]:
    policy = BigramPolicy()
    return [replace(group(policy, (3, 2), seed=n), policy_version=version) for n, version in enumerate(versions)]


def test_one_group_passes_again_and_then_none() -> None:
    old, passes = OldLogprobs("auto", one_update=True), Passes()
    for _ in range(3):
        rows = old.of(groups(), 0, passes, ALLOWED)
    assert len(passes.groups) == 1
    for row, one in zip(rows[2], groups()[2].completions, strict=True):
        torch.testing.assert_close(row, torch.tensor(one.logprobs))


def test_with_dropout_one_group_of_every_step_passes_again() -> None:
    old, passes = OldLogprobs("auto", one_update=True), Passes()
    for _ in range(3):
        old.of(groups(), 0, passes, ALLOWED, has_dropout=True)
    assert len(passes.groups) == 3
    assert old.agrees


def test_an_engine_that_rounds_otherwise_is_not_believed_and_said_once() -> None:
    old, passes = OldLogprobs("auto", one_update=True), Passes(difference=0.01)
    with pytest.warns(UserWarning, match=r"update\.old_logprobs: auto .* by 0\.01 on average.*0\.001.*Truncated"):
        rows = old.of(groups(), 0, passes, ALLOWED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        old.of(groups(), 0, passes, ALLOWED)
    assert len(passes.groups) == 6
    assert float(rows[1][0][0]) == pytest.approx(groups()[1].completions[0].logprobs[0] + 0.01, abs=1e-6)


def test_groups_of_an_older_policy_pass_again() -> None:
    old, passes = OldLogprobs("auto", one_update=True), Passes()
    made = groups((4, 5, 4))
    old.of(made, 5, passes, ALLOWED)
    assert [one.policy_version for one in passes.groups] == [5, 4, 4]


def test_without_a_fresh_group_nothing_is_decided() -> None:
    old, passes = OldLogprobs("auto", one_update=True), Passes()
    old.of(groups((1, 1, 1)), 2, passes, ALLOWED)
    assert old.agrees is None
    assert len(passes.groups) == 3


@pytest.mark.parametrize(
    ("source", "one_update", "expected"), [("rollout", False, 0), ("recompute", True, 3), ("auto", False, 3)]
)
def test_what_the_spec_says_is_done(source: str, one_update: bool, expected: int) -> None:
    passes = Passes(difference=1.0)
    OldLogprobs(source, one_update).of(groups(), 0, passes, ALLOWED)  # type: ignore[arg-type]
    assert len(passes.groups) == expected


def test_a_step_that_moved_apart_makes_the_next_one_look_again() -> None:
    old, passes = OldLogprobs("auto", one_update=True), Passes()
    old.of(groups(), 0, passes, ALLOWED)
    old.watch(ALLOWED / 2, ALLOWED)
    old.watch(float("nan"), ALLOWED)
    assert old.agrees
    old.watch(2 * ALLOWED, ALLOWED)
    old.of(groups(), 0, passes, ALLOWED)
    assert len(passes.groups) == 2


def test_a_difference_that_is_not_a_number_is_no_agreement() -> None:
    old = OldLogprobs("auto", one_update=True)
    with pytest.warns(UserWarning, match="by nan on average"):
        old.of(groups(), 0, Passes(difference=float("nan")), ALLOWED)
    assert old.agrees is False


def test_a_resumed_run_takes_the_same_rows() -> None:
    old, resumed, passes = OldLogprobs("auto", one_update=True), OldLogprobs("auto", one_update=True), Passes()
    old.of(groups(), 0, passes, ALLOWED)
    resumed.load_state_dict(old.state_dict())
    resumed.of(groups(), 0, passes, ALLOWED)
    assert len(passes.groups) == 1


def test_a_rank_without_fresh_groups_asks_as_often_as_one_with_them() -> None:
    """Ranks that gather weights in a pass would wait for each other otherwise."""
    fresh, stale = Passes(), Passes()
    OldLogprobs("auto", one_update=True).of(groups((5, 5, 5)), 5, fresh, ALLOWED)
    OldLogprobs("auto", one_update=True).of(groups((4, 4, 4)), 5, stale, ALLOWED)
    assert fresh.calls == stale.calls == 2
