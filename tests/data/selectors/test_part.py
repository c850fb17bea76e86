from pathlib import Path

import pytest

from medix.data.selectors.part import labels_by_axes, parts_of
from medix.data.stream import Place, Stream
from tests.support.streams import manifest


def _stream(folder: Path) -> Stream:
    return Stream(
        [
            manifest(folder, "one", [2, 3], "CT_SCAN", "a", lambda i: "x" if i in (1, 2) else "y"),
            manifest(folder, "two", [2], "MRI_SCAN", "b", lambda i: "x"),
        ],
        window=2,
    )


def test_parts_hold_the_places_of_their_labels(tmp_path: Path) -> None:
    """Of the first manifest, numbers 1 and 2 are of source x: the last of shard 0 and the first of shard 1."""
    stream = _stream(tmp_path)
    parts = {part.label: part for part in parts_of(labels_by_axes(stream, ("modality", "source")), stream)}
    assert list(parts) == [("CT_SCAN", "x"), ("CT_SCAN", "y"), ("MRI_SCAN", "x")]
    places = {label: sorted(part.locate(i) for i in range(len(part))) for label, part in parts.items()}
    assert places == {
        ("CT_SCAN", "x"): [Place(0, 1), Place(1, 0)],
        ("CT_SCAN", "y"): [Place(0, 0), Place(1, 1), Place(1, 2)],
        ("MRI_SCAN", "x"): [Place(2, 0), Place(2, 1)],
    }
    assert [part.open_shards for part in parts.values()] == [2, 2, 1]


def test_every_pass_over_a_part_is_a_permutation(tmp_path: Path) -> None:
    stream = _stream(tmp_path)
    (part,) = parts_of(labels_by_axes(stream, ()), stream)
    passes = [[part.locate(7 * number + i) for i in range(7)] for number in range(4)]
    assert all(sorted(one) == sorted(passes[0]) for one in passes)
    assert len({tuple(one) for one in passes}) == 4


def test_another_part_does_not_change_the_order_of_one(tmp_path: Path) -> None:
    stream = _stream(tmp_path)
    alone = Stream(stream.manifests[:1], window=2)
    first = parts_of(labels_by_axes(stream, ("dataset",)), stream)[0]
    same = parts_of(labels_by_axes(alone, ("dataset",)), alone)[0]
    assert [first.locate(i) for i in range(20)] == [same.locate(i) for i in range(20)]
    assert first.digest == same.digest


def test_sources_that_an_index_does_not_hold_are_asked_for(tmp_path: Path) -> None:
    stream = Stream([manifest(tmp_path, "old", [2])])
    with pytest.raises(ValueError, match=r"does not hold the sources.*shards index .*old\.yaml"):
        labels_by_axes(stream, ("source",))


def test_a_missing_index_of_shards_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    made = manifest(tmp_path, "gone", [2])
    (tmp_path / "gone.index.jsonl").unlink()
    with pytest.raises(ValueError, match=r"sources of some samples are not known.*gone-0\.tar"):
        labels_by_axes(Stream([made]), ("source",))
