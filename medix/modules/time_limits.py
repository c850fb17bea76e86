"""How long ranks may wait for each other: derived from the limits of what one of them may be waiting for.

A rank that waits in a collective operation gives up after the time limit of the process group (30 minutes unless the
strategy says otherwise), and takes the run down. So it must outlast whatever another rank may take before it comes
there: the downloads for its batch from servers that do not answer, then a rollout with all its attempts, the start of
an engine, a judge that hangs.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch.distributed.constants import default_pg_timeout

from medix.judge.base import Judge
from medix.judge.served import ServedJudge
from medix.judge.served_judges import served_judges
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutEngine
from medix.rollout.served import ServedEngine

GRACE = 60.0
"""Seconds for what has no limit of its own: sending, rendering, scoring without a judge."""

_JUDGE_ROUNDS = 3
"""Time limits of a question that a step takes where all servers hang; see ``medix.judge.ServedJudge``."""


@dataclass(frozen=True)
class Wait:
    """What the other ranks may wait for.

    Attributes:
        keys: of the spec, with their values and the arithmetic.
        seconds: at most.
    """

    keys: str
    seconds: float


def downloads(servers: int, seconds: float) -> Wait:
    """What a batch may cost where no server of shards answers: each is found out once, see ``FailedDownloads``.

    Args:
        servers: that shards are downloaded from.
        seconds: longest time of a download.
    """
    return Wait(f"{servers} x data.download_seconds {seconds:g}" if servers else "", servers * seconds)


def longest_waits(engine: RolloutEngine, judges: Iterable[Judge]) -> list[Wait]:
    """Everything with a limit that a rank may do while the others wait for it, each in one collective operation."""
    return [*_of_engine(engine), *(wait for judge in judges for wait in _of_judge(judge))]


def _of_engine(engine: RolloutEngine) -> Iterator[Wait]:
    if isinstance(engine, ServedEngine):
        yield Wait(
            f"engine.attempts {engine.attempts} x engine.request_seconds {engine.request_seconds:g} + "
            f"engine.publish_seconds {engine.publish_seconds:g} + engine.patience {engine.patience:g}",
            engine.attempts * engine.request_seconds + engine.publish_seconds + engine.patience,
        )
    elif isinstance(engine, ColocatedEngine):
        yield Wait(
            f"engine.start_seconds {engine.start_seconds:g} + engine.silent_seconds {engine.silent_seconds:g} + "
            f"engine.request_seconds {engine.request_seconds:g}",
            engine.start_seconds + engine.silent_seconds + engine.request_seconds,
        )


def _of_judge(judge: Judge) -> Iterator[Wait]:
    for served in served_judges(judge):
        yield Wait(f"{_JUDGE_ROUNDS} x judge.timeout {served.timeout:g}", _JUDGE_ROUNDS * served.timeout)
    patience = getattr(judge, "patience", None)
    if isinstance(patience, int | float):
        yield Wait(f"judge.patience {patience:g}", float(patience))


def check_judges(judges: Iterable[Judge]) -> None:
    """Refuse a judge that gives up before those it asks.

    Raises:
        ValueError: names both keys.
    """
    for judge in judges:
        patience = getattr(judge, "patience", None)
        for served in () if isinstance(judge, ServedJudge) else served_judges(judge):
            if patience is not None and patience < served.timeout:
                raise ValueError(
                    f"judge.patience: {type(judge).__name__} gives up after {patience:g} s without a verdict, before "
                    f"timeout: {served.timeout:g} of the {type(served).__name__} that it asks has passed; raise "
                    f"patience to {served.timeout:g} or more, or lower timeout"
                )


def derive(
    strategy: Strategy, engine: RolloutEngine, judges: Iterable[Judge], before: Wait = Wait("", 0.0)
) -> float | None:
    """Give the collective operations of several ranks a time limit that outlasts every wait.

    Args:
        strategy: its process group does not exist yet.
        engine: of the module.
        judges: of rewards and validation.
        before: what a rank may do before it comes to any of these.

    Returns:
        The time limit in seconds; None for a strategy without one, as that of one device.

    Raises:
        ValueError: the strategy has a time limit of its own, which is too short; names the keys, with the arithmetic.
    """
    given = strategy._timeout if isinstance(strategy, DDPStrategy | ModelParallelStrategy) else None
    if given is None:
        return None
    longest = max(longest_waits(engine, judges), key=lambda wait: wait.seconds, default=Wait("", 0.0))
    keys = " + ".join(filter(None, (before.keys, longest.keys)))
    longest = Wait(keys, before.seconds + longest.seconds)
    needed = longest.seconds + GRACE
    if needed <= given.total_seconds() or not longest.keys:
        return given.total_seconds()
    if given != default_pg_timeout:
        raise ValueError(
            f"trainer.strategy.timeout: {given.total_seconds():g} s is less than a rank may have to wait for another, "
            f"{longest.keys} = {longest.seconds:g} s, and {GRACE:g} s more; raise it to {needed:g} s or more, lower "
            "these, or leave it out: it is then derived from them"
        )
    strategy._timeout = timedelta(seconds=needed)  # type: ignore[attr-defined]  # read when the process group begins
    return needed
