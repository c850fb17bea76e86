"""Two systems on the same samples."""

import dataclasses
from collections.abc import Sequence

import pytest

from medix.evaluation.comparison import compare
from medix.evaluation.few_clusters import few_note
from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named
from medix.reporting.record import CompletionRecord, ComponentRecord, record_group
from medix.rewards.judged import JudgeReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.types import Verdict
from tests.judge.test_own_arguments import Contains
from tests.support.fake_training import MODALITIES, CountingJudge, FakeSuite, make_group, make_sample, write
from tests.support.recorded import two_sets


def _system(right: set[int], modality: str = "X_RAY", count: int = 40, start: int = 0) -> list[CompletionRecord]:
    """``count`` samples, two of a case, right on those in ``right``; the images of a case are one."""
    suite = FakeSuite(CountingJudge(fails_on=["down"]))
    groups = []
    for number in range(start, start + count):
        sample = make_sample(number, modality, case=f"p{number // 2}")
        answer = "lung" if number in right else "down" if number % 100 == 99 else "heart"
        groups.append(make_group(sample, [write(modality, answer)]))
    return [r for g in suite.score_groups(groups) for r in record_group(g, MODALITIES, step=1, split="val")]


def test_a_paired_gain_by_hand() -> None:
    """10 of 40 against 30 of 40, the 10 among the 30: gain 0.5 over 20 cases. McNemar's 2 · 2⁻²⁰ would take the two
    samples of a case for independent ones."""
    found = compare(_system(set(range(10))), _system(set(range(30))), min_images=1)
    whole = found.slices[0]
    assert (whole.name, whole.samples, whole.images, whole.cases) == ("All", 40, 40, 20)
    accuracy = whole.measures["accuracy"]
    assert (accuracy.first.estimate, accuracy.second.estimate, accuracy.gain.estimate) == (0.25, 0.75, 0.5)
    assert accuracy.gain.clusters == 20
    assert accuracy.gain.excludes_zero
    assert accuracy.mcnemar is None
    assert accuracy.p_value == accuracy.gain.p_value > 2 * 0.5**20
    assert whole.measures["reward"].gain.estimate == pytest.approx(0.25)
    assert whole.measures["modality_accuracy"].gain.estimate == 0.0


def test_mcnemars_test_is_made_where_each_pair_is_of_a_case_of_its_own() -> None:
    """20 gained, none lost: 2 · 2⁻²⁰, as of the coin that falls 20 times of 20."""
    one, two = ([dataclasses.replace(r, case=r.id) for r in _system(set(range(right)))] for right in (10, 30))
    accuracy = compare(one, two).slices[0].measures["accuracy"]
    assert accuracy.mcnemar == accuracy.p_value == pytest.approx(2 * 0.5**20)
    twice = [[dataclasses.replace(r, index=index) for r in side for index in (0, 1)] for side in (one, two)]
    assert compare(*twice).slices[0].measures["accuracy"].mcnemar is None  # two completions of one sample


def test_the_same_file_twice_gains_nothing() -> None:
    found = compare(_system({1, 2}), _system({1, 2}))
    assert found.slices[0].measures["accuracy"].gain.estimate == 0.0
    assert not found.slices[0].measures["accuracy"].gain.excludes_zero


def test_modalities_with_few_images_are_pooled_and_named() -> None:
    files = [
        _system(set(), "X_RAY", 40) + _system(set(), "CT_SCAN", 10, 100) + _system(set(), "MRI_SCAN", 10, 200)
        for _ in range(2)
    ]
    found = compare(*files)
    assert [(part.name, part.samples) for part in found.slices] == [
        ("All", 60), ("X_RAY", 40), ("pooled: CT_SCAN, MRI_SCAN", 20),
    ]  # fmt: skip


def test_several_questions_on_one_image_are_one_image() -> None:
    records = [dataclasses.replace(record, image_ids=("same",)) for record in _system(set())]
    assert compare(records, records).slices[0].images == 1


