"""How long ranks may wait for each other: derived from the limits of what one of them may be waiting for.

A rank that waits in a collective operation gives up after the time limit of the process group (30 minutes unless the
strategy says otherwise), and takes the run down. So it must outlast whatever another rank may take before it comes
there: the downloads for its batch from servers that do not answer, then a rollout with all its attempts, the start of
an engine, a judge that hangs. Where a server has more to do than it takes at a time, each share that it takes has the
whole limit.

What becomes of a run where some ranks lack what others have:

===================================  ==================================================================  ============
on some ranks                        what happens                                                        counted as
===================================  ==================================================================  ============
groups without signal                all ranks share the groups of the others; another batch is read     ``signal/
                                     if these are too few, and after ``max_rollouts_per_step`` all end   without``
completions without a score          left out; all end if they are more than ``rewards.max_unscored``    ``reward/
                                     of the completions of all ranks                                     total/
                                                                                                         unscored``
nothing left to train in an update   a pass of gradient zero; the update is skipped if all lack it       ``train/
                                                                                                         skipped_
                                                                                                         updates``
prompts without images               a step like any other                                               nothing
no prompt in a batch: all too long   the rank samples nothing and trains its share of the others'        ``train/
or of bad shards                     groups                                                              prompts_
                                                                                                         too_long``,
                                                                                                         ``samples_of_
                                                                                                         bad_shards``
no judge that answers                its completions are unscored after at most 3 x ``judge.timeout``    as unscored
no rollout server that answers       all end with the prompts and causes of that rank, after             nothing
                                     ``engine.patience`` or ``attempts`` x ``request_seconds``
a slow folder of the run             all wait for the rank that writes; told once if a checkpoint takes  nothing
                                     longer than the steps before it
an error                             all end with it as the last message, as soon as its rank has ended  nothing
a rank that was killed               all end with its number, within 10 s                                nothing
a rank that hangs                    all end with its number, 10 s after the limit derived here          nothing
===================================  ==================================================================  ============
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch.distributed.constants import default_pg_timeout

from medix.judge.base import Judge
from medix.judge.served import ServedJudge
from medix.judge.served_judges import served_judges
from medix.rewards.judged import JudgedReward
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutEngine
from medix.rollout.served import ServedEngine

Asker = Judge | JudgedReward
"""A judge, which may ask others, or a reward component that asks one."""

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


@dataclass(frozen=True)
class Load:
    """What one rank may ask for at once.

    Attributes:
        prompts: of a batch.
        questions: to each judge.
    """

    prompts: int = 1
    questions: int = 1


def longest_waits(
    engine: RolloutEngine,
    askers: Iterable[Asker],
    load: Load = Load(),  # frozen
) -> list[Wait]:
    """Everything with a limit that a rank may do while the others wait for it, each in one collective operation."""
    return [*_of_engine(engine, load.prompts), *(wait for one in askers for wait in _of_asker(one, load.questions))]


def _of_engine(engine: RolloutEngine, prompts: int) -> Iterator[Wait]:
    if isinstance(engine, ServedEngine):
        servers = 1 if isinstance(engine.base_url, str) else len(engine.base_url)
        shares = -(-prompts // (servers * engine.max_concurrency))
        several = f"{shares} x " if shares > 1 else ""
        yield Wait(
            f"{several}engine.attempts {engine.attempts} x engine.request_seconds {engine.request_seconds:g} + "
            f"engine.publish_seconds {engine.publish_seconds:g} + engine.patience {engine.patience:g}",
            shares * engine.attempts * engine.request_seconds + engine.publish_seconds + engine.patience,
        )
    elif isinstance(engine, ColocatedEngine):
        yield Wait(
            f"engine.start_seconds {engine.start_seconds:g} + engine.silent_seconds {engine.silent_seconds:g} + "
            f"engine.request_seconds {engine.request_seconds:g}",
            engine.start_seconds + engine.silent_seconds + engine.request_seconds,
        )


def _of_asker(asker: Asker, questions: int) -> Iterator[Wait]:
    for served in _served(asker):
        servers = 1 if isinstance(served.base_url, str) else len(served.base_url)
        rounds = max(_JUDGE_ROUNDS, -(-questions // (servers * served.max_concurrency)))
        yield Wait(f"{rounds} x judge.timeout {served.timeout:g}", rounds * served.timeout)
    patience = getattr(asker, "patience", None)
    if isinstance(patience, int | float):
        yield Wait(f"{_key(asker)}.patience {patience:g}", float(patience))


def _served(asker: Asker) -> Iterator[ServedJudge]:
    judge = asker.judge if isinstance(asker, JudgedReward) else asker
    return iter(()) if judge is None else served_judges(judge)


def _key(asker: Asker) -> str:
    return "judge" if isinstance(asker, Judge) else "rewards.components"


def check_patience(askers: Iterable[Asker]) -> None:
    """Refuse a judge, or a reward, that gives up before those it asks.

    Raises:
        ValueError: names both keys.
    """
    for asker in askers:
        patience = getattr(asker, "patience", None)
        for served in () if isinstance(asker, ServedJudge) else _served(asker):
            if patience is not None and patience < served.timeout:
                raise ValueError(
                    f"{_key(asker)}.patience: {type(asker).__name__} gives up after {patience:g} s without a verdict, "
                    f"before timeout: {served.timeout:g} of the {type(served).__name__} that it asks has passed; raise "
                    f"patience to {served.timeout:g} or more, or lower timeout"
                )


def derive(
    strategy: Strategy,
    engine: RolloutEngine,
    askers: Iterable[Asker],
    before: Wait = Wait("", 0.0),
    load: Load = Load(),  # frozen
) -> float | None:
    """Give the collective operations of several ranks a time limit that outlasts every wait.

    Args:
        strategy: its process group does not exist yet.
        engine: of the module.
        askers: the judges of rewards and validation, and the components that ask one.
        before: what a rank may do before it comes to any of these.
        load: of one rank.

    Returns:
        The time limit in seconds; None for a strategy without one, as that of one device.

    Raises:
        ValueError: the strategy has a time limit of its own, which is too short; names the keys, with the arithmetic.
    """
    given = strategy._timeout if isinstance(strategy, DDPStrategy | ModelParallelStrategy) else None
    if given is None:
        return None
    longest = max(longest_waits(engine, askers, load), key=lambda wait: wait.seconds, default=Wait("", 0.0))
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
