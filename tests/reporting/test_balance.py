"""What was drawn, by hand."""

import json
import math

import pytest

from medix.reporting.balance import WINDOW, Balance, GroupRow, balance_table
from medix.reporting.table import MISSING
from medix.types import CompletionScores, Prompt, RolloutGroup, Sample, ScoredGroup


def _row(name: str, modality: str = "CT_SCAN", source: str = "x", reward: float = 0.5, dataset: str = "d") -> GroupRow:
    return GroupRow(dataset, name, source, modality, (), 2 * reward, 2)


def test_a_row_by_hand() -> None:
    """Totals 1, 0.25 and one that is unscored; a text-only sample."""
    group = ScoredGroup(
        RolloutGroup(Prompt(Sample("a", "?", "!", None, source="s", dataset="d", subgroup={"sex": "F"}), (1,)), (), 0),
        tuple(CompletionScores(total, {}) for total in (1.0, 0.25, math.nan)),
    )
    assert GroupRow.of(group) == GroupRow("d", "a", "s", "TEXT_ONLY", (("sex", "F"),), 1.25, 2)


def test_subgroups_have_rows_of_their_own_also_after_a_resume() -> None:
    """Rewards 0.2 and 0.4 of F in two steps, 0.9 of M in the first; a sample without a value is in no subgroup."""
    rows = [_row(name, reward=reward) for name, reward in (("a", 0.2), ("b", 0.9), ("c", 0.5), ("a", 0.4))]
    told = [row._replace(subgroup=(("sex", sex),)) for row, sex in zip(rows, ("F", "M", "", "F"), strict=True)]
    balance = Balance()
    balance.add(told[:3], told[:1])
    balance = Balance.from_state(json.loads(json.dumps(balance.state_dict())))
    balance.add(told[3:], [])
    found = balance.rows({})
    kinds = [(row["kind"], row["name"], row["drawn"], row["groups"], row["first"], row["last"]) for row in found]
    assert kinds[-2:] == [("sex", "F", 1, 2, 0.2, 0.4), ("sex", "M", 1, 1, None, None)]
    assert [row[0] for row in balance_table(found).rows][-2:] == ["sex F", "sex M"]


def test_counts_by_hand() -> None:
    """Sample a twice and b once, of five CT samples; m once, of two MRI samples. Median of 0, 0, 0, 1, 2 is 0, of 0 and
    1 is 0.5, and of all seven 0. Two of the four groups were trained on."""
    balance = Balance()
    balance.add([_row("a"), _row("b")], [_row("a")])
    balance.add([_row("a"), _row("m", "MRI_SCAN", "")], [_row("m", "MRI_SCAN", "")])
    sizes = {("", ""): 7, ("modality", "CT_SCAN"): 5, ("modality", "MRI_SCAN"): 2}
    rows = {(row["kind"], row["name"]): row for row in balance.rows(sizes)}
    assert list(rows) == [
        ("", ""), ("modality", "CT_SCAN"), ("modality", "MRI_SCAN"), ("source", "x"), ("dataset", "d")
    ]  # fmt: skip
    columns = ("samples", "drawn", "groups", "min", "median", "max", "trained")
    assert [tuple(row[name] for name in columns) for row in rows.values()] == [
        (7, 3, 4, 0, 0, 2, 2), (5, 2, 3, 0, 0, 2, 1), (2, 1, 1, 0, 0.5, 1, 1),
        (None, 2, 3, None, None, 2, 1), (None, 3, 4, None, None, 2, 2),
    ]  # fmt: skip
    table = balance_table(list(rows.values()))
    assert list(table.rows[0]) == ["All", "3 of 7", "4", "0 / 0 / 2", "2 (50.0 %)", "0.500", "0.500"]
    assert [row[0] for row in table.rows] == ["All", "CT_SCAN", "MRI_SCAN", "source x", "data set d"]
    assert table.rows[3][3] == f"{MISSING} / {MISSING} / 2"


@pytest.mark.parametrize(("steps", "first", "last"), [(1, None, None), (3, 0.0, 0.02), (4, 0.005, 0.025),
                                                      (50, 0.045, 0.445)])  # fmt: skip
