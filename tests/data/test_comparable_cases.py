"""Which splits can be compared by their cases."""

from typing import Any

import pytest

from medix.data.comparable_cases import ONE_SALT, Advice, CaseMatches, CaseNames, CaseNaming
from medix.data.index import IndexRow
from medix.data.manifest import Manifest, ShardEntry

ONE, TWO = "1" * 16, "2" * 16
HASH, OTHER_HASH = "0123456789abcdef", "fedcba9876543210"


def _naming(name: str, salt: str | None, case: str, dataset: str = "made", build: str = "") -> CaseNaming:
    naming = CaseNaming()
    _add(naming, name, salt, case, dataset, build)
    return naming


def _add(naming: CaseNaming, name: str, salt: str | None, case: str, dataset: str = "made", build: str = "") -> Any:
    shard = ShardEntry("a.tar", "0" * 64, 1, 1)
    stated = {"salt_digest": salt, "build": build}
    return naming.add(Manifest(name, "CT_SCAN", "CC0", "none", (shard,), dataset=dataset, **stated), case)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ((ONE, HASH), (ONE, OTHER_HASH), ""),
        ((ONE, HASH), (TWO, OTHER_HASH), "by different salts"),
        ((ONE, ""), (TWO, ""), "by different salts"),  # ids are pseudonyms, too
        ((ONE, HASH), (None, OTHER_HASH), "unknown whether by one salt"),
        ((None, HASH), (None, OTHER_HASH), "unknown whether by one salt"),
        ((ONE, HASH), ("", "patient 7"), "one are pseudonyms and the other names"),
        ((ONE, HASH), (None, "patient 7"), "one are pseudonyms and the other names"),
        ((None, HASH), ("", "patient 7"), "one are pseudonyms and the other names"),
        ((ONE, HASH), ("", ""), ""),
        ((ONE, HASH), ("", OTHER_HASH), "unknown whether by one salt"),
        (("", HASH), (None, OTHER_HASH), "unknown whether by one salt"),
        (("", HASH), ("", OTHER_HASH), "unknown whether by one salt"),
        (("", HASH), ("", "patient 7"), "one are pseudonyms and the other names"),
        (("", HASH), (None, "patient 7"), "one are pseudonyms and the other names"),
        ((None, "patient 1"), (None, "patient 7"), ""),
        ((None, ""), (None, ""), ""),
    ],
)
def test_whether_cases_can_be_recognised(one: tuple[str | None, str], other: tuple[str | None, str], told: str) -> None:
    for first, second in ((one, other), (other, one)):
        found = list(_naming("a", *first).incomparable(_naming("b", *second), ()))
        assert len(found) == bool(told)
        assert told in "".join(map(str, found))


def test_a_case_that_is_found_in_both_says_that_they_are_named_alike() -> None:
    """But not where the salts are known to differ: then it is found by a name in common, as of a table."""
    for salts, is_told in (((None, None), False), ((ONE, None), False), ((ONE, TWO), True)):
        one, other = CaseNaming(), CaseNaming()
        pair = _add(one, "a", salts[0], HASH), _add(other, "b", salts[1], HASH)
        assert bool(list(one.incomparable(other, {pair}))) == is_told
        assert list(one.incomparable(other, ()))


@pytest.mark.parametrize(("salt", "told"), [(ONE, "of which one are pseudonyms and the other names"), (None, "")])
def test_a_case_that_two_builds_have_tells_nothing_of_a_third(salt: str | None, told: str) -> None:
    """Of the same data set: a table with a case in common, and DICOM files, or a tar, without one."""
    names = CaseNames([_entry("b", IndexRow("1", "PAT3", (), ""), "d", "")])
    matches = CaseMatches(names)
    matches.add(*_entry("a", IndexRow("2", "PAT3", (), ""), "d", ""))
    assert list(matches.incomparable()) == []
    matches.add(*_entry("c", IndexRow("3", HASH if salt else "PAT4", (), ""), "d", salt))
    assert [told in one.what for one in matches.incomparable()] == [True] * bool(told)
    assert list(matches.shared) == [("d", "PAT3")]


@pytest.mark.parametrize("second", [(TWO, "different salts"), (None, "unknown whether by one salt")])
@pytest.mark.parametrize("first", [ONE, None])
def test_data_sets_that_are_only_names_of_manifests_may_be_one_collection(
    first: str | None, second: tuple[str | None, str]
) -> None:
    salt, told = second[0], second[1] if first else "unknown whether by one salt"
    for dataset in ("", "y"):
        (found,) = _naming("a", first, HASH, "").incomparable(_naming("b", salt, OTHER_HASH, dataset), ())
        assert told in found.what
        assert "may be of one collection, so that no patient is found" in found.what
        assert found.remedy.startswith("if they are one collection, give them one --dataset and build them with one")
        assert found.remedy.endswith("; if not, give each a --dataset of its own that is not its --name")
    assert not list(_naming("a", first, HASH, "x").incomparable(_naming("b", salt, OTHER_HASH, "y"), ()))


@pytest.mark.parametrize("case", [OTHER_HASH, "patient 7"])
def test_parts_of_one_build_name_cases_alike(case: str) -> None:
    """Whatever another program has called them, in a tar (no salt is known) or a table (there is none)."""
    for salt in (None, ""):
        train = _naming("a", salt, HASH, build="x")
        assert not list(train.incomparable(_naming("b", salt, case, build="x"), ()))
        assert list(train.incomparable(_naming("b", salt, case, build="y"), ()))
        assert list(train.incomparable(_naming("b", salt, case), ()))