def test_an_unscored_answer_leaves_the_pair_out_and_moves_the_bounds() -> None:
    """Sample 99 of the first is unscored: 3 pairs; the first lies between 0/4 and 1/4."""
    first, second = _system(set(), count=4, start=96), _system({96, 97, 98, 99}, count=4, start=96)
    accuracy = compare(first, second).slices[0].measures["accuracy"]
    assert (accuracy.pairs, accuracy.left_out) == (3, 1)
    assert accuracy.first_bounds == (0.0, 0.25)


def test_a_sample_without_a_partner_is_an_error_unless_asked_for() -> None:
    first, second = _system(set()), _system(set(), count=39)
    with pytest.raises(ValueError, match=r"1 completions of first and 0 of second have no counterpart.*--common"):
        compare(first, second)
    found = compare(first, second, common=True)
    assert (found.only_first, found.only_second, found.slices[0].samples) == (1, 0, 39)
    assert "Unpaired completions: 1 of first" in found.markdown()


def test_other_data_under_the_same_ids_is_an_error() -> None:
    second = [dataclasses.replace(record, reference="liver") for record in _system(set())]
    with pytest.raises(ValueError, match="differs between the files"):
        compare(_system(set()), second)


def test_markdown_holds_a_table_per_measure_and_says_how_it_was_made() -> None:
    text = compare(_system({1}), _system({1, 2}), ("exchanged", "true"), min_images=1).markdown()
    assert text.count("| X_RAY |") == 3
    assert text.startswith("# true against exchanged")
    assert "| exchanged | true | Gain |" in text
    assert "clustered by case" in text
    assert "counting/v1" in text


def test_two_data_sets_that_count_from_one_are_paired_by_data_set_and_id() -> None:
    """First right on 2 + 5 of 12, second on 4 + 6: gain (10 - 7) / 12 over 6 cases; 6 images in each data set."""
    found = compare(two_sets({"a": 2, "b": 5}), two_sets({"b": 6, "a": 4}), min_images=1).slices[0]
    counts = (found.samples, found.completions, found.images, found.cases)
    assert counts == (12, 12, 12, 6)
    accuracy = found.measures["accuracy"]
    assert (accuracy.first.estimate, accuracy.second.estimate) == (pytest.approx(7 / 12), pytest.approx(10 / 12))
    assert accuracy.gain.estimate == pytest.approx(3 / 12)


def test_files_of_different_data_sets_that_share_ids_do_not_pair() -> None:
    with pytest.raises(ValueError, match=r"6 completions of first and 6 of second have no counterpart, 0 have one"):
        compare(two_sets({"a": 2}), two_sets({"b": 2}))


def test_a_completion_that_a_file_has_twice_is_an_error_that_names_file_and_sample() -> None:
    records = two_sets({"a": 2})
    with pytest.raises(ValueError, match=r"after: 1 of 7 completions repeat .* samples a: 3"):
        compare(records, [*records, records[2]], ("before", "after"))


def test_a_file_from_before_data_sets_were_recorded_pairs_where_its_ids_are_clear() -> None:
    new = two_sets({"a": 2})
    old = [dataclasses.replace(record, dataset="") for record in new]
    assert compare(old, new).slices[0].samples == compare(new, old).slices[0].samples == 6
    with pytest.raises(ValueError, match="6 completions of first and 12 of second have no counterpart"):
        compare(old, two_sets({"a": 2, "b": 2}))


def test_a_file_of_several_steps_does_not_pair_and_the_message_says_what_does() -> None:
    records = two_sets({"a": 2})
    later = dataclasses.replace(records[2], step=records[2].step + 4)
    message = r"after: sample '3' of data set 'a' has completion 0 at step (\d+) and again at step \d+.* one validation"
    with pytest.raises(ValueError, match=message):
        compare(records, [*records, later], ("before", "after"))