def test_rewards_are_means_over_the_ends_of_the_run(steps: int, first: float | None, last: float | None) -> None:
    """The reward of step i is i / 100. Of four: means of 0, 1 and of 2, 3; of fifty: of 0 to 9 and 40 to 49."""
    balance = Balance()
    for step in range(steps):
        balance.add([_row("a", reward=step / 100)], [])
    row = balance.rows({})[0]
    assert (row["first"], row["last"]) == (pytest.approx(first), pytest.approx(last))
    assert WINDOW == 10


def test_steps_without_a_slice_and_unscored_groups_do_not_count() -> None:
    balance = Balance()
    for reward in (0.2, 0.4):
        balance.add([_row("a", reward=reward), GroupRow("d", "m", "", "MRI_SCAN", (), 0.0, 0)], [])
        balance.add([_row("b", "X_RAY")], [])
    rows = {row["name"]: row for row in balance.rows({})}
    assert (rows["CT_SCAN"]["first"], rows["CT_SCAN"]["last"]) == pytest.approx((0.2, 0.4))
    assert rows["MRI_SCAN"]["first"] is None


def test_a_resumed_run_goes_on_counting() -> None:
    straight, stopped = Balance(), Balance()
    for step in range(30):
        if step == 17:
            stopped = Balance.from_state(stopped.state_dict())
        for balance in (straight, stopped):
            balance.add([_row(f"s{step % 7}", reward=step / 30)], [_row("s0")], {"a.tar": 2})
    assert stopped.state_dict() == straight.state_dict()
    assert stopped.rows({("", ""): 7}) == straight.rows({("", ""): 7})
    assert straight.notes() == [
        "60 samples of a.tar were left out of training: the shard cannot be read (data.on_bad_shard: skip)."
    ]


def test_a_size_that_is_smaller_than_what_was_drawn_is_not_believed() -> None:
    balance = Balance()
    balance.add([_row("a"), _row("b")], [])
    assert balance.rows({("", ""): 1})[0]["samples"] is None


def test_rewards_by_another_suite_are_not_compared_with_those_before() -> None:
    """Twelve steps of 0.9, then, resumed with a harsher suite, four of 0.1, 0.2, 0.3 and 0.4."""
    balance = Balance()
    for _ in range(12):
        balance.use_conditions("lenient", "", 0)
        balance.add([_row("a", reward=0.9)], [])
    assert balance.notes() == []
    balance = Balance.from_state(balance.state_dict())
    for step, reward in enumerate((0.1, 0.2, 0.3, 0.4), start=12):
        balance.use_conditions("harsh", "", step)
        balance.add([_row("a", reward=reward)], [])
    row = balance.rows({})[0]
    assert (row["first"], row["last"], row["groups"]) == (pytest.approx(0.15), pytest.approx(0.35), 16)
    [note] = Balance.from_state(balance.state_dict()).notes()
    assert note.startswith("Training rewards up to step 12 were given by other rewards")


def test_rewards_of_completions_that_were_sampled_otherwise_are_not_compared_with_those_before() -> None:
    """Two steps of 0.4 at temperature 1, then, after a resume, two of 0.8 at temperature 0.5."""
    balance = Balance()
    for step, (temperature, reward) in enumerate((("1.0", 0.4), ("1.0", 0.4), ("0.5", 0.8), ("0.5", 0.8))):
        balance.use_conditions("same", temperature, step)
        balance.add([_row("a", reward=reward)], [])
        balance = Balance.from_state(balance.state_dict())
    row = balance.rows({})[0]
    assert (row["first"], row["last"], row["groups"]) == (pytest.approx(0.8), pytest.approx(0.8), 4)
    [note] = balance.notes()
    assert note.startswith("Training rewards up to step 2 were for other prompts or another sampling")


def test_rewards_of_unknown_identity_count_as_the_same() -> None:
    balance = Balance()
    for identity in ("", "known", "", "known"):
        balance.use_conditions(identity, identity, 1)
        balance.add([_row("a")], [])
    assert balance.rows({})[0]["first"] == 0.5
    assert balance.notes() == []
