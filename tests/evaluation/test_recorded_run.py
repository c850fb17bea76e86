"""Groups of a run, built again from its lines."""

from dataclasses import replace
from pathlib import Path

import pytest

from medix.advantages.max_variance_subset import MaxVarianceSubset
from medix.advantages.rloo import RLOOAdvantage
from medix.evaluation.recorded_run import RecordedRun, describe, group_records, steps_of
from medix.modality import ModalitySet
from medix.reporting.record import CompletionRecord, append_records
from tests.support.fake_training import make_group, make_sample
from tests.support.recorded import RUN_SPEC, groups, records, suite, write_run


def _indices(lines: list[CompletionRecord]) -> list[list[int]]:
    return [[record.index for record in group.records] for group in group_records(iter(lines), "file")]


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "completions" / "val-step-000002.jsonl").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"val-step-000002.jsonl: is a folder in the place of a record; restore the"):
        RecordedRun.find(tmp_path, "val")


def test_what_a_suite_scores_comes_back_whole() -> None:
    original = groups(3)
    again = [group.rollout for group in group_records(iter(records(suite(), original)), "file")]
    for old, new in zip(original, again, strict=True):
        assert replace(new.prompt.sample, images=old.prompt.sample.images) == old.prompt.sample
        assert [c.text for c in new.completions] == [c.text for c in old.completions]
        assert [len(c.token_ids) for c in new.completions] == [len(c.token_ids) for c in old.completions]
        assert [c.is_truncated for c in new.completions] == [c.is_truncated for c in old.completions]


def test_the_same_sample_in_two_steps_is_two_groups() -> None:
    lines = records(suite(), groups(1), step=1) + records(suite(), groups(1), step=2)
    assert _indices(lines) == [[0, 1, 2, 3], [0, 1, 2, 3]]


def test_a_sample_drawn_twice_in_a_step_is_two_groups_with_and_without_its_place_in_the_data() -> None:
    """Old files have no place: there an index that comes again tells."""
    lines = records(suite(), groups(1)) + records(suite(), groups(1))
    assert _indices(lines) == [[0, 1, 2, 3], [0, 1, 2, 3]]
    placed = [replace(line, position=place) for place, line in zip([7, 7, 9, 9], lines[:4], strict=True)]
    assert _indices(placed) == [[0, 1], [2, 3]]


def test_completions_of_other_weights_are_another_group() -> None:
    lines = records(suite(), groups(1))
    assert _indices([*lines[:2], *(replace(line, policy_version=1) for line in lines[2:])]) == [[0, 1], [2, 3]]


def test_lines_of_a_group_that_do_not_stand_together_are_an_error_with_its_remedy() -> None:
    first, second = records(suite(), groups(1)), records(suite(), groups(2))[4:]
    with pytest.raises(ValueError, match=r"'s000' at step 1 are not adjacent; restore the order"):
        _indices([first[0], second[0], first[1]])


def test_lines_that_were_filtered_away_leave_a_smaller_group() -> None:
    assert _indices(records(suite(), groups(1))[1:3]) == [[1, 2]]


def test_a_run_is_a_folder_or_one_file_and_its_spec_is_found_from_both(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", records(suite(), groups(2)))
    of_folder = RecordedRun.find(folder)
    of_file = RecordedRun.find(folder / "completions" / "train.rank0.jsonl")
    assert of_folder.files == of_file.files
    assert of_folder.folder == of_file.folder == folder
    assert of_folder.parts().modalities == ModalitySet(("X_RAY", "CT_SCAN", "MRI_SCAN"))
    assert of_folder.lines() == 8
    assert len(list(of_folder.groups())) == 2


def test_the_files_of_every_rank_are_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", records(suite(), groups(1)))
    append_records(folder / "completions" / "train.rank1.jsonl", records(suite(), groups(2))[4:])
    run = RecordedRun.find(folder)
    assert [group.records[0].id for group in run.groups()] == ["s000", "s001"]
    assert describe(run.files, run.folder) == "completions/train.rank0.jsonl, completions/train.rank1.jsonl"


def test_steps_and_splits_are_chosen(tmp_path: Path) -> None:
    lines = [line for step in (1, 2, 3) for line in records(suite(), groups(1), step=step)]
    run = RecordedRun.find(write_run(tmp_path / "run", lines))
    assert [group.records[0].step for group in run.groups(steps_of("2:"))] == [2, 3]
    assert list(run.groups(split="val")) == []


@pytest.mark.parametrize(
    ("text", "steps"), [("10:40", range(10, 41)), ("7", range(7, 8)), (":3", range(4)), ("5:5", range(5, 6))]
)
def test_ranges_of_steps_hold_both_ends(text: str, steps: range) -> None:
    assert steps_of(text) == steps
    assert 10**9 in steps_of("5:")


@pytest.mark.parametrize("text", ["a", "1:b", "9:3", "-4", "1:2:3"])
def test_what_is_no_range_of_steps_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"--steps .*give for example 10:40"):
        steps_of(text)


