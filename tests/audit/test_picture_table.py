"""The table of images."""

import pytest

from medix.audit import picture_table
from medix.audit.picture_table import PictureTable, StoredImage
from medix.data.shards import Shard
from tests.data.conftest import Writer, make_sample, picture


def test_a_file_has_one_number_and_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_table, "_WAITING", 2)  # the queue is emptied while images are added
    table = PictureTable()
    numbers = [table.add(picture(shade)) for shade in (1, 2, 1, 3, 4, 2)]
    table.finish()
    assert numbers == [0, 1, 0, 2, 3, 1]
    assert [facts.thumbnail[0, 0] for facts in table.facts] == sorted(facts.thumbnail[0, 0] for facts in table.facts)
    assert len(table) == len(table.facts) == 4
    assert table.read(2) == picture(3)


def test_an_image_of_a_shard_is_read_again_from_there(write: Writer) -> None:
    [manifest] = write([make_sample(number, images=2) for number in range(2)])
    shard = Shard(manifest, manifest.shards[0])
    table = PictureTable()
    sample = shard[1]
    number = table.add(sample.images[1], StoredImage(shard, 1, 1))
    table.finish()
    assert table.read(number) == sample.images[1]
    assert not shard.is_open


def test_images_without_content_and_unreadable_ones_are_in_no_pair() -> None:
    """Black and white are both flat, and two broken files have equal thumbnails of zeros."""
    table = PictureTable()
    for image in (picture(0), picture(255), b"broken", b"broken too"):
        table.add(image)
    table.finish()
    assert len(table.near()) == 0
