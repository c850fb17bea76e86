"""What splits share: samples, cases, images, text-only questions."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from medix.data.build import write_shards
from medix.data.datamodule import ShardDataModule
from medix.data.index import index_path
from medix.data.manifest import DataStatement, Manifest
from medix.data.mixture import Mixture
from medix.data.overlap import SplitOverlaps
from medix.data.shard_cache import ShardCache
from medix.data.split_rows import RowReader
from medix.data.stream import Stream
from medix.types import Sample
from tests.data.conftest import make_sample

Build = Callable[..., tuple[Manifest, ...]]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def _build(name: str, samples: Sequence[Sample], dataset: str = "made") -> tuple[Manifest, ...]:
        statement = DataStatement(name, "CC0-1.0", "nobody is shown", dataset=dataset)
        return write_shards(samples, tmp_path / name, statement, 2)

    return _build


def _splits(train: Sequence[Manifest], val: Sequence[Manifest], **how: int) -> SplitOverlaps:
    streams = {"train": Stream(train), "val": Stream(val, shuffle=False)}
    return SplitOverlaps(streams, reader=RowReader(**how))


def _counts(found: SplitOverlaps) -> dict[str, tuple[int, int]]:
    overlap = found.of("val")
    assert overlap is not None
    return {kind: (one.count, one.total) for kind, one in overlap.shared.items() if one.total}


def test_splits_that_share_nothing_are_held_out(build: Build) -> None:
    """Rows 0 to 3 are of cases 0 and 1, rows 4 to 7 of cases 2 and 3."""
    found = _splits(build("a", [make_sample(i) for i in range(4)]), build("b", [make_sample(i) for i in range(4, 8)]))
    overlap = found.of("val")
    assert overlap is not None
    assert (found.label("val"), overlap.affected, found.messages()) == ("held out", 0, [])
    assert _counts(found) == {"samples": (0, 4), "cases": (0, 2), "images": (0, 4)}


def test_shared_samples_cases_and_images_are_counted_by_hand(build: Build) -> None:
    """Training holds rows 0 to 4; validation rows 4 to 8 (row 5 is of row 4's case) and row 9 with the image of row 0:
    1 sample, 1 case of 3, 2 images; rows 4, 5 and 9 are affected."""
    val = [*(make_sample(i) for i in range(4, 9)), replace(make_sample(9), images=make_sample(0).images)]
    found = _splits(build("a", [make_sample(i) for i in range(5)]), build("b", val))
    assert _counts(found) == {"samples": (1, 6), "cases": (1, 3), "images": (2, 6)}
    overlap = found.of("val")
    assert overlap is not None
    assert found.label("val") == "validation (overlaps training: 3 of 6 samples)"
    (message,) = found.messages()
    assert message.startswith("data.val overlaps data.train: 3 of 6 samples; shared: 1 of 6 samples (made: row.4); ")
    assert "1 of 3 cases (made: case 2); 2 of 6 images (" in message


def test_a_case_is_found_under_each_of_its_names(build: Build) -> None:
    """Case 0 of training joins patients p and q; validation has p alone, and rows of case 2, which is named r too."""
    train = [replace(make_sample(0), metadata={"case_names": "p q"}), make_sample(2)]
    val = [replace(make_sample(5), case="p"), replace(make_sample(4), metadata={"case_names": "r"})]
    found = _splits(build("a", train), build("b", val))
    overlap = found.of("val")
    assert overlap is not None
    assert overlap.affected == 1
    assert _counts(found)["cases"] == (1, 2)
    assert overlap.shared["cases"].names == ("made: p",)


def test_the_same_text_only_question_is_an_overlap_under_any_id(build: Build) -> None:
    train = [Sample("1", "What is a fracture?", "a break", None), Sample("2", "q", "r", None)]
    val = [Sample("9", "What is a fracture?", "a broken bone", None)]
    assert _counts(_splits(build("a", train), build("b", val))) == {"samples": (0, 1), "text-only questions": (1, 1)}


def test_ids_and_cases_of_other_data_sets_are_others_and_namesakes_are_mentioned(build: Build) -> None:
    samples = [make_sample(i) for i in range(2)]
    others = [replace(sample, images=make_sample(50 + i).images) for i, sample in enumerate(samples)]
    found = _splits(build("a", samples, "one"), build("b", others, "two"))
    assert _counts(found) == {"samples": (0, 2), "cases": (0, 1), "images": (0, 2)}
    (message,) = found.messages()
    assert (
        "data.val and data.train have 1 names of cases or samples in common (case 0), in different data sets" in message
    )
    assert "--dataset" in message
    assert "that is not its" not in message
    assert found.label("val") == "held out"


def test_cases_of_one_name_leave_it_open_where_a_data_set_is_only_the_name_of_a_manifest(build: Build) -> None:
    """Cases 0 and 1 on both sides with other images: without --dataset, nothing says that they are other patients."""
    samples = [make_sample(i) for i in range(4)]
    others = [replace(sample, images=make_sample(50 + i).images) for i, sample in enumerate(samples)]
    train = build("a", samples, "")
    for name, dataset in (("b", ""), ("c", "two")):
        found = _splits(train, build(name, others, dataset))
        assert found.label("val") == "validation (2 case names also in training)"
        (message,) = found.messages()
        assert "of its own that is not its --name" in message
    assert _splits(train, build("d", [make_sample(9)], "")).label("val") == "held out"


def test_a_label_compares_with_every_earlier_split(build: Build) -> None:
    val = build("v", [make_sample(i) for i in range(4, 8)])
    streams = {"train": Stream(build("a", [make_sample(0)])), "val": Stream(val), "test": Stream(val)}
    found = SplitOverlaps(streams)
    assert found.label("val") == "held out"
    assert found.label("test") == "test (overlaps validation: 4 of 4 samples)"
    streams["test"] = Stream(build("t", [make_sample(0), make_sample(20), make_sample(5)]))
    assert SplitOverlaps(streams).label("test") == (
        "test (overlaps training: 1 of 3 samples; overlaps validation: 1 of 3 samples)"
    )
    del streams["train"], streams["val"]
    assert SplitOverlaps(streams).label("test") == "test"


def test_shards_without_an_index_are_read_once_for_all_pairs(build: Build) -> None:
    """The limit holds for the shards of the three splits, each once."""
    parts = {split: build(split, [make_sample(10 * i)]) for i, split in enumerate(("train", "val", "test"))}
    for (manifest,) in parts.values():
        index_path(manifest.path).unlink()
    streams = {split: Stream(manifests) for split, manifests in parts.items()}
    size = sum(manifest.bytes for (manifest,) in parts.values())
    found = SplitOverlaps(streams, reader=RowReader(size))
    assert (found.messages(), found.label("val"), found.label("test")) == ([], "held out", "held out")


def test_only_samples_that_take_part_are_compared(build: Build) -> None:
    samples = [make_sample(2 * i) for i in range(4)]
    val = Stream(build("b", samples[:1]), shuffle=False)
    manifests = build("a", samples)
    streams = {"train": Stream(manifests), "val": val}
    assert SplitOverlaps(streams).of("val").affected == 1  # type: ignore[union-attr]
    streams["train"] = Stream(manifests, mixture=Mixture(repeat={"CT_SCAN": 2}))
    assert SplitOverlaps(streams).of("val").affected == 1  # type: ignore[union-attr]
    streams["val"] = Stream(build("c", samples[::-1]), shuffle=False, mixture=Mixture(total=1))
    assert SplitOverlaps(streams).of("val").samples == 1  # type: ignore[union-attr]


def test_shards_without_an_index_are_read_up_to_a_limit_and_then_said(build: Build) -> None:
    train, val = (build(name, [make_sample(i) for i in range(4)]) for name in "ab")
    index_path(train[0].path).unlink()
    assert _splits(train, val).of("val").affected == 4  # type: ignore[union-attr]
    found = _splits(train, val, max_read_bytes=train[0].shards[0].bytes)
    overlap = found.of("val")
    assert overlap is not None
    assert overlap.affected == 2
    assert "1 shards of data.train: without an index, and too large" in overlap.missing_message()
    assert f"shards index {train[0].path}" in overlap.missing_message()
    nothing = _splits(train, build("c", [make_sample(20)]), max_read_bytes=0)
    assert nothing.label("val") == "validation (not fully compared with training)"


def test_remote_shards_are_compared_by_their_index_and_never_fetched(build: Build, tmp_path: Path) -> None:
    (train,), val = build("a", [make_sample(0)]), build("b", [make_sample(0)])
    remote = replace(train, shards=tuple(replace(one, url=f"https://data.invalid/{one.url}") for one in train.shards))
    assert _splits([remote], val).of("val").affected == 1  # type: ignore[union-attr]
    index_path(train.path).unlink()
    streams = {"train": Stream([remote], cache=ShardCache(tmp_path / "cache")), "val": Stream(val, shuffle=False)}
    (message,) = SplitOverlaps(streams).messages()
    assert "remote, without an index, and not downloaded" in message
    assert not (tmp_path / "cache").exists()


def test_a_damaged_shard_or_index_is_said_and_stops_nothing(build: Build) -> None:
    train, val = (build(name, [make_sample(0)]) for name in "ab")
    index_path(train[0].path).write_text("no index\n")
    (message,) = _splits(train, val).messages()
    assert "not a line of an index" in message
    index_path(train[0].path).unlink()
    Path(train[0].location(train[0].shards[0])).unlink()
    (message,) = _splits(train, val).messages()
    assert "No such file" in message


def test_ids_that_stand_for_different_samples_of_one_data_set_are_named(build: Build, tmp_path: Path) -> None:
    first = build("a", [Sample("1", "Which side?", "left", None)])
    second = build("b", [Sample("1", "Which organ?", "lung", None)])
    found = SplitOverlaps({"val": Stream([*first, *second], shuffle=False)})
    assert found.messages() == [
        "data.val: 1 ids are used by different samples of one data set (made: 1); give the manifests that they come "
        "from different values of `dataset`"
    ]
    assert SplitOverlaps({"val": Stream([*first, *first], shuffle=False)}).messages() == []


def test_three_splits_are_compared_pairwise(build: Build) -> None:
    parts = {"train": [0, 1], "val": [2, 3], "test": [3, 4]}
    streams = {split: Stream(build(split, [make_sample(i) for i in rows])) for split, rows in parts.items()}
    found = {(pair.first, pair.second): pair.affected for pair in SplitOverlaps(streams).pairs}
    assert found == {("train", "val"): 0, ("train", "test"): 0, ("val", "test"): 1}


def test_fit_logs_the_overlap_and_the_split_is_not_called_held_out(
    build: Build, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    build("a", [make_sample(i) for i in range(4)])
    data = ShardDataModule(train=[str(tmp_path / "a")], val=[str(tmp_path / "a")], test=[str(tmp_path / "none")])
    with caplog.at_level(logging.WARNING):
        data.setup("fit")
    assert "data.val overlaps data.train: 4 of 4 samples" in caplog.text
    assert "data.test was not fully compared with data.train" in caplog.text
    assert data.label("val") == "validation (overlaps training: 4 of 4 samples)"
    assert data.label("test") == ("test (not fully compared with training; not fully compared with validation)")


def test_pseudonyms_by_different_salts_are_never_called_held_out(build: Build) -> None:
    train, val = (build(name, [make_sample(i)]) for name, i in (("a", 0), ("b", 4)))
    salted = {salt: [replace(one, salt_digest=salt * 16) for one in val] for salt in "12"}
    mine = [replace(one, salt_digest="1" * 16) for one in train]
    assert _splits(mine, salted["1"]).label("val") == "held out"
    found = _splits(mine, salted["2"])
    assert found.label("val") == "validation (cases cannot be compared with training)"
    (message,) = found.messages()
    assert message == (
        f"data.val and data.train: cases cannot be compared, as {val[0].path} and {train[0].path} have pseudonyms of "
        "data set 'made' by different salts, so that no patient is found in both; build them with one --salt file"
    )
    both = SplitOverlaps({"val": Stream([*mine, *salted["2"]], shuffle=False)})
    (message,) = both.messages()
    assert "data.val: its pseudonyms of data set 'made' are by several salts" in message