def test_the_spec_of_a_resumed_run_is_the_last_one(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", records(suite(), groups(1)))
    changed = RUN_SPEC.replace("advantage: null", "advantage: {class_path: medix.advantages.RLOOAdvantage}")
    subset = "  subset: {class_path: medix.advantages.MaxVarianceSubset, init_args: {size: 3}}\n"
    (folder / "spec.from-step-000010.yaml").write_text(changed + subset)
    parts = RecordedRun.find(folder).parts()
    assert isinstance(parts.advantage, RLOOAdvantage)
    assert isinstance(parts.subset, MaxVarianceSubset)


def test_without_a_spec_the_defaults_are_taken_and_said(tmp_path: Path) -> None:
    parts = RecordedRun.find(write_run(tmp_path / "run", records(suite(), groups(1)), spec="")).parts()
    assert parts.modalities == ModalitySet()
    assert parts.rewards is None
    assert "No spec.yaml" in parts.notes[0]


def test_a_kl_penalty_of_the_run_is_said_because_it_is_not_on_record(tmp_path: Path) -> None:
    spec = RUN_SPEC + "  reward_kl: {class_path: medix.losses.RewardKL}\n"
    parts = RecordedRun.find(write_run(tmp_path / "run", records(suite(), groups(1)), spec)).parts()
    assert any("KL penalty" in note for note in parts.notes)


def test_a_suite_of_classes_that_are_not_here_is_a_note_and_an_advantage_is_an_error(tmp_path: Path) -> None:
    lines = records(suite(), groups(1))
    lost = RUN_SPEC.replace("medix.rewards.FormatReward", "lost_rewards.Mine")
    parts = RecordedRun.find(write_run(tmp_path / "a", lines, lost)).parts()
    assert parts.rewards is None
    assert "rewards of spec.yaml cannot be built here" in parts.notes[0]
    lost = RUN_SPEC.replace("advantage: null", "advantage: {class_path: lost.Mine}")
    with pytest.raises(ValueError, match=r"(?s)spec\.yaml: model\.advantage.*lost\.Mine.*working directory"):
        RecordedRun.find(write_run(tmp_path / "b", lines, lost)).parts()


def test_a_run_that_is_not_there_or_holds_no_training_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no such folder or file"):
        RecordedRun.find(tmp_path / "absent")
    (tmp_path / "run" / "completions").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"found: no JSONL files.*RecordCompletions"):
        RecordedRun.find(tmp_path / "run")
    (tmp_path / "run" / "completions" / "val-step-000004.jsonl").touch()
    with pytest.raises(FileNotFoundError, match=r"--split train.*found: val-step-000004\.jsonl.*another --split"):
        RecordedRun.find(tmp_path / "run")
    assert len(RecordedRun.find(tmp_path / "run", "val").files) == 1


def test_a_cut_last_line_is_noticed_and_a_whole_one_without_its_end_is_not(tmp_path: Path) -> None:
    run = RecordedRun.find(write_run(tmp_path / "run", records(suite(), [make_group(make_sample(1), ["a", "b"])])))
    path = run.files[0]
    whole = path.read_bytes()
    assert run.truncated_files() == []
    path.write_bytes(whole[:-1])
    assert run.truncated_files() == []
    path.write_bytes(whole[:-30])
    assert run.truncated_files() == [path]
    assert len(next(iter(run.groups())).records) == 1


def test_samples_of_one_id_in_two_data_sets_are_two_groups() -> None:
    lines = records(suite(), groups(1))[:2]
    found = list(group_records(iter([replace(lines[0], dataset="a"), replace(lines[1], dataset="b")]), "file"))
    assert [group.rollout.prompt.sample.key for group in found] == [("a", "s000"), ("b", "s000")]


def test_a_group_that_occurs_twice_is_an_error_in_one_file_and_over_the_files_of_a_run(tmp_path: Path) -> None:
    lines = [replace(line, position=7) for line in records(suite(), groups(1))]
    with pytest.raises(ValueError, match=r"'s000' at step 1 and position 7 occur a second time"):
        _indices(lines + lines)
    folder = write_run(tmp_path / "run", lines)
    append_records(folder / "completions" / "train.rank0 (copy).jsonl", lines)
    assert len(list(RecordedRun.find(folder).groups())) == 1
    append_records(folder / "completions" / "train.rank1.jsonl", lines)
    with pytest.raises(ValueError, match=r"train\.rank1\.jsonl: .*occur a second time"):
        list(RecordedRun.find(folder).groups())
