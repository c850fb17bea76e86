"""Ids, cases and hashes of the samples of a shard, beside its manifest."""

import hashlib
import json
from dataclasses import replace

import pytest

from medix.data.index import IndexRow, ManifestIndex, index_path
from medix.data.manifest import ManifestError
from tests.data.conftest import Writer, make_sample


def test_a_row_by_hand() -> None:
    sample = make_sample(3, images=2)
    first, second = (hashlib.sha256(image).hexdigest()[:16] for image in sample.images)
    texts = [hashlib.sha256(text).hexdigest()[:16] for text in (b"What is seen in picture 3?", b"finding 3")]
    assert IndexRow.of(sample) == IndexRow("row.3", "case 1", (first, second), *texts, "made")


def test_further_names_of_a_case_are_in_the_index_and_make_no_difference_where_there_are_none(write: Writer) -> None:
    plain = IndexRow.of(make_sample(3))
    named = IndexRow.of(replace(make_sample(3), metadata={"case_names": "p q"}))
    assert (plain.cases, named.cases) == (("case 1",), ("case 1", "p", "q"))
    assert (len(plain.written), named.written) == (6, tuple(named))
    (manifest,) = write({"CT_SCAN": 1})
    path = index_path(manifest.path)
    line = json.loads(path.read_text())
    line["samples"] = [named.written]
    path.write_text(json.dumps(line) + "\n")
    assert ManifestIndex(manifest).rows(manifest.shards[0]) == (named,)


def test_rows_without_reference_and_source_are_read(write: Writer) -> None:
    """An index from before these were in it."""
    (manifest,) = write({"CT_SCAN": 2})
    path = index_path(manifest.path)
    line = json.loads(path.read_text())
    line["samples"] = [row[:4] for row in line["samples"]]
    path.write_text(json.dumps(line) + "\n")
    rows = tuple(IndexRow.of(make_sample(i))._replace(reference="", source=None) for i in range(2))
    assert ManifestIndex(manifest).rows(manifest.shards[0]) == rows


def test_building_shards_writes_the_rows_of_each_shard_under_its_checksum(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 5}, per_shard=3)
    index = ManifestIndex(manifest)
    assert [index.rows(entry) for entry in manifest.shards] == [
        tuple(IndexRow.of(make_sample(i)) for i in range(3)), tuple(IndexRow.of(make_sample(i)) for i in range(3, 5)),
    ]  # fmt: skip
    again = write({"CT_SCAN": 5}, per_shard=3, folder="again")
    assert index_path(manifest.path).read_bytes() == index_path(again[0].path).read_bytes()


def test_rows_of_other_bytes_are_not_used(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 2})
    assert ManifestIndex(manifest).rows(replace(manifest.shards[0], sha256="1" * 64)) is None


def test_a_manifest_without_an_index_has_no_rows(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 2})
    index_path(manifest.path).unlink()
    assert ManifestIndex(manifest).rows(manifest.shards[0]) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{"sha256": "', '{"sha1": "', "line 1: not a line of an index"),
        ('"samples": [[', '"samples": [[1], [', "is damaged"),
        ('"samples": [[', '"samples": [["a", "", [], ""], [', "has 3 samples, not 2"),
        ('"samples": [["row.0"', '"samples": [[null', "is damaged"),
        ('"samples": [["row.0"', '"samples": [[["row.0"]', "is damaged"),
        ('"samples": [["row.0", "case ', '"samples": [["row.0", 7, "', "is damaged"),
        ('"samples": [[', '"samples": ["abcd", [', "is damaged"),
        pytest.param('"samples": [[', '"samples": ' + "[" * 200_000, "is damaged", id="deep"),
    ],
)
def test_a_damaged_index_is_named_with_the_command_that_writes_it(
    write: Writer, old: str, new: str, message: str
) -> None:
    (manifest,) = write({"CT_SCAN": 2})
    path = index_path(manifest.path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ManifestError, match=f"{message}.*shards index") as caught:
        ManifestIndex(manifest).rows(manifest.shards[0])
    assert str(path) in str(caught.value)


def test_two_lines_of_one_shard_that_differ_are_damage(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 2})
    path = index_path(manifest.path)
    line = path.read_text()
    path.write_text(line + line)
    assert ManifestIndex(manifest).rows(manifest.shards[0]) is not None
    path.write_text(line + line.replace("row.0", "other"))
    with pytest.raises(ManifestError, match="line 2: a second line of shard"):
        ManifestIndex(manifest)