def test_other_images_under_the_same_ids_are_an_error_unless_they_were_exchanged() -> None:
    first = _system({1})
    second = [dataclasses.replace(record, image_ids=("ffff",)) for record in first]
    with pytest.raises(ValueError, match=r"differs between the files: .*ffff"):
        compare(first, second)
    marked = [dataclasses.replace(record, exchanged=True) for record in second]
    assert compare(first, marked, ("own", "other")).names == ("own", "other (images exchanged)")
    older = [dataclasses.replace(record, image_ids=()) for record in first]
    assert compare(first, older).slices[0].completions == 40


def test_gains_between_rewards_or_judges_of_different_kinds_are_not_computed() -> None:
    first, second = (
        [dataclasses.replace(record, rewards=name) for record in _system({1, 2})] for name in ("old", "new")
    )
    tables = {table.title.split(" of ")[0]: table for table in compare(first, second, min_images=1).tables()}
    assert "gain not computed, scored by different rewards" in tables["Reward"].title
    assert tables["Reward"].rows[0][7] == tables["Reward"].rows[0][9] == "\N{EN DASH}"
    assert "gain" not in tables["Accuracy"].title
    judged = [
        dataclasses.replace(record, verdict=dataclasses.replace(record.verdict, judge="other/v2", asked=""))
        for record in _system({1, 2})
        if record.verdict is not None
    ]
    tables = {table.title.split(" of ")[0]: table for table in compare(first, judged, common=True).tables()}
    counting = named(CountingJudge(fails_on=["down"]))
    assert f"judged by {counting} and by other/v2" in tables["Accuracy"].title
    assert "40 samples, one completion each" in tables["Modality accuracy"].title
    assert tables["Modality accuracy"].rows[0][7] != "\N{EN DASH}"


def test_judges_of_ones_own_with_other_arguments_are_other_judges() -> None:
    """Their identity leaves out what their verdicts depend on, as that of a class of one's own may."""
    first, second = ([dataclasses.replace(r, own_judges=digest) for r in _system({1, 2})] for digest in ("a", "b"))
    why = "by judges of one's own with other arguments"
    assert compare(first, second).differing == {"accuracy": f"judged {why}", "reward": f"judged {why}"}
    assert not compare(first, first).differing
    assert not compare(first, _system({1, 2})).differing  # of an older file, or without such a judge


def _judged(judge: Judge, answers: Sequence[str]) -> list[CompletionRecord]:
    """Records of a suite with this judge, on samples whose reference is ``lung``."""
    groups = [make_group(make_sample(n, case=f"p{n}"), [write("X_RAY", text)]) for n, text in enumerate(answers)]
    suite = RewardSuite({"judge": Weighted(JudgeReward(judge), 1.0)}, modalities=MODALITIES)
    return [
        record
        for group in suite.score_groups(groups)
        for record in record_group(group, MODALITIES, step=1, split="val")
    ]


def test_what_is_compared_is_the_judge_that_was_asked_whichever_member_spoke() -> None:
    """The first system never answers literally, so that no rule of the hybrid judge decides."""
    wrong, right = ["heart", "liver", "spleen"], ["lung", "lung", "spleen"]
    first, second = (_judged(HybridJudge(ExactJudge()), answers) for answers in (wrong, right))
    found = compare(first, second)
    assert found.judges == ("hybrid/10 over exact/4", "hybrid/10 over exact/4")
    assert not found.differing
    assert compare(_judged(ExactJudge(), wrong), first).differing.keys() == {"accuracy", "reward"}
    strict, loose = (_judged(Contains(is_strict), wrong) for is_strict in (True, False))
    assert compare(strict, loose).differing.keys() == {"accuracy", "reward"}
    assert not compare(strict, strict).differing


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        (("answer rule R", "j asked by R"), ("answer rule R", "j"), True),
        (("answer rule R",), ("j asked by R", "j"), True),  # no answer of the first was left to the judge
        (("answer rule R", "j"), ("answer rule R", "k"), False),
        (("answer rule R", "j"), ("j",), False),
        (("answer rule R", "j"), ("answer rule S", "j"), False),
    ],
)
def test_one_judge_under_one_answer_rule_is_one_whichever_of_its_names_occur(
    first: tuple[str, ...], second: tuple[str, ...], is_one: bool
) -> None:
    sides = [
        [
            dataclasses.replace(r, verdict=Verdict(1.0, names[number % len(names)]), components={})
            for number, r in enumerate(_system({1, 2}, count=4))
        ]
        for names in (first, second)
    ]
    assert set(compare(sides[0], sides[1]).differing) == (set() if is_one else {"accuracy", "reward"})
    known = [[dataclasses.replace(r, rewards="same") for r in side] for side in sides]  # says which rule, named or not
    is_one_judge = "k" not in second
    assert set(compare(known[0], known[1]).differing) == (set() if is_one_judge else {"accuracy", "reward"})


