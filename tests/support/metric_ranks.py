"""Running means on two gloo processes against the same rows on one: the caller is rank 0, ``python -m`` of this rank 1.

Every case is a function of ``mine``, which says whether this process holds the rows of a rank, and gives what was
computed. With ``mine`` true for both ranks it is the one-process value.
"""

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.format import FormatReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted

Mine = Callable[[int], bool]
Means = dict[str, float]
_HANG = timedelta(seconds=300)
_TAGGED = "<X_RAY><think>r</think><answer>a</answer>"


class ByReference(RewardComponent):
    """Half for a reference ``half``; unscored for ``down``; else 1."""

    def score(self, batch: RewardBatch) -> ComponentScores:
        values = {"half": 0.5, "down": Unscored("down")}
        return ComponentScores.of([values.get(text, 1.0) for text in batch.references])


def suite() -> RewardSuite:
    """Two components whose means differ from each other and from the total."""
    return RewardSuite({"format": Weighted(FormatReward(), 0.25), "other": Weighted(ByReference(), 0.75)})


def add(metric: RewardSuite, *references: str, modality: str | None = "X_RAY") -> None:
    """Rows with a tag, one per reference."""
    rows = len(references)
    metric.update(
        completions=[_TAGGED] * rows, references=references, questions=["q"] * rows, modalities=[modality] * rows
    )


def means(metric: Any) -> Means:
    return {name: value.item() for name, value in metric.compute().items()}


def one_rank_is_empty(mine: Mine) -> list[Means]:
    metric = suite()
    if mine(0):
        add(metric, "half", "down", "one")
        add(metric, "one", modality=None)
    return [means(metric), means(metric)]


def a_rank_without_new_rows(mine: Mine) -> list[Means]:
    metric = suite()
    if mine(0):
        add(metric, "half")
    if mine(1):
        add(metric, "one", "down", modality="MRI_SCAN")
    first = means(metric)
    if mine(1):
        add(metric, "half", "half")
    part = means(metric.components["other"])
    return [first, means(metric), part, means(metric)]


def _converted(convert: Callable[[RewardSuite], Any]) -> Callable[[Mine], list[Means]]:
    def case(mine: Mine) -> list[Means]:
        metric = suite()
        convert(metric)
        if mine(0):
            add(metric, *["half"] * 300, "one")
        first = means(metric)
        convert(metric)
        if mine(1):
            add(metric, "one")
        return [first, means(metric)]

    return case


def made_where_there_is_no_memory(mine: Mine) -> list[Means]:
    metric = suite()
    metric.to("meta")
    metric.to_empty(device="cpu")
    if mine(1):
        add(metric, "half")
    return [means(metric)]


def copies(mine: Mine) -> list[Means]:
    metric = suite()
    if mine(1):
        add(metric, "half", "one")
    found = []
    for other in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric), metric.clone()):
        if mine(0):
            add(other, "down")
        found.append(means(other))
    return [*found, means(metric), means(metric.fresh())]


def merged(mine: Mine) -> list[Means]:
    metric, one, other = suite(), suite(), suite()
    add(one, "half")
    add(other, "down", "one", modality=None)
    direct = suite()
    if mine(0):
        metric.merge_state(one)
        add(direct, "half")
    if mine(1):
        metric.merge_state(other.metric_state)
        add(direct, "down", "one", modality=None)
    first = means(metric)
    assert str(first) == str(means(direct))
    part = suite().components["other"]
    if mine(1):
        part.merge_state(other.components["other"])
    return [first, means(part)]


def forgotten(mine: Mine) -> list[Means]:
    metric = suite()
    add(metric, "half", "half")
    means(metric)
    metric.reset()
    empty = means(metric)
    if mine(0):
        add(metric, "one")
    return [empty, means(metric)]


def called(mine: Mine) -> list[Means]:
    """``forward`` gives the means of its own rows, on this process alone."""
    metric = suite()
    if mine(0):
        rows = {"completions": [_TAGGED], "references": ["half"], "questions": ["q"], "modalities": ["X_RAY"]}
        own = metric(**rows)
        assert own["reward/other"] == 0.5
    if mine(1):
        add(metric, "one")
    return [means(metric)]


def synchronised_by_hand(mine: Mine) -> list[Means]:
    metric = suite()
    if mine(1):
        add(metric, "half", "one")
    own = metric.components["other"].counts.clone()
    with metric.sync_context():
        found = {name: value.item() for name, value in type(metric).compute(metric).items()}
    assert torch.equal(metric.components["other"].counts, own)
    if mine(0):
        add(metric, "down")
    return [found, means(metric)]


CASES: dict[str, Callable[[Mine], list[Means]]] = {
    "one rank is empty": one_rank_is_empty,
    "a rank has no new rows": a_rank_without_new_rows,
    "to(bfloat16)": _converted(lambda metric: metric.to(torch.bfloat16)),
    "to(float16)": _converted(lambda metric: metric.to(dtype=torch.float16)),
    "half": _converted(lambda metric: metric.half()),
    "bfloat16": _converted(lambda metric: metric.bfloat16()),
    "set_dtype": _converted(lambda metric: metric.set_dtype(torch.bfloat16)),
    "in a module": _converted(lambda metric: torch.nn.ModuleList([metric]).to(torch.bfloat16)),
    "meta": made_where_there_is_no_memory,
    "copies": copies,
    "merged": merged,
    "reset": forgotten,
    "forward": called,
    "sync": synchronised_by_hand,
}


def of_rank(rank: int, folder: Path) -> dict[str, list[Means]]:
    """What every case gives on one of two processes."""
    store = f"file://{folder}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=_HANG)
    try:
        return {name: case(lambda one: one == rank) for name, case in CASES.items()}
    finally:
        torch.distributed.destroy_process_group()


def on_two_ranks(folder: Path) -> tuple[dict[str, list[Means]], dict[str, list[Means]]]:
    """What every case gives on each of the two processes."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    other = subprocess.Popen([sys.executable, "-m", "tests.support.metric_ranks", str(folder)], env=environment)
    try:
        own = of_rank(0, folder)
        assert other.wait(_HANG.total_seconds()) == 0
    finally:
        other.kill()
        other.wait()
    return own, json.loads((folder / "1.json").read_text())


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "1.json").write_text(json.dumps(of_rank(1, place)))
