"""What ``save_to_disk`` has written, and what lies beside it."""

from pathlib import Path
from typing import Any

import datasets
import pytest

from medix.data.sources.saved_dataset import is_saved, saved_rows
from medix.data.sources.table_file import TableError


def rows(*answers: str) -> datasets.Dataset:
    return datasets.Dataset.from_dict({"answer": list(answers)})


def answers(folder: Path, split: str) -> Any:
    return saved_rows(folder, split)[0]["answer"][:]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Splits whose names contain each other."""
    splits = {
        "train": rows("a", "b", "c", "d"),
        "train_extra": rows("e"),
        "internal_test": rows("f"),
        "site-B": rows("g"),
    }
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize(
    ("split", "found"),
    [
        ("train", "abcd"), ("train_extra", "e"), ("internal_test", "f"), ("site-B", "g"), ("train[1:3]", "bc"),
        ("train[:50%]", "ab"), ("train[-1:]+train_extra", "de"), ("train_extra+internal_test", "ef"),
    ],
)  # fmt: skip
def test_a_split_is_that_of_its_exact_name(saved: Path, split: str, found: str) -> None:
    assert is_saved(saved)
    assert answers(saved, split) == list(found)


@pytest.mark.parametrize("split", ["test", "validation", "train+test", "trai", "train[a]", ""])
def test_a_split_that_is_not_there_names_those_that_are(saved: Path, split: str) -> None:
    with pytest.raises(TableError, match=r"no split .*; its splits are train, train_extra, internal_test, site-B"):
        saved_rows(saved, split)


def test_what_was_computed_or_saved_there_before_is_no_data(saved: Path) -> None:
    before = saved_rows(saved, "train")[1]
    datasets.load_from_disk(saved)["train"].map(lambda row: {"answer": row["answer"].upper()})
    assert len(list((saved / "train").glob("*.arrow"))) == 2
    assert answers(saved, "train") == list("abcd")
    assert saved_rows(saved, "train")[1] == before
    datasets.DatasetDict(train=rows("x")).save_to_disk(saved)
    assert answers(saved, "train") == ["x"]
    assert saved_rows(saved, "train")[1] != before
    with pytest.raises(TableError, match=r"its splits are train$"):
        saved_rows(saved, "train_extra")


def test_the_stamps_are_those_of_the_files_that_are_read(saved: Path, tmp_path: Path) -> None:
    assert saved_rows(saved, "train")[1] != saved_rows(saved, "train_extra")[1]
    rows("a", "b").save_to_disk(tmp_path / "one", num_shards=2)
    for split, number in (("train", 2), ("train[1:]", 1)):
        found, stamps = saved_rows(tmp_path / "one", split)
        assert (len(found), stamps.count(".arrow"), stamps.count("state.json")) == (number, number, 1)


def test_another_folder_is_none(tmp_path: Path) -> None:
    assert not is_saved(tmp_path)
    assert not is_saved(tmp_path / "none")
