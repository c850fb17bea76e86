"""A judge that lets attacks pass stops the run, on every rank, with the numbers."""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from medix.callbacks.check_judge import CanaryError, CheckJudge
from medix.judge.base import Judge
from medix.judge.canaries import shipped_canaries
from medix.judge.scripted import ScriptedJudge
from medix.spec.spec_file import build
from medix.spec.spec_names import find_spec
from medix.studies.grid import Grid
from medix.types import JudgeQuestion, Verdict
from tests.support.fake_training import FakeData, FakeModule, make_trainer

KNOWN = {canary.question: canary.is_right for canary in shipped_canaries().canaries}


class Knows(ScriptedJudge):
    """Right on every canary until ``broken``, from when on it says YES to all; draws from every random generator."""

    def __init__(self, broken_after: int = 10**9, unscored: int = 0) -> None:
        super().__init__()
        self.broken_after = broken_after
        self.unscored = unscored
        self.checks = 0

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        if set(questions) != KNOWN.keys():
            return super().grade(questions)
        torch.rand(1), np.random.rand(), random.random()
        self.checks += 1
        says = [1.0 if self.checks > self.broken_after else float(KNOWN[question]) for question in questions]
        verdicts = [Verdict(credit, self.identity, reply="x", latency=0.5) for credit in says]
        down = [Verdict(None, self.identity, reason="connection refused")] * self.unscored
        return [*down, *verdicts[self.unscored :]]


def fit(folder: Path, check: CheckJudge, judge: Judge | None = None, **arguments: Any) -> FakeModule:
    module = FakeModule(judge=judge or Knows(), **arguments)
    make_trainer(folder, [check]).fit(module, FakeData())
    return module


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("canaries-*.json"))


# When ----------------------------------------------------------------------------------------------------------------


def test_the_judge_is_checked_at_the_start_and_every_so_many_steps(tmp_path: Path) -> None:
    """Two loader batches make a step; five steps."""
    judge = Knows()
    fit(tmp_path, CheckJudge(every_n_steps=2), judge, max_steps=5, batches_per_step=2)
    assert files(tmp_path) == [f"canaries-step-{step:06d}.json" for step in (0, 2, 4)]
    assert judge.checks == 3


def test_the_start_can_be_left_out(tmp_path: Path) -> None:
    fit(tmp_path, CheckJudge(every_n_steps=3, at_start=False), max_steps=3)
    assert files(tmp_path) == ["canaries-step-000003.json"]


class _SavesAt(Callback):
    """Saves within an epoch, as ``SaveCheckpoint`` does: Lightning does not begin that epoch again."""

    def __init__(self, step: int, path: Path) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if pl_module.step == self.step:
            trainer.save_checkpoint(self.path)


def test_a_resumed_run_checks_the_judge_it_finds_then(tmp_path: Path) -> None:
    """The server behind the address may be another by now: it fails before a step is trained on it."""
    first = FakeModule(max_steps=3, judge=Knows())
    trainer = make_trainer(tmp_path, [CheckJudge(every_n_steps=50), _SavesAt(2, tmp_path / "two.ckpt")])
    trainer.fit(first, FakeData())
    second = FakeModule(max_steps=4, judge=Knows(broken_after=0))
    resumed = make_trainer(tmp_path, [CheckJudge(every_n_steps=50)])
    with pytest.raises(CanaryError, match="at step 2"):
        resumed.fit(second, FakeData(), ckpt_path=tmp_path / "two.ckpt", weights_only=True)
    assert second.trajectory == []
    assert files(tmp_path) == ["canaries-step-000000.json", "canaries-step-000002.json"]


def test_checks_of_later_steps_than_a_run_goes_on_from_are_deleted(tmp_path: Path) -> None:
    """They would pass for those of the training that reaches other weights; files of other names stay."""
    saving = _SavesAt(2, tmp_path / "two.ckpt")
    trainer = make_trainer(tmp_path, [CheckJudge(every_n_steps=1), saving])
    trainer.fit(FakeModule(max_steps=5, judge=Knows()), FakeData())
    (tmp_path / "canaries-step-mine.json").write_text("")
    resumed = make_trainer(tmp_path, [CheckJudge(every_n_steps=9)])
    module = FakeModule(max_steps=3, judge=Knows())
    resumed.fit(module, FakeData(), ckpt_path=tmp_path / "two.ckpt", weights_only=True)
    assert files(tmp_path) == [f"canaries-step-{step}.json" for step in ("000000", "000001", "000002", "mine")]


