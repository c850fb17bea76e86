"""Time to a learnt policy: the arithmetic, the pictures, and one small run of each side."""

import importlib.util
import math
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest
from transformers import AutoProcessor

from medix.data.prompting import Prompting
from tests.support.inside import working_in
from tools.bench_learning import __main__ as bench
from tools.bench_learning import ours
from tools.bench_learning.curve import Point, Spread, Stopwatch, append, learnt, ratio, read
from tools.bench_learning.picture import picture
from tools.bench_learning.task import ROOT, SMOKE, TASKS, TEMPLATE, SheetSource, prepare, sheet
from tools.bench_learning.warm import allow, warm


def curve(rewards: Sequence[float], seconds: float = 10.0) -> list[Point]:
    """A validation after every step of 8 completions."""
    return [Point(step, step * seconds, step * seconds / 2, 8 * step, reward) for step, reward in enumerate(rewards)]


@pytest.mark.parametrize(
    ("rewards", "step"),
    [
        ((0.5, 0.7, 0.8, 0.9), 2),
        ((0.5, 0.9, 0.79, 0.8), 3),  # it did not stay
        ((0.8, 0.8), 0),
        ((0.5, 0.9, 0.9, 0.7), None),
        ((0.5, 0.9, math.nan), None),
        ((0.5, math.nan, 0.9), 2),
        ((), None),
    ],
)
def test_learnt_is_where_the_reward_reaches_the_threshold_and_stays(rewards: Sequence[float], step: int | None) -> None:
    found = learnt(curve(rewards), 0.8)
    assert (None if found is None else found.step) == step


def test_a_run_that_never_gets_there_is_in_the_ratio() -> None:
    assert ratio(60.0, 15.0) == 4.0
    assert ratio(None, 15.0) == math.inf
    assert ratio(60.0, None) == 0.0
    assert math.isnan(ratio(None, None))


def test_the_spread_says_where_there_is_no_number() -> None:
    assert Spread.of([3.0, 1.0, 2.5]) == Spread(1.0, 2.5, 3.0, (3.0, 1.0, 2.5))
    assert Spread.of([3.0, math.inf, 2.5]) == Spread(2.5, 3.0, None, (3.0, None, 2.5))
    assert Spread.of([3.0, math.inf]) == Spread(3.0, None, None, (3.0, None))
    assert Spread.of([3.0, math.nan]) == Spread(None, None, None, (3.0, None))
    assert Spread.of([]) == Spread(None, None, None, ())


def test_results_are_told_by_seed_and_a_run_without_its_partner_waits() -> None:
    """Seed 1: 20 s against 40 s; seed 2: 20 s against never. The variant needs 30 s, half of it on the CPU."""
    good, bad = curve((0.5, 0.7, 0.9)), curve((0.5, 0.6, 0.7))
    curves = {"medix": [good, good], "trl": [curve((0.5, 0.7, 0.9), 20.0), bad], "close": [curve((0, 0, 0.8), 15.0)]}
    found = bench.result(TASKS["demo"], curves)
    assert found["demo_seconds_ratio_trl_spread"] == {"min": 2.0, "median": None, "max": None, "by_seed": (2.0, None)}
    assert found["demo_completions_ratio_trl_spread"]["by_seed"] == (1.0, None)
    assert found["demo_seconds_ratio_close"] == pytest.approx(20 / 30)
    assert found["demo_cpu_seconds_ratio_close"] == pytest.approx(10 / 15)
    assert found["demo_never"] == {"medix": 0, "trl": 1, "close": 0}
    assert found["demo_learnt"]["trl"][1] is None


def test_the_clock_stands_while_it_is_stopped() -> None:
    clock = Stopwatch()
    clock.start()
    first = clock.stop()
    time.sleep(0.02)
    assert clock.stop() == first
    clock.start()
    time.sleep(0.02)
    assert first[0] + 0.02 <= clock.stop()[0] < first[0] + 5


def test_points_are_read_as_they_were_written(tmp_path: Path) -> None:
    points = curve((0.5, 0.7))
    for point in points:
        append(tmp_path / "curve.jsonl", point)
    assert read(tmp_path / "curve.jsonl") == points


def test_the_picture_has_a_line_for_every_run() -> None:
    drawn = ET.fromstring(picture({"demo": {"medix": [curve((0.5, 0.9))] * 2, "trl": [curve((0.5,))]}}, 0.8))
    assert {"TRL", "medix", "held-out reward"} <= {text for text in drawn.itertext() if text.strip()}


def test_a_sheet_of_prints_costs_what_the_task_promises(tmp_path: Path) -> None:
    """Ten by ten prints of four tokens each: 400, where a phantom alone has 4."""
    (tmp_path / "policy").mkdir()
    for file in TASKS["images"].policy.iterdir():
        if file.suffix in (".json", ".jinja"):
            (tmp_path / "policy" / file.name).write_bytes(file.read_bytes())
    allow(tmp_path / "policy", 1 << 22)
    processor = AutoProcessor.from_pretrained(tmp_path / "policy")  # type: ignore[no-untyped-call]
    placeholder = processor.tokenizer.convert_tokens_to_ids(processor.image_token)
    counts = []
    for task in TASKS.values():
        sample = SheetSource(2, "val", task.prints)[1]
        counts.append(Prompting(template=TEMPLATE).render(sample, processor).token_ids.count(placeholder))
    assert counts == [4, 400]
    assert sheet(b"as it is", 1) == b"as it is"


def test_each_side_learns_in_a_run_of_its_own_and_begins_with_the_same_policy(tmp_path: Path) -> None:
    folder = prepare(SMOKE, tmp_path, warm)
    runs = {side: tmp_path / side for side in ("close", "trl")}
    for run in runs.values():
        run.mkdir()
    with working_in(ROOT) as medix:
        ended = medix(*ours.words(SMOKE, folder, runs["close"], 1, "close"))
    assert ended.code == 0, ended.err
    curves = [read(runs["close"] / "curve.jsonl")]
    if importlib.util.find_spec("trl") is not None:
        from tools.bench_learning import peer

        peer.trainer(SMOKE, folder, runs["trl"], 1).train()
        curves.append(read(runs["trl"] / "curve.jsonl"))
    assert len({points[0].reward for points in curves}) == 1
    for points in curves:
        assert [point.step for point in points] == [0, 1, 2]
        assert all(point.completions >= 8 * point.step for point in points)
        assert points[2].seconds > points[1].seconds > 0
        assert points[2].cpu_seconds > points[1].cpu_seconds > 0
