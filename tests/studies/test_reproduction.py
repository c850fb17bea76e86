"""What counts as reproduced."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from medix.reporting.record import CompletionRecord, ComponentRecord
from medix.studies.replay import Replay
from medix.studies.reproduction import LOGPROB, Reproduction, compare

HERE = {"torch": "2", "processor": {"model": "A", "GPU": "none"}}
OTHER = {"torch": "2", "processor": {"model": "B", "GPU": "none"}}


def record(step: int = 3, index: int = 0, **fields: Any) -> CompletionRecord:
    given: dict[str, Any] = {
        "case": "", "source": "", "modality": None, "question": "q", "reference": "r", "completion": "left",
        "answer": None, "reasoning": None, "named_modality": None, "faults": (), "finish_reason": "stop", "tokens": 4,
        "policy_version": 0, "total": 0.5, "advantage": 1.0, "mean_logprob": -0.3, "position": 7,
        "components": {"judge": ComponentRecord(0.5, "scored")}, **fields,
    }  # fmt: skip
    return CompletionRecord(step=step, split="train", id="1", index=index, **given)


def compared(
    recorded: list[CompletionRecord],
    made: list[CompletionRecord],
    processors: Any = (HERE,),
    metrics: Any = ({}, {}),
    weights: Any = ({}, {}),
    waiting: Any = (),
) -> Reproduction:
    replayed = Replay(made, list(waiting), metrics[1], weights[1])
    return compare(recorded, metrics[0], weights[0], replayed, processors, HERE)


ROWS = [record(step, index) for step in (3, 4) for index in range(2)]


def test_equal_records_metrics_and_weights_are_bit_equal() -> None:
    metrics = {3: {"train/loss": 0.1, "seconds/step": 1.0, "judge/seconds": 1.0, "train/tokens_per_second": 5.0}}
    times = {3: {"train/loss": 0.1, "seconds/step": 2.0, "judge/seconds": 2.0, "train/tokens_per_second": 6.0}}
    weights = {4: {"w": torch.ones(2)}}
    found = compared(ROWS, ROWS, metrics=(metrics, times), weights=(weights, {4: {"w": torch.ones(2)}}))
    assert found.outcome == "bit-equal"
    assert found.compared == {"steps": 2, "completions": 4, "metrics": 1, "weights": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"total": 0.5 + 1e-12}, {"advantage": 1.0 + 1e-12}, {"mean_logprob": -0.3 - 1e-12}, {"completion": "lift"},
        {"components": {"judge": ComponentRecord(0.5 + 1e-12, "scored")}},
    ],
)  # fmt: skip
def test_the_smallest_difference_on_the_same_kind_of_processor_is_not_reproduced(fields: dict[str, Any]) -> None:
    """The same on another processor is rounding, or one token drawn otherwise."""
    made = [*ROWS[:3], replace(ROWS[3], **fields)]
    assert compared(ROWS, made).outcome == "not reproduced"
    assert compared(ROWS, made, (OTHER,)).outcome == "within rounding"
    assert compared(ROWS, made, (HERE, OTHER)).outcome == "within rounding"  # resumed elsewhere
    assert compared(ROWS, made, ({},)).outcome == "within rounding"  # not on record


@pytest.mark.parametrize(
    "fields",
    [
        {"total": 0.6}, {"total": None}, {"mean_logprob": -0.3 - 2 * LOGPROB}, {"finish_reason": "length"},
        {"tokens": 5}, {"components": {"judge": ComponentRecord(None, "unscored")}}, {"components": {}},
    ],
)  # fmt: skip
def test_what_rounding_cannot_explain_is_not_reproduced_anywhere(fields: dict[str, Any]) -> None:
    found = compared(ROWS, [*ROWS[:3], replace(ROWS[3], **fields)], (OTHER,))
    assert found.outcome == "not reproduced"
    assert "1[1]: " in str(found.differences[0])


def test_completions_that_are_missing_or_added_are_not_reproduced() -> None:
    assert compared(ROWS, ROWS[:3], (OTHER,)).outcome == "not reproduced"
    assert compared(ROWS[:3], ROWS, (OTHER,)).outcome == "not reproduced"


def test_a_line_that_stands_twice_is_not_as_the_run_wrote_it() -> None:
    found = compared([*ROWS, ROWS[1]], ROWS)
    assert found.outcome == "not reproduced"
    assert str(found.differences[0]) == "step 3, 1[1]: lines of the record: 2 on record, 1 replayed"


def test_groups_that_wait_when_a_run_ends_are_compared_where_they_are_on_record() -> None:
    last = record(4, 0, position=9, advantage=None)
    assert compared([*ROWS, last], ROWS, waiting=[last]).outcome == "bit-equal"
    assert compared(ROWS, ROWS, waiting=[last]).outcome == "bit-equal"  # a run that was killed records none
    other = replace(last, total=0.6)
    assert compared([*ROWS, last], ROWS, waiting=[other]).outcome == "not reproduced"


def test_after_another_token_no_later_step_is_compared() -> None:
    found = compared(ROWS, [replace(ROWS[0], completion="lift"), *ROWS[1:3], replace(ROWS[3], total=0.9)], (OTHER,))
    assert (found.outcome, found.other_tokens, list(found.uncompared)) == ("within rounding", 1, [4])


def test_many_other_tokens_are_more_than_rounding() -> None:
    made = [replace(row, completion="lift") for row in ROWS]
    assert compared(ROWS, made, (OTHER,)).outcome == "not reproduced"


@pytest.mark.parametrize(("change", "outcome"), [(1e-6, "within rounding"), (0.1, "not reproduced")])
def test_metrics_and_weights_differ_by_rounding_elsewhere(change: float, outcome: str) -> None:
    weights = ({4: {"w": torch.ones(2)}}, {4: {"w": torch.tensor([1.0, 1.0 + change])}})
    assert compared(ROWS, ROWS, (OTHER,), weights=weights).outcome == outcome
    metrics = ({3: {"train/grad_norm": 5.0}}, {3: {"train/grad_norm": 5.0 * (1 + change)}})
    assert compared(ROWS, ROWS, (OTHER,), metrics=metrics).outcome == outcome
    assert compared(ROWS, ROWS, metrics=metrics).outcome == "not reproduced"


@pytest.mark.parametrize(("before", "now", "outcome"), [(None, math.nan, "bit-equal"), (None, 1.0, "not reproduced")])
def test_a_mean_of_nothing_is_null_in_a_report_and_nan_in_a_replay(
    before: float | None, now: float, outcome: str
) -> None:
    metrics = ({3: {"reward/judge": before}}, {3: {"reward/judge": now}})
    assert compared(ROWS, ROWS, metrics=metrics).outcome == outcome


def test_on_a_gpu_equal_bits_are_not_asked_for() -> None:
    gpu = {"torch": "2", "processor": {"model": "A", "GPU": "H"}}
    made = [*ROWS[:3], replace(ROWS[3], mean_logprob=-0.3 - 1e-7)]
    found = compare(ROWS, {}, {}, Replay(made, [], {}), (gpu,), gpu)
    assert found.outcome == "within rounding"


@pytest.mark.parametrize("saved", ["", "w", "wvx"])
def test_weights_that_a_checkpoint_lacks_or_has_too_many_are_not_reproduced(saved: str) -> None:
    made = {4: {name: torch.ones(2) for name in "wv"}}
    found = compared(ROWS, ROWS, (OTHER,), weights=({4: {name: torch.ones(2) for name in saved}}, made))
    assert found.outcome == "not reproduced"
    assert {one.what for one in found.differences} == {f"weight {name}" for name in set(saved) ^ set("wv")}
    assert compared(ROWS, ROWS, weights=({}, made)).outcome == "bit-equal"  # there is no checkpoint of the step
