"""The stretches of a run whose conditions a resume changed."""

from medix.callbacks.stretches import Stretch, stretches_in, told, with_stretch

BUILD = {"torch": "2.9", "processor": {"kind": "x", "threads": 2}}


def run(*parts: tuple[int, str]) -> list[Stretch]:
    """A run that goes on from each step with a learning rate."""
    found: list[Stretch] = []
    for after, rate in parts:
        found = with_stretch(found, after, f"model: {{max_steps: {after + 9}, lr: {rate}}}\n", {}, BUILD)
    return found


def test_a_condition_and_another_and_the_first_again_are_three_stretches() -> None:
    found = run((0, "1"), (4, "2"), (6, "1"))
    assert told(found, 9) == [
        ("1 to 4", "as the run began"), ("5 to 6", "model.lr: 1 -> 2"), ("7 to 9", "model.lr: 2 -> 1"),
    ]  # fmt: skip


def test_a_resume_that_changes_only_how_long_it_runs_begins_no_stretch() -> None:
    found = run((0, "1"), (4, "1"), (6, "1"))
    assert [one["after"] for one in found] == [0]
    assert told(found, 9) == []


def test_stretches_that_a_run_does_not_go_on_from_are_left_out() -> None:
    assert [one["after"] for one in run((0, "1"), (4, "2"), (6, "3"), (4, "1"))] == [0]
    assert [one["after"] for one in run((0, "1"), (4, "2"), (4, "3"))] == [0, 4]


def test_files_and_machines_that_changed_under_one_spec_are_told() -> None:
    """An encoder or a judge exchanged in its folder, an edited template, another version or processor."""
    first = with_stretch([], 0, "a: 1", {"encoder": "e@1", "judge": "j", "rewards": "1"}, BUILD)
    suite = {"encoder": "e@2", "judge": "j", "rewards": "2"}
    found = with_stretch(first, 3, "a: 1", suite, {"torch": "3.0", "processor": {"kind": "y", "threads": 2}})
    assert told(found, 5)[1][1] == (
        "encoder: e@1 -> e@2; torch: 2.9 -> 3.0; processor: kind x, threads 2 -> kind y, threads 2"
    )


def test_a_checkpoint_holds_them_or_was_written_before() -> None:
    assert stretches_in({"callbacks": {"SaveSpec": {"spec": "a: 1", "stretches": [{"after": 0}]}}}) == [{"after": 0}]
    assert stretches_in({"callbacks": {"SaveSpec": {"spec": "a: 1"}}}) == []
    assert stretches_in({}) == []