def test_a_small_p_value_is_not_zero() -> None:
    (accuracy, *_) = compare(_system(set(range(10))), _system(set(range(30))), min_images=1).tables()
    assert accuracy.rows[0][-1] == "< 0.001"


def test_rewards_that_asked_different_judges_have_no_gain() -> None:
    """Both files are validated by one judge, and the reward component of each asked another one."""
    one = _system({1, 2})
    files = []
    for name in ("j1", "j2"):
        asked = {"judge": ComponentRecord(1.0, "scored", is_judged=True, verdict=Verdict(1.0, name))}
        files.append([dataclasses.replace(record, components=asked) for record in one])
    found = compare(*files)
    assert found.differing == {"reward": "its component judge judged by j1 and by j2"}


def test_cases_that_only_one_file_knows_count_in_both_orders() -> None:
    known, unknown = _system(set(range(10))), [dataclasses.replace(r, case="") for r in _system(set(range(30)))]
    assert compare(known, unknown).slices[0].cases == compare(unknown, known).slices[0].cases == 20


def test_files_whose_samples_accept_other_answers_have_no_gain() -> None:
    """The order of aliases does not matter; one sample with another alias is enough to compare different questions."""
    one = [dataclasses.replace(record, aliases=("a", "b")) for record in _system({1, 2})]
    other = [dataclasses.replace(record, aliases=("b", "a")) for record in one]
    assert not compare(one, other).differing
    other[0] = dataclasses.replace(other[0], aliases=())
    why = "1 sample accepts other answers (aliases) in one file than in the other"
    assert compare(one, other).differing == {"accuracy": why, "reward": why}


def test_modalities_of_few_cases_are_marked() -> None:
    files = [_system(right, count=60) + _system(right, "CT_SCAN", 40, 100) for right in (set[int](), {1, 2})]
    found = compare(*files, min_images=1)
    for table in found.tables():
        assert [row[table.columns.index("Cases")] for row in table.rows] == ["50", "20 *", "30"]
    assert found.notes == [few_note("cases")]
    assert not compare(*(side[:60] for side in files)).notes
    for side in files:  # of the modality of 30 cases 10 have no verdict that both systems have
        side[:20] = [dataclasses.replace(record, verdict=None) for record in side[:20]]
    accuracy = compare(*files, min_images=1).tables()[0]
    assert [row[accuracy.columns.index("Cases")] for row in accuracy.rows] == ["40", "20 *", "20 *"]


def test_cases_that_hold_other_samples_are_refused_where_both_files_know_them() -> None:
    one, two = _system(set(range(10))), _system(set(range(30)))
    renamed = [dataclasses.replace(r, case=f"salted {r.case}") for r in two]
    assert compare(one, renamed).slices[0].cases == 20
    alone = [dataclasses.replace(r, case=r.id) for r in two]
    first, second = one[0].id, one[1].id
    with pytest.raises(ValueError, match=rf"items {first} and {second} are of one case in first and of two in second"):
        compare(one, alone)
    unknown = [alone[0], *(dataclasses.replace(r, case="") for r in alone[1:])]
    assert compare(one, unknown).slices[0].cases == 20