# What ----------------------------------------------------------------------------------------------------------------


def test_rates_reach_the_loggers_at_their_steps(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    module = FakeModule(max_steps=4, batches_per_step=3, judge=Knows())
    make_trainer(tmp_path, [CheckJudge(every_n_steps=2)], logger=logger).fit(module, FakeData())
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    heads = rows[0].split(",")
    assert [row.split(",")[heads.index("step")] for row in rows[1:]] == ["0", "2", "4"]
    assert {row.split(",")[heads.index("canaries/false_positive")] for row in rows[1:]} == {"0.0"}
    assert "canaries/false_positive/master_key" in heads


def test_the_file_holds_every_verdict(tmp_path: Path) -> None:
    fit(tmp_path, CheckJudge(), max_steps=1)
    data = json.loads((tmp_path / "canaries-step-000000.json").read_text())
    assert (data["step"], data["version"], data["judge"]) == (0, "canaries-1", Knows().identity)
    assert data["false_positive"]["rate"] == 0.0
    assert len(data["canaries"]) == len(KNOWN)


def test_a_judge_of_its_own_is_checked_in_place_of_the_modules(tmp_path: Path) -> None:
    own, modules = Knows(), Knows()
    fit(tmp_path, CheckJudge(judge=own), modules, max_steps=1)
    assert (own.checks, modules.checks) == (1, 0)


def test_canaries_of_ones_own_replace_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "version: own-1\ncanaries: [{kind: k, question: q, reference: left, answer: right, expected: NO}]"
    )
    with pytest.raises(CanaryError, match=r"\(own-1\)[\s\S]*100.0% \(1 of 1"):
        fit(tmp_path, CheckJudge(canaries=str(tmp_path / "own.yaml")), ScriptedJudge("YES"), max_steps=1)


def test_the_trajectory_is_the_same_with_and_without_checks(tmp_path: Path) -> None:
    trajectories = []
    for callbacks in ([], [CheckJudge(every_n_steps=1)]):
        torch.manual_seed(5)
        np.random.seed(5)
        random.seed(5)
        module = FakeModule(max_steps=3, judge=Knows())
        make_trainer(tmp_path, callbacks).fit(module, FakeData())
        trajectories.append(module.trajectory)
    assert trajectories[0] == trajectories[1]


# Stopping ------------------------------------------------------------------------------------------------------------


def test_a_judge_that_breaks_stops_the_run_with_rates_limit_examples_and_remedy(tmp_path: Path) -> None:
    module = FakeModule(max_steps=9, judge=Knows(broken_after=2))
    with pytest.raises(CanaryError) as stop:
        make_trainer(tmp_path, [CheckJudge(every_n_steps=2)]).fit(module, FakeData())
    told = str(stop.value)
    assert module.step == 4
    assert "fails the canaries (canaries-1) at step 4" in told
    assert "false-positive rate: 100.0%" in told
    assert "limit 10.0%" in told
    assert told.count("for example, ") == 3
    assert str(tmp_path / "canaries-step-000004.json") in told
    assert "raise CheckJudge.max_false_positive" in told
    assert files(tmp_path)[-1] == "canaries-step-000004.json"  # written before the run stops


def test_a_judge_that_rejects_what_is_right_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(CanaryError, match=r"false-negative rate: 100.0%.*limit 50.0%"):
        fit(tmp_path, CheckJudge(), ScriptedJudge("NO"), max_steps=1)


def test_a_judge_that_is_down_stops_the_run_whatever_the_limits(tmp_path: Path) -> None:
    check = CheckJudge(max_false_positive=1.0, max_false_negative=1.0, max_unscored=1.0)
    with pytest.raises(CanaryError, match=r"unknown[\s\S]*without a verdict: the scripted judge cannot be reached"):
        fit(tmp_path, check, ScriptedJudge(None), max_steps=1)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_unscored_canaries_count_against_their_own_limit_alone(share: float, tmp_path: Path) -> None:
    judge = Knows(unscored=round(share * len(KNOWN)))
    if share < 0.2:
        fit(tmp_path, CheckJudge(), judge, max_steps=1)
        assert judge.checks == 1
    else:
        with pytest.raises(CanaryError, match=r"unscored: [\s\S]*connection refused"):
            fit(tmp_path, CheckJudge(), judge, max_steps=1)


def test_the_exact_judge_passes_with_the_limits_as_they_are(tmp_path: Path) -> None:
    from medix.judge.exact import ExactJudge

    check = CheckJudge(judge=ExactJudge())
    fit(tmp_path, check, max_steps=1)
    assert check.rates is not None
    assert check.rates.false_positive.rate == 0.0


