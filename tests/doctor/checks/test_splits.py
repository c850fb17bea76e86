"""Splits that overlap, and splits that do not."""

from dataclasses import replace
from pathlib import Path

import pytest

from medix.data.build import write_shards
from medix.data.index import index_path
from medix.data.manifest import DataStatement, Manifest
from medix.doctor.checks.splits import SplitsCheck
from medix.doctor.findings import State
from medix.types import Sample
from tests.support.doctoring import look, states, subject
from tests.support.fake_training import picture
from tests.support.runs import MANIFESTS

ABSENT = Path("owner/model")


def _write(folder: Path, name: str, numbers: range, dataset: str = "mine") -> str:
    samples = [Sample(str(i), f"q{i}", "r", "X_RAY", (picture(i),), case=f"p{i // 2}") for i in numbers]
    write_shards(samples, folder / name, DataStatement(name, "CC0-1.0", "nobody is shown", dataset=dataset))
    return str(folder / name)


def test_the_shipped_shards_share_nothing(tmp_path: Path) -> None:
    data = {"train": [str(MANIFESTS / "tiny_train-*.yaml")], "val": [str(MANIFESTS / "tiny_val-*.yaml")]}
    found = look(SplitsCheck(), subject(tmp_path, ABSENT, data={**data, "limit_val": None}))
    assert [(one.state, one.found) for one in found] == [
        (
            State.OK,
            "data.val: none of 40 samples shares its id, case, image or text-only question with data.train",
        )
    ]


def test_an_overlap_is_a_warning_that_names_samples_cases_and_images(tmp_path: Path) -> None:
    """Validation samples 3 to 6; training has 0 to 3, and with it sample 3 and case p1."""
    data = {"train": [_write(tmp_path, "a", range(4))], "val": [_write(tmp_path, "b", range(3, 7))]}
    (found,) = look(SplitsCheck(), subject(tmp_path, ABSENT, data={**data, "limit_val": None}))
    assert found.state is State.WARNING
    assert found.found.startswith("data.val overlaps data.train: 1 of 4 samples; shared: 1 of 4 samples (mine: 3); ")
    assert "1 of 3 cases (mine: p1); 1 of 4 images (" in found.found
    assert "not held out" in found.remedy


@pytest.mark.parametrize("name", ["case", "index"])
def test_what_cannot_be_compared_is_a_warning_with_its_remedy(tmp_path: Path, name: str) -> None:
    train = _write(tmp_path, "a", range(4), "one")
    val = _write(tmp_path, "b", range(4, 8), "two")
    if name == "case":
        val = _write(tmp_path, "c", range(2), "two")
    else:
        for path in Path(train).glob("*.yaml"):
            index_path(path).write_text("damaged\n")
    found = look(SplitsCheck(), subject(tmp_path, ABSENT, data={"train": [train], "val": [val], "limit_val": None}))
    assert State.WARNING in states(found)
    remedies = " ".join(one.remedy for one in found)
    assert ("--dataset" if name == "case" else "shards index") in remedies


def test_ids_that_are_not_unique_in_a_data_set_are_a_problem(tmp_path: Path) -> None:
    train = _write(tmp_path, "a", range(9, 12))
    val = _write(tmp_path, "b", range(2))
    other = [Sample(str(i), "another question", "r", "CT_SCAN", (picture(20 + i),)) for i in range(2)]
    write_shards(other, tmp_path / "c", DataStatement("c", "CC0-1.0", "nobody is shown", dataset="mine"))
    data = {"train": [train], "val": [val, str(tmp_path / "c")], "limit_val": None}
    problem, ok = look(SplitsCheck(), subject(tmp_path, ABSENT, data=data))
    assert states([problem, ok]) == [State.PROBLEM, State.OK]
    assert problem.found == "data.val: 2 ids are used by different samples of one data set (mine: 0, mine: 1)"
    assert problem.remedy == "give the manifests that they come from different values of `dataset`"


def test_cases_of_one_name_without_a_named_data_set_are_a_warning_alone(tmp_path: Path) -> None:
    """Without --dataset the cases p0 and p1 of both may be the same patients: nothing is called unshared."""
    data = {"train": [_write(tmp_path, "a", range(4), "")]}
    samples = [Sample(str(i), f"r{i}", "r", "X_RAY", (picture(20 + i),), case=f"p{i // 2}") for i in range(4)]
    write_shards(samples, tmp_path / "b", DataStatement("b", "CC0-1.0", "nobody is shown"))
    found = look(
        SplitsCheck(), subject(tmp_path, ABSENT, data={**data, "val": [str(tmp_path / "b")], "limit_val": None})
    )
    assert states(found) == [State.WARNING]
    assert "names of cases or samples in common (p0, p1)" in found[0].found


def test_remedies_are_whole_where_pseudonyms_are_by_different_salts(tmp_path: Path) -> None:
    """A remedy with a semicolon within it is not cut."""
    folders = {"train": _write(tmp_path, "a", range(4), ""), "val": _write(tmp_path, "b", range(10, 14), "")}
    for salt, folder in zip("12", folders.values(), strict=True):
        for path in Path(folder).glob("*.yaml"):
            replace(Manifest.read(path), salt_digest=salt * 16).write(path)
    data = {split: [folder] for split, folder in folders.items()}
    (found,) = look(SplitsCheck(), subject(tmp_path, ABSENT, data={**data, "limit_val": None}))
    assert found.found.endswith("so that no patient is found in both")
    assert found.remedy == (
        "if they are one collection, give them one --dataset and build them with one --salt file; if not, give each a "
        "--dataset of its own that is not its --name"
    )
