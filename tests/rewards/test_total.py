"""From components to a total: by hand for each rule, and by property against a plain loop."""

import math
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.rewards.base import ComponentScores, Unscored
from medix.rewards.normalisation import GroupNormalisation
from medix.rewards.total import TotalRule, Totals
from medix.rewards.weighted import Gate

Entry = float | Unscored | None
FAILED = Unscored("it broke")
MISSING = math.nan


def totals(rule: TotalRule, groups: list[Hashable] | None = None, **columns: list[Entry]) -> Totals:
    rows = len(next(iter(columns.values())))
    return rule({name: ComponentScores.of(column) for name, column in columns.items()}, groups, rows)


def numbers(found: Totals) -> list[float | None]:
    return [None if math.isnan(value) else round(value, 9) for value in found.total.tolist()]


TWO = TotalRule({"a": 0.75, "b": 0.25}, {}, {})
GATED = TotalRule({"a": 0.75, "b": 0.25}, {}, {"b": Gate("a")})


def test_weights_are_shared_by_what_applies() -> None:
    """0.75 * 1 + 0.25 * 0 = 0.75; without b, a alone: 1; without both, nothing applies."""
    found = totals(TWO, a=[1.0, 1.0, None], b=[0.0, None, None])
    assert numbers(found) == [0.75, 1.0, None]
    assert found.reason == ("", "", "no component with a weight applies to the row")


def test_an_unscored_component_leaves_the_row_unscored_with_its_reason() -> None:
    found = totals(TWO, a=[FAILED, 1.0], b=[1.0, FAILED])
    assert numbers(found) == [None, None]
    assert found.reason == ("a: it broke", "b: it broke")


def test_a_closed_gate_earns_nothing_and_keeps_its_weight() -> None:
    """a = 1: 0.75 + 0.25 = 1. a = 0: 0, not 0.25 and not a share of a alone. a = 0.5 is below 1."""
    assert numbers(totals(GATED, a=[1.0, 0.0, 0.5], b=[1.0, 1.0, 1.0])) == [1.0, 0.0, 0.375]


def test_a_gate_opens_at_its_level() -> None:
    rule = TotalRule({"a": 0.75, "b": 0.25}, {}, {"b": Gate("a", at_least=0.5)})
    assert numbers(totals(rule, a=[0.5, 0.49], b=[1.0, 1.0])) == [0.625, 0.3675]


def test_behind_a_closed_gate_a_failure_does_not_matter() -> None:
    assert numbers(totals(GATED, a=[0.0, 1.0], b=[FAILED, FAILED])) == [0.0, None]


def test_a_gate_that_could_not_be_scored_decides_nothing() -> None:
    """The gating component has no weight here: without the rule the row would pass for scored."""
    rule = TotalRule({"a": 0.0, "b": 1.0}, {}, {"b": Gate("a")})
    found = totals(rule, a=[FAILED], b=[1.0])
    assert numbers(found) == [None]
    assert found.reason == ("b: its gate a is unscored: it broke",)


def test_a_gate_that_does_not_apply_is_open_and_a_component_that_does_not_apply_stays_so() -> None:
    assert numbers(totals(GATED, a=[None, 0.0], b=[1.0, None])) == [1.0, 0.0]
    assert numbers(totals(TotalRule({"a": 0.5, "b": 0.5}, {}, {"b": Gate("a")}), a=[0.5], b=[None])) == [0.5]


CHAIN = {"e": Gate("j"), "f": Gate("e")}


def test_a_gate_reads_what_its_component_earns_behind_its_own_gate() -> None:
    """j = 0 closes e, which then earns 0 and closes f: 0. j = 1: 0.4 + 0.3 + 0.3 = 1; with e = 0, 0.4. The order in
    which they stand does not matter."""
    for weights in ({"j": 0.4, "e": 0.3, "f": 0.3}, {"f": 0.3, "e": 0.3, "j": 0.4}):
        rule = TotalRule(weights, {}, CHAIN)
        assert numbers(totals(rule, j=[0.0, 1.0, 1.0], e=[1.0, 1.0, 0.0], f=[1.0, 1.0, 1.0])) == [0.0, 1.0, 0.4]
        assert numbers(totals(rule, j=[0.0], e=[FAILED], f=[FAILED])) == [0.0]


def test_a_gate_that_could_not_be_scored_decides_nothing_further_on() -> None:
    found = totals(TotalRule({"j": 0.0, "e": 0.0, "f": 1.0}, {}, CHAIN), j=[FAILED], e=[1.0], f=[1.0])
    assert found.reason == ("f: its gate e is unscored: its gate j is unscored: it broke",)


def test_behind_a_component_that_does_not_apply_a_chain_is_open() -> None:
    """e does not apply, so it opens f's gate; j = 0 and f = 1 share the weight as 0.4 to 0.3."""
    rule = TotalRule({"j": 0.4, "e": 0.3, "f": 0.3}, {}, CHAIN)
    assert numbers(totals(rule, j=[0.0], e=[None], f=[1.0])) == [round(0.3 / 0.7, 9)]


def test_a_failure_without_a_reason_is_a_failure() -> None:
    found = totals(GATED, a=[1.0, Unscored("")], b=[Unscored(""), 1.0])
    assert numbers(found) == [None, None]
    assert found.reason == ("b: no reason was given", "a: no reason was given")


def test_a_penalty_comes_on_top_and_may_be_gated() -> None:
    """1 + 2 * (-0.25) = 0.5; behind a gate that is closed, no penalty."""
    rule = TotalRule({"a": 1.0}, {"p": 2.0}, {"p": Gate("a")})
    assert numbers(totals(rule, a=[1.0, 0.0], p=[-0.25, -0.25])) == [0.5, 0.0]


