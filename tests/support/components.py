"""What every reward component must do, asked of each in one place (after the metric harness of torchmetrics)."""

import copy
import math
import pickle
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as lightning
import torch
import yaml
from jsonargparse import ArgumentParser

from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent
from medix.types import Status

GOOD = "<X_RAY><think>it is</think><answer>smaller</answer>"
BATCH = RewardBatch(
    completions=[
        GOOD,
        "<CT_SCAN><think>it is</think><answer>larger</answer>",
        "<think>r</think><answer>heart attack</answer>",
        "nothing of the kind",
        "",
        "<MRI_SCAN><thinking>r</thinking><answer>no fracture</answer>",
    ],
    references=["smaller", "smaller", "myocardial infarction", "x", "y", "fracture"],
    questions=["How large?", "How large?", "What is it?", "q", "q", "Is it broken?"],
    modalities=["X_RAY", "X_RAY", None, "OTHER", None, "MRI_SCAN"],
    aliases=[(), (), ("heart attack",), (), (), ()],
    sources=["a", "a", "b", "b", "", ""],
    token_counts=[10, 90, 95, 100, 120, None],
    truncated=[False, False, False, True, True, False],
)


def rows_of(batch: RewardBatch, rows: list[int]) -> RewardBatch:
    names = ("completions", "references", "questions", "modalities", "aliases", "sources", "token_counts", "truncated")
    return replace(batch, **{name: [getattr(batch, name)[row] for row in rows] for name in names})


def same(one: ComponentScores, other: ComponentScores) -> bool:
    return one.status == other.status and torch.equal(one.value.nan_to_num(-9), other.value.nan_to_num(-9))


def check_component(component: RewardComponent, spec: str, directory: Path) -> None:
    """Every promise of the contract."""
    check_values(component)
    check_copies(component)
    check_running_means(component)
    check_nothing_leaks(component)
    check_spec(component, spec, directory)


def check_values(component: RewardComponent) -> None:
    """Bounds, NaN only when unscored or not applicable, determinism, rows independent of each other, empty batch."""
    scores = component.score(BATCH)
    assert scores.value.dtype == torch.float64
    assert len(scores.value) == len(scores.status) == len(scores.reason) == len(BATCH)
    for value, status, reason in zip(scores.value.tolist(), scores.status, scores.reason, strict=True):
        assert math.isnan(value) == (status is not Status.SCORED)
        assert bool(reason) == (status is Status.UNSCORED)
        assert math.isnan(value) or component.plot_lower_bound <= value <= component.plot_upper_bound
    assert same(scores, component.score(BATCH))
    order = [3, 1, 5, 0, 4, 2]
    shuffled = component.score(rows_of(BATCH, order))
    assert [scores.status[row] for row in order] == list(shuffled.status)
    assert torch.equal(scores.value[order].nan_to_num(-9), shuffled.value.nan_to_num(-9))
    for row in range(len(BATCH)):
        assert same(
            component.score(rows_of(BATCH, [row])),
            ComponentScores(scores.value[row : row + 1], (scores.status[row],), ("",)),
        )
    empty = component.score(rows_of(BATCH, []))
    assert len(empty.value) == len(empty.status) == 0


def check_copies(component: RewardComponent) -> None:
    """Pickles, deep copies and fresh ones score alike; a fresh one has forgotten its rows and leaves the old alone."""
    scores = component.score(BATCH)
    component.reset()
    component.update(BATCH)
    for other in (pickle.loads(pickle.dumps(component)), copy.deepcopy(component)):
        assert same(other.score(BATCH), scores)
        assert torch.equal(other.counts, component.counts)
    fresh = component.fresh()
    assert same(fresh.score(BATCH), scores)
    assert fresh.counts.sum() == 0
    before = component.counts.clone()
    fresh.update(BATCH)
    assert torch.equal(component.counts, before)
    assert torch.equal(fresh.counts, before)
    component.reset()


def check_running_means(component: RewardComponent) -> None:
    """The running mean is the mean of the scores, in one batch or several; always the same keys."""
    component.reset()
    keys = component.compute().keys()
    scores = component.score(BATCH)
    scored = [value for value in scores.value.tolist() if not math.isnan(value)]
    unscored = scores.status.count(Status.UNSCORED)
    for rows in ([0, 1, 2], [3], [], [4, 5]):
        component.update(rows_of(BATCH, rows))
    means = component.compute()
    assert means.keys() == keys
    if scored:
        assert math.isclose(means[""].item(), math.fsum(scored) / len(scored), abs_tol=1e-12)
    if scored or unscored:
        assert math.isclose(means["unscored"].item(), unscored / (len(scored) + unscored))
    in_x_ray = [value for value, name in zip(scores.value.tolist(), BATCH.modalities, strict=True) if name == "X_RAY"]
    expected = [value for value in in_x_ray if not math.isnan(value)]
    if expected:
        assert math.isclose(means["X_RAY"].item(), math.fsum(expected) / len(expected), abs_tol=1e-12)
    assert math.isnan(means["SPECT"].item())
    component.reset()
    assert math.isnan(component.compute()[""].item())


def check_nothing_leaks(component: RewardComponent) -> None:
    """A module that holds the component has no parameter, buffer, submodule with weights or state from it."""
    host = lightning.LightningModule()
    host.reward = component
    component.score(BATCH)
    assert not list(host.parameters())
    assert not list(host.buffers())
    assert not host.state_dict()
    assert [module for module in host.modules() if not isinstance(module, RewardComponent)] == [host]


def check_spec(component: RewardComponent, spec: str, directory: Path) -> None:
    """A spec makes it, what is printed makes it again, and both score like this one."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(RewardComponent, "reward")
    first = parser.parse_object({"reward": yaml.safe_load(spec)})
    path = directory / "printed.yaml"
    path.write_text(parser.dump(first))
    again = parser.parse_object(yaml.safe_load(path.read_text()))
    for parsed in (first, again):
        made = parser.instantiate(parsed).reward
        assert type(made) is type(component)
        component_names = {name for name in vars(component) if name in {"threshold", "guard", "buffer_tokens"}}
        assert all(getattr(made, name) == getattr(component, name) for name in component_names)
