"""Rows of a split, and ids that stand for several samples."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from medix.data.build import write_shards
from medix.data.datamodule import ShardDataModule
from medix.data.index import IndexRow, index_path
from medix.data.manifest import DataStatement, Manifest
from medix.data.split_rows import RepeatedIds, RowReader, SplitRow, read_rows, rows_of_repeated_ids
from medix.data.stream import Stream
from medix.reporting.record import CompletionRecord
from medix.reporting.record_identity import unique
from medix.types import Sample
from tests.data.conftest import make_sample, picture
from tests.support import streams

Build = Callable[[str, Sequence[Sample]], Manifest]

FIRST = Sample("1", "Is it large?", "yes", "CT_SCAN", (picture(1),))


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def _build(name: str, samples: Sequence[Sample]) -> Manifest:
        statement = DataStatement(name, "CC0-1.0", "nobody is shown", dataset="made")
        return write_shards(samples, tmp_path / name, statement)[0]

    return _build


def _ids(*manifests: Manifest) -> RepeatedIds:
    return RepeatedIds(RowReader().rows("val", Stream(manifests, shuffle=False)))


def _without_references(manifest: Manifest) -> None:
    path = index_path(manifest.path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**line, "samples": [r[:4] for r in line["samples"]]}) + "\n" for line in lines))


def _record(sample: Sample) -> CompletionRecord:
    return CompletionRecord(
        step=0, split="val", dataset="made", id=sample.id, index=0, case="", source="", modality="CT_SCAN",
        question=sample.question, reference=sample.reference, completion="", answer=None, reasoning=None,
        named_modality=None, faults=(), finish_reason="stop", tokens=1, policy_version=0, image_ids=sample.image_ids,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        (FIRST, False),
        (replace(FIRST, reference="no"), True),
        (replace(FIRST, question="Is it small?"), True),
        (replace(FIRST, images=(picture(2),)), True),
        (replace(FIRST, aliases=("indeed",), case="c"), False),
    ],
)
def test_the_index_and_the_records_tell_samples_of_one_id_apart_by_the_same_rule(
    build: Build, other: Sample, differs: bool
) -> None:
    ids = _ids(build("a", [FIRST]), build("b", [other]))
    assert (ids.differing, ids.unknown) == (("made: 1",) if differs else (), ())
    if differs:
        with pytest.raises(ValueError, match="1 ids are used by different samples"):
            unique([_record(FIRST), _record(other)])
    else:
        assert len(unique([_record(FIRST), _record(other)])) == 1


def test_ids_whose_references_an_index_does_not_hold_are_said(build: Build) -> None:
    first, second = build("a", [FIRST, make_sample(5)]), build("b", [replace(FIRST, reference="no")])
    _without_references(second)
    ids = _ids(first, second)
    assert (ids.differing, ids.unknown, ids.conflicts("val")) == ((), ("made: 1",), "")
    assert ids.not_compared("val").startswith("data.val: 1 ids occur more than once (made: 1), and an index does not")
    assert _ids(second).not_compared("val") == ""


@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_every_stage_refuses_ids_of_different_samples_before_anything_is_sampled(
    build: Build, tmp_path: Path, stage: str
) -> None:
    build("train", [make_sample(5)])
    build("a", [FIRST])
    build("b", [replace(FIRST, reference="no")])
    split = {"fit": "val", "validate": "val"}.get(stage, stage)
    data = ShardDataModule(
        train=[str(tmp_path / "train")],
        **{split: [str(tmp_path / "a"), str(tmp_path / "b")]},  # type: ignore[arg-type]
    )
    with pytest.raises(ValueError, match=rf"^data\.{split}: 1 ids are used by different samples .*made: 1.*`dataset`"):
        data.setup(stage)


def test_a_shard_without_an_index_is_read_once(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = build("a", [FIRST])
    index_path(manifest.path).unlink()
    read = Mock(side_effect=read_rows)
    monkeypatch.setattr("medix.data.split_rows.read_rows", read)
    reader = RowReader()
    rows = [list(reader.rows(split, Stream([manifest]))) for split in ("val", "test")]
    assert rows[0] == rows[1]
    assert read.call_count == 1


@pytest.mark.parametrize("gap", ["reference", "shard"])
def test_a_stage_says_which_ids_it_could_not_check(
    build: Build, tmp_path: Path, caplog: pytest.LogCaptureFixture, gap: str
) -> None:
    manifests = [build("a", [FIRST]), build("b", [replace(FIRST, reference="no")])]
    for manifest in manifests:
        _without_references(manifest)
        if gap == "shard":
            index_path(manifest.path).unlink()
            Path(manifest.location(manifest.shards[0])).unlink()
    data = ShardDataModule(val=[str(tmp_path / "a"), str(tmp_path / "b")])
    with caplog.at_level(logging.WARNING):
        data.setup("validate")
    told = {
        "reference": "data.val: 1 ids occur more than once",
        "shard": "ids of data.val were not all checked: 1 shards",
    }
    assert told[gap] in caplog.text


def test_only_rows_whose_ids_repeat_are_kept(tmp_path: Path) -> None:
    """An id of two data sets does not repeat; what does not repeat is read once."""
    made = {name: streams.manifest(tmp_path, name, [2], dataset=name) for name in "ab"}
    rows = [SplitRow(made[name], IndexRow(str(i), "", (), question)) for name, i, question in
            (("a", 1, "x"), ("a", 2, "x"), ("b", 1, "x"), ("a", 1, "y"))]  # fmt: skip
    reads: list[int] = []

    def read(count: int) -> list[SplitRow]:
        reads.append(count)
        return rows[:count]

    assert rows_of_repeated_ids(lambda: read(3)) == []
    assert rows_of_repeated_ids(lambda: read(4)) == [rows[0], rows[3]]
    assert reads == [3, 4, 4]
    assert rows_of_repeated_ids(list) == []
