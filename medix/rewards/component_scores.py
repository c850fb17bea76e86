"""Scoring a batch with every component of a suite."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch

from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent
from medix.types import Status


def component_scores(
    parts: Mapping[str, RewardComponent], batch: RewardBatch
) -> tuple[dict[str, ComponentScores], dict[str, float]]:
    """Score a batch with every component.

    Components that do slow work elsewhere (``start``) are started first and waited for last, so that the encoder
    computes while the judge answers.

    Returns:
        Scores and seconds by component.

    Raises:
        ValueError: a component returned something other than one value and one status per row.
    """
    seconds = dict.fromkeys(parts, 0.0)
    waiting = [name for name, part in parts.items() if type(part).start is not RewardComponent.start]
    for name in waiting:
        with _timed(seconds, name), _named(name, parts[name]), _outside_autocast():
            parts[name].start(batch)
    found: dict[str, ComponentScores] = {}
    for name in (*(name for name in parts if name not in waiting), *waiting):
        with _timed(seconds, name), _named(name, parts[name]), _outside_autocast():
            found[name] = _scores_of(name, parts[name], batch)
    return {name: found[name] for name in parts}, seconds


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - start


@contextmanager
def _named(name: str, part: RewardComponent) -> Iterator[None]:
    """Add the name of the component to an exception."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in component {name!r} of the reward suite ({type(part).__name__})")
        raise


@contextmanager
def _outside_autocast() -> Iterator[None]:
    """Score in the dtypes of the component: training is under autocast and validation is not."""
    with ExitStack() as stack:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


def _scores_of(name: str, part: RewardComponent, batch: RewardBatch) -> ComponentScores:
    """Score with one component and check what it returns."""
    scores = part.score(batch)
    if not isinstance(scores, ComponentScores) or scores.value.ndim != 1:
        given = type(scores).__name__ if not isinstance(scores, ComponentScores) else f"shape {scores.value.shape}"
        raise ValueError(
            f"component {name!r} ({type(part).__name__}) returned {given}; score must return ComponentScores with one "
            "value per row; build them from numbers with ComponentScores.of([...])"
        )
    if len(scores.value) != len(batch) or len(scores.status) != len(batch):
        raise ValueError(
            f"component {name!r} ({type(part).__name__}) scored {len(scores.value)} rows of {len(batch)}; "
            "score must return one value and one status per row"
        )
    value = scores.value.detach().to("cpu", torch.float64)
    broken = [
        row
        for row, (status, finite) in enumerate(zip(scores.status, value.isfinite().tolist(), strict=True))
        if status is Status.SCORED and not finite
    ]
    status, reason = list(scores.status), list(scores.reason) or [""] * len(batch)
    for row in broken:
        status[row], reason[row] = Status.UNSCORED, f"the component gave {value[row].item()}"
    is_scored = torch.tensor([entry is Status.SCORED for entry in status], dtype=torch.bool)
    value = torch.where(is_scored, value, math.nan)
    return ComponentScores(value, tuple(status), tuple(reason), scores.verdicts, scores.left_out)
