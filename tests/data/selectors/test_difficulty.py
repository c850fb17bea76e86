import json
from pathlib import Path
from typing import Any

import pytest

from medix.data.selectors.curriculum import Milestone
from medix.data.selectors.difficulty import DifficultySelector, levels_of, mean_rewards
from medix.data.stream import Stream
from tests.support.streams import manifest


def _write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_rewards_are_means_over_the_scored_completions_of_all_files(tmp_path: Path) -> None:
    """0.2 and 0.6 and 1.0 of sample a; the unscored one does not count."""
    one = _write(
        tmp_path / "1.jsonl", [{"id": "a", "total": 0.2}, {"id": "a", "total": None}, {"id": "a", "total": 0.6}]
    )
    two = _write(tmp_path / "2.jsonl", [{"id": "a", "total": 1.0}, {"dataset": "d", "id": "a", "total": 0.5}])
    assert mean_rewards([one, two]) == {("", "a"): pytest.approx(0.6), ("d", "a"): 0.5}


def test_levels_by_hand() -> None:
    """Six samples, three levels: two of each; the three equal ones are not split and share the level of the first."""
    rewards = dict(zip("abcdef", (0.9, 0.8, 0.5, 0.5, 0.5, 0.1), strict=True))
    found = levels_of({("", name): reward for name, reward in rewards.items()}, 3)
    assert "".join(found["", name] for name in "abcdef") == "112223"


@pytest.mark.parametrize("order", range(3))
def test_equal_rewards_are_one_level_in_whatever_order_they_were_recorded_or_added(tmp_path: Path, order: int) -> None:
    """Summed as they stand, the means of a and b differ by one bit, as that of c from other sums does."""
    totals = [0.1, 0.14500000000000002, 0.14500000000000002, 0.955]
    turned = totals[::-1] if order == 0 else totals[order:] + totals[:order]
    rows = [{"id": name, "total": total} for name, found in (("a", totals), ("b", turned)) for total in found]
    rows += [{"id": "c", "total": 0.33625 + 2**-53}, {"id": "d", "total": 0.3}, {"id": "e", "total": 0.2}]
    rewards = mean_rewards([_write(tmp_path / "r.jsonl", [*rows, {"id": "f", "total": 0.9}])])
    assert rewards["", "a"] == rewards["", "b"]
    assert rewards["", "a"] != rewards["", "c"]
    found = levels_of(rewards, 6)
    assert "".join(found["", name] for name in "fabcde") == "122256"


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Stream([manifest(tmp_path, "m", [4, 4])])


def test_samples_are_drawn_by_their_level(tmp_path: Path, stream: Stream) -> None:
    """Ids m.0 to m.5 have rewards 1.0, 0.8, … 0.0: three levels of two; m.6 and m.7 are unknown."""
    records = _write(tmp_path / "r.jsonl", [{"dataset": "m", "id": f"m.{i}", "total": 1 - i / 5} for i in range(6)])
    easy_first = [Milestone(0, level={"2": 0, "3": 0, "unknown": 0}), Milestone(2, level={"1": 0, "unknown": 0})]
    selector = DifficultySelector([records], easy_first, levels=3)
    selector.bind(stream)
    assert [(part.label, len(part)) for part in selector.parts] == [
        (("1",), 2), (("2",), 2), (("3",), 2), (("unknown",), 2)
    ]  # fmt: skip
    names = [{4 * p.shard + p.position for p in map(selector.locate, range(10))}]
    selector.finish_step(2, 10, [])
    names.append({4 * p.shard + p.position for p in map(selector.locate, range(10, 30))})
    assert names == [{0, 1}, {2, 3, 4, 5}]


def test_samples_without_a_recorded_reward_are_counted_by_modality(tmp_path: Path) -> None:
    """Of five CT and three MRI samples, records of two and of none; with all of them there is nothing to say."""
    stream = Stream([manifest(tmp_path, "c", [5]), manifest(tmp_path, "m", [2, 1], "MRI_SCAN")])
    rows = [{"dataset": "c", "id": f"c.{i}", "total": i} for i in range(2)]
    selector = DifficultySelector([_write(tmp_path / "r.jsonl", rows)], [Milestone(0)])
    selector.bind(stream)
    assert selector.remarks() == [
        "data.selector.records has no reward of 6 of 8 training samples, which are at level unknown: CT_SCAN 3 of 5, "
        "MRI_SCAN 3 of 3"
    ]
    rows += [{"dataset": name, "id": f"{name}.{i}", "total": i} for name in "cm" for i in range(5)]
    whole = DifficultySelector([_write(tmp_path / "r.jsonl", rows)], [Milestone(0)])
    whole.bind(stream)
    assert whole.remarks() == []


def test_records_that_changed_since_the_checkpoint_are_refused(tmp_path: Path, stream: Stream) -> None:
    rows = [{"dataset": "m", "id": f"m.{i}", "total": i / 7} for i in range(8)]
    records = _write(tmp_path / "r.jsonl", rows)
    selector = DifficultySelector([records], [Milestone(0)])
    selector.bind(stream)
    state = selector.state_dict()
    _write(tmp_path / "r.jsonl", [*rows, {"dataset": "m", "id": "m.0", "total": 9.0}])
    again = DifficultySelector([records], [Milestone(0)])
    again.bind(stream)
    with pytest.raises(ValueError, match="a file of records, has changed"):
        again.load_state_dict(state)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"records": []}, r"records: no file is given"),
        ({"levels": 1}, "levels: 1; give 2 or more"),
        ({"milestones": [Milestone(0, level={"7": 1})]}, r'level: 7; give "1" to "4", or unknown'),
        ({"milestones": [Milestone(0, source={"x": 1})]}, "DifficultySelector has no weights by source"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        DifficultySelector(**{"records": ["r.jsonl"], "milestones": [Milestone(0)]} | arguments)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, r"r\.jsonl: No such file"),
        ("[1]\n", r"r\.jsonl, line 1: not a completion record"),
        ('{"id": "other", "total": 1}\n', "no reward of a training sample"),
    ],
)
def test_records_that_say_nothing_are_refused(tmp_path: Path, stream: Stream, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / "r.jsonl").write_text(text)
    with pytest.raises(ValueError, match=told):
        DifficultySelector([str(tmp_path / "r.jsonl")], [Milestone(0)]).bind(stream)


def test_a_last_line_that_a_crash_cut_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"id": "a", "total": 1}\n{"id": "b", "to')
    assert mean_rewards([str(tmp_path / "r.jsonl")]) == {("", "a"): 1.0}