def test_normalised_components_weigh_by_their_weights_alone() -> None:
    """Group of two, a = (1, 0), b = (0.1, 0): totals differ by 0.775, almost all of it a's. Normalised both are
    +-0.70711, so the signal is 0.75 * 0.70711 + 0.25 * 0.70711 = 0.70711."""
    rule = TotalRule({"a": 0.75, "b": 0.25}, {}, {}, GroupNormalisation(eps=1e-12))
    found = totals(rule, ["g", "g"], a=[1.0, 0.0], b=[0.1, 0.0])
    assert numbers(found) == [0.775, 0.0]
    assert found.normalised is not None
    assert found.normalised.tolist() == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)])


def test_two_ways_to_the_same_total_are_told_apart() -> None:
    """(1, 0), (0, 1), (0, 0): totals 0.5, 0.5, 0. A group where b is rarer than a values b's row more."""
    rule = TotalRule({"a": 0.5, "b": 0.5}, {}, {}, GroupNormalisation())
    found = totals(rule, ["g"] * 4, a=[1.0, 0.0, 1.0, 0.0], b=[0.0, 1.0, 0.0, 0.0])
    assert numbers(found) == [0.5, 0.5, 0.5, 0.0]
    assert found.normalised is not None
    first, second, third, fourth = found.normalised.tolist()
    assert first == third < second
    assert fourth < first


def test_an_unscored_row_has_no_signal_and_leaves_the_group() -> None:
    rule = TotalRule({"a": 1.0}, {}, {}, GroupNormalisation(eps=1e-12))
    found = totals(rule, ["g"] * 3, a=[1.0, FAILED, 0.0])
    assert found.normalised is not None
    assert found.normalised.tolist() == pytest.approx([math.sqrt(0.5), MISSING, -math.sqrt(0.5)], nan_ok=True)


@pytest.mark.parametrize("failing", ["a", "p"])
def test_a_row_unscored_by_one_component_leaves_the_others_too(failing: str) -> None:
    """Two rows are left, a = (1, 0) and b = (0.5, 0): each is +-0.70711, and so is their mean. With the third row b
    would be (0, -1) around its mean of 0.5."""
    rule = TotalRule({"a": 0.5, "b": 0.5}, {"p": 1.0}, {}, GroupNormalisation(eps=1e-12))
    columns: dict[str, list[Entry]] = {"a": [1.0, 0.0, 1.0], "b": [0.5, 0.0, 1.0], "p": [0.0, 0.0, 0.0]}
    columns[failing][2] = FAILED
    found = totals(rule, ["g"] * 3, **columns)
    assert found.normalised is not None
    assert found.normalised.tolist() == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5), MISSING], nan_ok=True)


def test_a_failure_of_one_that_only_observes_leaves_the_row_in() -> None:
    """b without weight: a = (1, 0, 0.5) has mean 0.5 and spread 0.5."""
    rule = TotalRule({"a": 1.0, "b": 0.0}, {}, {}, GroupNormalisation(eps=1e-12))
    found = totals(rule, ["g"] * 3, a=[1.0, 0.0, 0.5], b=[1.0, 1.0, FAILED])
    assert found.normalised is not None
    assert found.normalised.tolist() == pytest.approx([1.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("gates", "circle"),
    [
        ({"a": Gate("b"), "b": Gate("a")}, "a -> b -> a"),
        ({"c": Gate("a"), "a": Gate("b"), "b": Gate("a")}, "a -> b -> a"),  # c only waits for it
        ({"a": Gate("b"), "b": Gate("p"), "p": Gate("a")}, "a -> b -> p -> a"),
        ({"a": Gate("a")}, "a -> a"),
    ],
)
def test_gates_in_a_circle_are_refused_with_their_names(gates: dict[str, Gate], circle: str) -> None:
    with pytest.raises(ValueError, match=rf"rewards\.components\.a\.gate\.component: .* form a cycle, {circle};"):
        TotalRule({"a": 0.5, "b": 0.5, "c": 0.0}, {"p": 1.0}, gates)


ENTRY = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.none(), st.just(FAILED))


@given(st.lists(st.tuples(ENTRY, ENTRY, ENTRY), max_size=8), st.booleans())
def test_rows_equal_a_plain_loop(rows: list[tuple[Entry, Entry, Entry]], is_gated: bool) -> None:
    rule = TotalRule({"a": 0.5, "b": 0.5}, {"p": 0.3}, {"b": Gate("a")} if is_gated else {})
    columns: dict[str, list[Entry]] = {name: [row[i] for row in rows] for i, name in enumerate("abp")}
    found = rule({name: ComponentScores.of(column) for name, column in columns.items()}, None, len(rows))
    for total, reason, row in zip(found.total.tolist(), found.reason, rows, strict=True):
        expected = by_hand(*row, is_gated=is_gated)
        assert math.isnan(total) == (expected is None) == bool(reason)
        if expected is not None:
            assert total == pytest.approx(expected)


def by_hand(a: Entry, b: Entry, p: Entry, *, is_gated: bool) -> float | None:
    if is_gated and b is not None:
        if isinstance(a, Unscored):
            return None
        if a is not None and a < 1:
            b = 0.0
    if any(isinstance(entry, Unscored) for entry in (a, b, p)):
        return None
    applicable = [entry for entry in (a, b) if entry is not None]
    if not applicable:
        return None
    return math.fsum(applicable) / len(applicable) + 0.3 * (p or 0.0)  # type: ignore[operator]
