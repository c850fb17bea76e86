"""Two models on the same tasks."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from medix.evaluation.few_clusters import few_note
from medix.evaluation.score_comparison import Tasks, compare_scores
from medix.evaluation.scored_completion import ScoredCompletion
from medix.reporting.table import MISSING

SPEC: dict[str, Any] = {"scoring": "binary", "cluster": "item", "rules": ["exact"]}


def _rows(given: Sequence[float | None], **fields: Any) -> list[ScoredCompletion]:
    return [
        ScoredCompletion(f"i{n}", 0, fields.pop("cluster", None) or f"i{n}", "q", ("a",), "t", "a", credit,
                         **({"by": "judge", "judge": "j"} | fields))
        for n, credit in enumerate(given)
    ]  # fmt: skip


def _task(given: Sequence[float | None], **fields: Any) -> Tasks:
    return {"t": (SPEC, _rows(given, **fields))}


def test_two_models_by_hand() -> None:
    """12 gained, 4 lost of 40: difference 0.2; McNemar 0.0768, as of the coin that falls 12 times or more of 16."""
    first, second = [0.0] * 12 + [1.0] * 28, [1.0] * 12 + [0.0] * 4 + [1.0] * 24
    found = compare_scores(_task(first), _task(second), ("one", "other")).tasks[0]
    assert (found.first, found.second, found.difference.estimate) == (0.7, 0.9, pytest.approx(0.2))
    assert found.mcnemar == found.p_value == found.adjusted == pytest.approx(5034 / 65536)
    assert found.difference.low < 0.2 < found.difference.high
    assert found.detectable > 0.2
    assert (found.pairs, found.left_out) == (40, 0)


@pytest.mark.parametrize(("count", "is_detectable"), [(1, False), (4, False), (5, False), (7, True)])
def test_no_difference_above_all_is_called_detectable(count: int, is_detectable: bool) -> None:
    """Four of 5 gain and one loses: error √(5.2 · 5/4) / 7 = 0.364, t(0.975) + t(0.8) = 3.717, and so 135 %."""
    first, second = [0.0] * (count - 1) + [1.0], [1.0] * (count - 1) + [0.0]
    found = compare_scores(_task(first), _task(second), ("one", "other"))
    note = f"t: no difference can be detected with {count} cluster{'s' * (count > 1)}."
    (row,) = found.tables()[0].rows
    assert (note in found.notes, row[6] == MISSING, found.to_dict()["tasks"][0]["detectable"] is None) == (
        (not is_detectable,) * 3
    )
    assert is_detectable or math.isnan(found.tasks[0].detectable)


def test_clusters_that_hold_other_items_are_refused_and_other_names_are_not() -> None:
    """Two images of 20 questions each, and 40 images: the interval of one of them would be told for both."""
    rows, spec = _rows([0.0, 1.0] * 20), SPEC | {"cluster": "image"}
    halves = {"t": (spec, [replace(one, cluster=f"c{n // 20}") for n, one in enumerate(rows)])}
    named = {"t": (spec, [replace(one, cluster=f"d{n // 20}") for n, one in enumerate(rows)])}
    with pytest.raises(ValueError, match="t: items i0 and i1 are of one image in other and of two in one, so that no"):
        compare_scores({"t": (spec, rows)}, halves, ("one", "other"))
    assert compare_scores(halves, named, ("one", "other")).tasks[0].difference.clusters == 2


def test_items_of_one_image_are_not_independent_pairs() -> None:
    tasks: list[Tasks] = []
    for right in (4, 6):
        rows = [
            ScoredCompletion(f"i{n}", 0, f"c{n % 8}", "q", ("a",), "t", "a", float(n % 8 < right)) for n in range(40)
        ]
        tasks.append({"t": (SPEC, rows)})
    found = compare_scores(tasks[0], tasks[1], ("one", "other")).tasks[0]
    assert found.mcnemar is None
    assert found.p_value == found.difference.p_value
    assert found.difference.clusters == 8


def test_p_values_are_adjusted_for_the_number_of_tasks() -> None:
    worse, better = [0.0] * 8 + [1.0] * 12, [1.0] * 20
    first = {f"t{n}": (SPEC, _rows(worse)) for n in range(3)}
    second = {f"t{n}": (SPEC, _rows(better if n == 0 else worse)) for n in range(3)}
    found = compare_scores(first, second, ("one", "other"))
    assert [task.p_value for task in found.tasks] == [pytest.approx(2 / 256), 1, 1]
    assert found.tasks[0].adjusted == pytest.approx(6 / 256)
    assert found.tables()[0].rows[0][5] == "0.023 *"


def test_unscored_and_unpaired_completions_are_counted_and_left_out() -> None:
    found = compare_scores(_task([1.0, None, 1.0, 0.0]), _task([1.0, 1.0, None]), ("one", "other")).tasks[0]
    assert (found.pairs, found.left_out) == (1, 3)
    # second minus first: known 1, 1, ?, ? and 1, ?, 1, 0, so (2 + 0 - 3) / 4 at least and (2 + 2 - 2) / 4 at most
    assert found.bounds == (-0.25, 0.5)
    empty = compare_scores(_task([None]), _task([1.0]), ("one", "other"))
    assert json.loads(json.dumps(empty.to_dict(), allow_nan=False))["tasks"][0]["first"] is None


def test_verdicts_of_different_judges_have_no_difference() -> None:
    found = compare_scores(_task([1.0]), _task([1.0], judge="k"), ("one", "other"))
    assert not found.tasks
    assert found.notes[0] == "t: judged by j and by k; no difference is computed."
    assert found.tables()[0].rows[0][0] == "t"


def test_rules_alone_are_another_judge_where_they_leave_something_unscored() -> None:
    """They accept right answers and leave wrong ones open: of ten pairs the five that both scored are those that the
    first model has right."""
    alone = _rows([1.0] * 5, by="rule", judge="rule/1") + _rows([1.0] * 5 + [None] * 5, by="", judge="")[5:]
    judged = _task([1.0, 0.0] * 5)
    found = compare_scores({"t": (SPEC, alone)}, judged, ("one", "other"))
    assert found.notes[0] == "t: judged by rules alone and by j; no difference is computed."
    assert compare_scores(judged, {"t": (SPEC, alone)}, ("one", "other")).differing
    whole = {"t": (SPEC, _rows([1.0] * 10, by="rule", judge="rule/1"))}
    assert compare_scores(whole, judged, ("one", "other")).tasks[0].pairs == 10


def test_verdicts_by_other_versions_of_the_rules_have_no_difference() -> None:
    def mixed(version: str, **fields: Any) -> Tasks:
        by_rule = _rows([1.0, 0.0], by="rule", judge=version, **fields)
        return {"t": (SPEC, [*by_rule, *_rows([None, None, 1.0])[2:]])}

    found = compare_scores(mixed("rule/option-6"), mixed("rule/option-10"), ("one", "other"))
    assert not found.tasks
    assert found.notes[0] == (
        "t: judged by the rules rule/option-6 and rule/option-10 (run eval judge again); no difference is computed."
    )
    for second in (mixed("rule/option-6"), _task([1.0, 0.0, 1.0])):
        assert compare_scores(mixed("rule/option-6"), second, ("one", "other")).tasks[0].pairs == 3
    empty = [replace(row, answer=None) for row in _rows([0.0], by="rule", judge="rule/option-10")]
    whole = {"t": (SPEC, [*empty, *_rows([0.0, 1.0, 1.0])[1:]])}
    assert compare_scores(mixed("rule/option-6"), whole, ("one", "other")).tasks[0].pairs == 3


@pytest.mark.parametrize("changed", [{"scoring": "rubric"}, {"rules": []}, {"cluster": "case"}])
def test_a_task_that_was_scored_in_two_ways_has_no_difference(changed: dict[str, Any]) -> None:
    """Credits would else be grades in one and accuracies in the other."""
    second = {"t": (SPEC | changed, _rows([1.0]))}
    found = compare_scores(_task([1.0]), second, ("one", "other"))
    assert not found.tasks
    assert found.notes[0].startswith("t: scored as binary with the rules exact, clustered by item, and as ")


def test_tasks_that_only_one_has_are_named_and_none_in_common_is_an_error() -> None:
    first = {**_task([1.0] * 6), "u": (SPEC, _rows([1.0]))}
    found = compare_scores(first, _task([0.0] * 6), ("one", "other"))
    assert found.only_first == ("u",)
    assert "Only one has u." in found.markdown()
    with pytest.raises(ValueError, match="none is common; evaluate both on the same tasks"):
        compare_scores({"u": first["u"]}, _task([1.0]), ("one", "other"))


def test_an_item_with_other_contents_is_refused() -> None:
    images = {"images": ({"sha256": "x", "name": "a.png"},)}
    with pytest.raises(ValueError, match="t: item i0 has another question, reference or image in one than in other"):
        compare_scores(_task([1.0]), _task([1.0], **images), ("one", "other"))


def test_a_judge_that_failed_is_named_as_such() -> None:
    """Its rows name it, so that what is left are verdicts by rule, and not because none was asked."""
    dead = _rows([1.0] * 5, by="rule", judge="rule/1") + _rows([1.0] * 5 + [None] * 5, by="", judge="k")[5:]
    found = compare_scores(_task([1.0, 0.0] * 5), {"t": (SPEC, dead)}, ("one", "other"))
    assert found.differing == {"t": "judged by j and by rules alone (k failed: run eval judge again)"}
    none = [*dead[:5], *_rows([1.0] * 5 + [None], by="", judge="rule/1")[5:]]
    found = compare_scores(_task([1.0, 0.0] * 3), {"t": (SPEC, none)}, ("one", "other"))
    assert found.differing == {"t": "judged by j and by rules alone"}


def test_equal_grades_are_no_proof_that_models_are_equal() -> None:
    """40 equal grades: 5 · 2.02269 · √(2 · 0.2² · 40/39) / 42 = 0.069 of a grade each side; what would be found is
    (2.02269 + 0.85070) · 5 · 0.0068201 = 0.098."""
    rubric = {"t": (SPEC | {"scoring": "rubric"}, _rows([0.8] * 40))}
    found = compare_scores(rubric, rubric, ("one", "other"))
    assert found.tables()[0].rows[0][3:7] == ["+0.000 (\N{MINUS SIGN}0.069 to +0.069)", "1.000", "1.000", "0.098"]


def test_tasks_of_few_clusters_are_marked() -> None:
    for size, cell in ((29, "29 *"), (30, "30")):
        found = compare_scores(_task([1.0] * size), _task([0.0] * size), ("one", "other"))
        (table,) = found.tables()
        assert table.rows[0][table.columns.index("Clusters")] == cell
        assert found.to_dict()["tasks"][0]["few_clusters"] == (size == 29)
        assert few_note() in found.notes[-1]