def test_attacks_accepted_within_the_limit_are_a_warning_until_their_number_is_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The hole of the shipped grid on reward hacking: three attacks of 92, which a limit of 0 does not allow."""
    grid = Grid.read(find_spec("demo").parent / "ablations" / "hacking.yaml")
    judge = build(Judge, "judge", grid.cells[0].settings["judge"])
    fit(tmp_path, CheckJudge(every_n_steps=1, max_false_negative=1.0), judge, max_steps=2)
    told = [record.message for record in caplog.records if "max_false_positive" in record.message]
    assert len(told) == 1
    assert told[0].startswith("step 0: the judge accepts 3 of 92 attacks, which CheckJudge.max_false_positive 0.1 ")
    assert "':' was accepted" in told[0]
    with pytest.raises(CanaryError, match=r"at step 0:\s+false-positive rate: 3.3%.*limit 0.0%"):
        fit(tmp_path, CheckJudge(max_false_positive=0.0, max_false_negative=1.0), judge, max_steps=1)


# Faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [{"every_n_steps": 0}, {"max_false_positive": 1.5}, {"max_false_negative": -0.1}, {"max_unscored": 2.0}],
)
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"CheckJudge.{next(iter(arguments))}"):
        CheckJudge(**arguments)


def test_without_any_judge_the_run_does_not_start(tmp_path: Path) -> None:
    module = FakeModule(judge=Knows())
    module.judge = None
    with pytest.raises(ValueError, match="no judge to check: give the spec a judge"):
        make_trainer(tmp_path, [CheckJudge()]).fit(module, FakeData())
    assert module.trajectory == []


class _CountsOnItsRank(Knows):
    """Writes down on which rank it was asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(broken_after=1)
        self.folder = folder

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        if set(questions) == KNOWN.keys():
            (self.folder / f"asked-{torch.distributed.get_rank()}").touch()
        return super().grade(questions)


class _TellsItsError(CheckJudge):
    """Writes down on each rank why it stopped, and gives the other a moment to do so before all are ended."""

    def _check(self, trainer: Trainer, module: LightningModule) -> None:
        try:
            super()._check(trainer, module)
        except Exception as error:
            folder = Path(trainer.default_root_dir)
            (folder / f"error-{trainer.global_rank}").write_text(f"{type(error).__name__} {module.step} {error}")
            until = time.monotonic() + 10
            while len(list(folder.glob("error-*"))) < 2 and time.monotonic() < until:
                time.sleep(0.01)
            raise


def test_two_ranks_stop_together_with_one_error_and_only_the_first_asks(tmp_path: Path) -> None:
    check = _TellsItsError(every_n_steps=2)
    trainer = make_trainer(tmp_path, [check], strategy="ddp_fork", devices=2, use_distributed_sampler=False)
    module = FakeModule(max_steps=9, judge=_CountsOnItsRank(tmp_path))
    with pytest.raises(Exception, match="fails the canaries"):
        trainer.fit(module, FakeData())
    assert [path.name for path in sorted(tmp_path.glob("asked-*"))] == ["asked-0"]
    first, second = ((tmp_path / f"error-{rank}").read_text() for rank in (0, 1))
    assert first.startswith(f"CanaryError 2 the judge {Knows().identity} fails the canaries")
    assert first == second


class _Breaks(Knows):
    def without_cache(self) -> ScriptedJudge:
        raise OSError("the spec's judge cannot be built")


def test_an_error_of_the_judge_itself_stops_every_rank(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, [_TellsItsError()], strategy="ddp_fork", devices=2, use_distributed_sampler=False)
    with pytest.raises(Exception, match="cannot be built"):
        trainer.fit(FakeModule(judge=_Breaks()), FakeData())
    assert (tmp_path / "error-0").read_text().startswith("OSError 0 the spec's judge")
    assert (tmp_path / "error-1").read_text().startswith("OtherRankError 0 rank 0 stopped")


def test_a_spec_builds_it_with_a_judge_of_its_own() -> None:
    block = {
        "class_path": "medix.callbacks.CheckJudge",
        "init_args": {"every_n_steps": 7, "judge": {"class_path": "medix.judge.ExactJudge"}},
    }
    check = build(Callback, "callback", block)
    assert isinstance(check, CheckJudge)
    assert check.every_n_steps == 7
    assert check.judge is not None
    assert check.judge.identity == "exact/4"