def test_several_builds_are_told_once() -> None:
    train, val = _naming("a", None, HASH, build="x"), _naming("b", None, HASH, build="x")
    for number in range(3):
        _add(train, "c", None, OTHER_HASH, build=f"of train {number}")
        _add(val, "d", None, OTHER_HASH, build=f"of val {number}")
    assert len(list(train.incomparable(val, ()))) == 1


@pytest.mark.parametrize(
    ("one", "other", "remedy"),
    [
        ((ONE, HASH, ""), (TWO, HASH, ""), ONE_SALT),
        (
            (ONE, HASH, ""),
            (None, HASH, ""),
            f"{ONE_SALT}, which the manifests then state, or, if they are not of DICOM",
        ),
        ((None, HASH, "x"), (None, HASH, "y"), "divide them in one build (--partition; of tars with --rewrite)"),
        ((None, HASH, "x"), ("", HASH, "y"), "divide them in one build (--partition; of tars with --rewrite)"),
        (("", HASH, ""), ("", HASH, ""), "divide them in one build (--partition; of tars with --rewrite)"),
        ((ONE, HASH, ""), (None, HASH, "y"), "name cases alike in both inputs, or build both from their DICOM files"),
        ((ONE, HASH, ""), ("", HASH, "y"), "name cases alike in both inputs, or build both from their DICOM files"),
        ((ONE, HASH, ""), ("", "patient 7", ""), "name cases alike in both inputs, or build both from their DICOM"),
        ((None, HASH, "x"), ("", "patient 7", ""), "name cases alike in both inputs, or build both from their DICOM"),
    ],
)
def test_a_salt_is_no_remedy_where_an_input_takes_none(
    one: tuple[str | None, str, str], other: tuple[str | None, str, str], remedy: str
) -> None:
    for first, second in ((one, other), (other, one)):
        (salt, case, build), (other_salt, other_case, other_build) = first, second
        naming = _naming("a", salt, case, build=build)
        (found,) = naming.incomparable(_naming("b", other_salt, other_case, build=other_build), ())
        assert found.remedy.startswith(remedy)


def test_tars_that_are_only_listed_take_no_salt() -> None:
    """Listed before builds were stated."""
    shard = ShardEntry("a.tar", "0" * 64, 1, 1)
    namings = [CaseNaming(), CaseNaming()]
    for naming, case in zip(namings, (HASH, OTHER_HASH), strict=True):
        listed = Manifest("a", "CT_SCAN", "CC0", "none", (shard,), dataset="d", layout={"columns": {"answer": "cls"}})
        naming.add(listed, case)
    (found,) = namings[0].incomparable(namings[1], ())
    assert found.remedy.startswith("divide them in one build")


def test_default_data_sets_by_one_salt_or_with_plain_names_can_be_compared() -> None:
    for salt, cases in ((ONE, (HASH, OTHER_HASH)), ("", ("p1", "p2")), (None, ("p1", "p2"))):
        one, other = (_naming(name, salt, case, "") for name, case in zip("ab", cases, strict=True))
        assert not list(one.incomparable(other, ()))


def _entry(name: str, row: IndexRow, dataset: str = "", salt: str | None = ONE) -> tuple[Manifest, IndexRow]:
    shard = ShardEntry("a.tar", "0" * 64, 1, 1)
    return Manifest(name, "CT_SCAN", "CC0", "none", (shard,), dataset=dataset, salt_digest=salt), row


@pytest.mark.parametrize(
    ("datasets", "shared", "same_names", "doubtful"),
    [(("d", "d"), 1, 0, 0), (("d", "e"), 0, 1, 0), (("", ""), 0, 1, 1), (("d", ""), 0, 1, 1), (("", "d"), 0, 1, 1)],
)
def test_a_case_is_matched_by_any_of_its_names(
    datasets: tuple[str, str], shared: int, same_names: int, doubtful: int
) -> None:
    """Both name the study s; it is one case of the second split."""
    names = CaseNames([_entry("b", IndexRow("1", "p", (), "", case_names="s t"), datasets[1])])
    matches = CaseMatches(names)
    for case_names in ("s", "s t"):
        matches.add(*_entry("a", IndexRow("2", "q", (), "", case_names=case_names), datasets[0]))
    assert (len(matches.shared), len(matches.same_names), len(matches.doubtful)) == (shared, same_names, doubtful)
    assert {*matches.same_names, *(name for _, name in matches.shared)} == {"p"}


def test_ids_of_samples_are_no_shared_cases_and_may_be_the_same_in_other_data_sets() -> None:
    names = CaseNames([_entry("b", IndexRow("1", "", (), ""), "d"), _entry("b", IndexRow("2", "", (), ""), "e")])
    matches = CaseMatches(names)
    for number in "12":
        matches.add(*_entry("a", IndexRow(number, "", (), ""), "d"))
    assert (matches.shared, list(matches.same_names), matches.doubtful) == ({}, ["2"], {})


def test_a_pseudonym_in_both_splits_says_that_unstated_salts_are_one() -> None:
    matches = CaseMatches(CaseNames([_entry("b", IndexRow("1", HASH, (), ""), salt=None)]))
    matches.add(*_entry("a", IndexRow("2", HASH, (), ""), salt=None))
    assert (list(matches.doubtful), list(matches.incomparable())) == ([HASH], [])


def test_advice_is_one_sentence_and_two_values() -> None:
    assert str(Advice("it is so", "do this; if not, that")) == "it is so; do this; if not, that"


def test_a_split_with_two_salts_divides_patients() -> None:
    naming = _naming("a", ONE, HASH)
    assert naming.divided == []
    shard = ShardEntry("b.tar", "1" * 64, 1, 1)
    naming.add(Manifest("b", "X_RAY", "CC0", "none", (shard,), dataset="made", salt_digest=TWO), HASH)
    assert naming.divided == ["made"]
