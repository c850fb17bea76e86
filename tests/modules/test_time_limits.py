"""Ranks wait for each other longer than one of them may take."""

from datetime import timedelta
from typing import Any

import pytest
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from medix.judge.exact import ExactJudge
from medix.judge.panel import PanelJudge
from medix.judge.served import ServedJudge
from medix.modules.time_limits import Load, check_patience, derive, downloads, longest_waits
from medix.rewards import JudgeReward
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.served import ServedEngine

URL = "http://127.0.0.1:1"


def ddp(timeout: float | None = 1800) -> DDPStrategy:
    return DDPStrategy(timeout=None if timeout is None else timedelta(seconds=timeout))


def served(**how: Any) -> ServedEngine:
    return ServedEngine(Sampling(), URL, **how)


def test_attempts_that_outlast_half_an_hour_make_the_ranks_wait_longer() -> None:
    """4 x 1800 + 600 + 120 = 7920, and a minute more."""
    run = ddp()
    assert derive(run, served(request_seconds=1800), []) == 7980
    assert run._timeout == timedelta(seconds=7980)


def test_a_limit_that_is_long_enough_is_left_as_it_is() -> None:
    """1 x 600 + 600 + 120 = 1320."""
    for timeout in (1800, 1380):
        run = ddp(timeout)
        assert derive(run, served(attempts=1), [ExactJudge()]) == timeout
        assert run._timeout == timedelta(seconds=timeout)
    assert derive(ddp(), LocalEngine(Sampling()), []) == 1800, "no limit of its own"


@pytest.mark.parametrize(
    ("engine", "judges", "told"),
    [
        (served(), [], "engine.attempts 4 x engine.request_seconds 600 + engine.publish_seconds 600 + engine.patience "
         "120 = 3120 s, and 60 s more; raise it to 3180 s"),
        (ColocatedEngine(Sampling()), [], "engine.start_seconds 1200 + engine.silent_seconds 300 + "
         "engine.request_seconds 1800 = 3300 s"),
        (LocalEngine(Sampling()), [ServedJudge(URL, "m", timeout=500)], "3 x judge.timeout 500 = 1500 s"),
        (LocalEngine(Sampling()), [PanelJudge([ExactJudge()], patience=901)], "judge.patience 901 = 901 s"),
    ],
)  # fmt: skip
def test_a_limit_of_the_spec_that_is_too_short_is_refused_with_the_arithmetic(
    engine: Any, judges: Any, told: str
) -> None:
    with pytest.raises(ValueError, match=r"trainer\.strategy\.timeout: 900 s is less") as error:
        derive(ddp(900), engine, judges)
    assert told in str(error.value)


def test_downloads_from_servers_that_are_down_come_before_everything_else() -> None:
    """2 x 1200 and the 3120 of the engine, and a minute more; without remote shards there is nothing to wait for."""
    assert derive(ddp(), served(), [], downloads(2, 1200)) == 2400 + 3120 + 60
    assert derive(ddp(), served(), [], downloads(0, 1200)) == 3120 + 60
    assert derive(ddp(), LocalEngine(Sampling()), [], downloads(2, 1200)) == 2400 + 60
    with pytest.raises(ValueError, match=r"2 x data\.download_seconds 1200 \+ engine\.attempts 4 x .* = 5520 s"):
        derive(ddp(900), served(), [], downloads(2, 1200))


@pytest.mark.parametrize("run", [SingleDeviceStrategy("cpu"), ddp(None)])
def test_alone_or_without_a_limit_nothing_is_derived(run: Any) -> None:
    assert derive(run, served(), []) is None


def test_the_limits_of_a_shipped_engine_fit_without_a_word() -> None:
    assert derive(ddp(), served(), [ServedJudge(URL, "m")]) == 3180
    assert [wait.seconds for wait in longest_waits(served(), [ServedJudge(URL, "m")])] == [3120, 360]


def test_what_servers_cannot_do_at_once_takes_the_limit_several_times() -> None:
    """130 prompts at 2 x 64 places: 2 x 4 x 600 + 600 + 120; 1040 questions at 64: 17 x 120."""
    engine = ServedEngine(Sampling(), [URL, "http://127.0.0.1:2"])
    waits = longest_waits(engine, [ServedJudge(URL, "m")], Load(prompts=130, questions=1040))
    assert [wait.seconds for wait in waits] == [5520, 2040]
    assert waits[0].keys.startswith("2 x engine.attempts 4 x engine.request_seconds 600 + ")
    assert longest_waits(engine, [], Load(prompts=128)) == longest_waits(engine, [])


def test_a_reward_that_gives_up_before_its_judge_is_refused_and_its_patience_is_waited_for() -> None:
    judge = ServedJudge(URL, "m", timeout=700)
    told = r"rewards\.components\.patience: JudgeReward gives up after 600 s .*timeout: 700"
    with pytest.raises(ValueError, match=told):
        check_patience([JudgeReward(judge)])
    patient = JudgeReward(judge, patience=3000)
    check_patience([patient, JudgeReward()])
    assert derive(ddp(), LocalEngine(Sampling()), [patient]) == 3060


def test_a_panel_that_gives_up_before_its_members_is_refused() -> None:
    check_patience([PanelJudge([ServedJudge(URL, "m")], patience=120), ServedJudge(URL, "m"), ExactJudge()])
    with pytest.raises(ValueError, match=r"PanelJudge gives up after 100 s .* timeout: 120 of the ServedJudge"):
        check_patience([PanelJudge([ServedJudge(URL, "m")], patience=100)])
