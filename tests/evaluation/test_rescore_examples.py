"""Examples: the largest, of different samples, in little memory."""

from dataclasses import replace

from medix.advantages.grpo import GRPOAdvantage
from medix.evaluation.recorded_run import group_records
from medix.evaluation.rescore_examples import Examples
from medix.evaluation.rescore_rows import rows_of
from medix.reporting.record import CompletionRecord
from medix.rewards.suite import RewardSuite
from medix.rollout.signal import SpreadFilter
from tests.support.fake_training import make_group, make_sample, write
from tests.support.recorded import groups, records, suite


def _seen(lines: list[CompletionRecord], other: RewardSuite, count: int) -> Examples:
    found = list(group_records(iter(lines), "file"))
    rollouts = [group.rollout for group in found]
    table = other.score_rollouts(rollouts)
    examples = Examples(count)
    examples.add(found, table, rows_of(found, rollouts, table, GRPOAdvantage(), SpreadFilter()))
    return examples


def test_the_largest_come_first_and_no_sample_twice() -> None:
    """Recorded totals are moved by hand: sample n gains n tenths in its first completion, less in its second."""
    lines = records(suite(), [make_group(make_sample(n), [write("X_RAY", "lung")] * 2) for n in range(1, 8)])
    moved = [replace(line, total=1 - int(line.id[1:]) / 10 + 0.05 * line.index) for line in lines]
    found = _seen(moved, suite(), 3).found()
    assert [entry["id"] for entry in found["gained"]] == ["s007", "s006", "s005"]
    assert [entry["index"] for entry in found["gained"]] == [0, 0, 0]
    assert found["lost"] == []


def test_an_example_says_what_every_component_said_before_and_after() -> None:
    (entry,) = _seen(records(suite(), groups(1)), suite(None, 0.25, 0.5, 0.25), 1).found()["lost"]
    assert entry["completion"] == write("MRI_SCAN", "lung")
    assert entry["before"]["components"]["judge"] == {"value": 1.0, "status": "scored", "reason": ""}
    assert entry["after"]["components"]["modality"]["value"] == 0.0
    assert (entry["before"]["total"], entry["after"]["total"]) == (0.75, 0.5)


def test_an_unscored_completion_is_no_example_of_a_loss() -> None:
    lines = [replace(line, total=None) for line in records(suite(), groups(2))]
    assert not any(_seen(lines, suite(), 4).found().values())


def test_a_completion_of_fifty_thousand_characters_is_cut_and_says_so() -> None:
    lines = records(suite(), [make_group(make_sample(1), [write("X_RAY", "lung", "a" * 50_000), "x"])])
    (entry,) = _seen([replace(line, total=0.1) for line in lines], suite(), 2).found()["gained"]
    assert len(entry["completion"]) < 4100
    assert "more characters" in entry["completion"]


def test_no_examples_are_kept_where_none_are_asked_for() -> None:
    assert not any(_seen(records(suite(), groups(3)), suite(None, 1.0, 0.0, 0.0), 0).found().values())


def test_memory_holds_a_few_times_what_is_asked_for() -> None:
    lines = records(suite(), [make_group(make_sample(n), [write("X_RAY", "lung"), "x"]) for n in range(1, 60)])
    moved = [replace(line, total=1 - int(line.id[1:]) / 100) for line in lines]
    examples = _seen(moved, suite(), 3)
    assert all(len(best) <= 6 for best in examples._best.values())
    assert [entry["id"] for entry in examples.found()["gained"]] == ["s059", "s058", "s057"]
