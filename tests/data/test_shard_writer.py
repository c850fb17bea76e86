from pathlib import Path

import pytest

from medix.data.shard_writer import ShardWriter
from tests.data.conftest import make_sample


def test_a_sample_of_another_modality_does_not_enter_a_writer(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "a", "MRI_SCAN")
    with pytest.raises(ValueError, match="is CT_SCAN, but the shard MRI_SCAN"):
        writer.write(make_sample(0))


def test_a_shard_that_grew_large_is_finished(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "a", "CT_SCAN", bytes_per_shard=400)
    for i in range(3):
        writer.write(make_sample(i))  # about 300 bytes each
    writer.close()
    assert [shard.entry.samples for shard in writer.finished] == [2, 1]


def test_a_writer_that_goes_on_writes_the_same_bytes(tmp_path: Path) -> None:
    """Shards of an earlier process are counted in the keys of samples and the numbers of files."""
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = ShardWriter(tmp_path / "whole", "a", "CT_SCAN", 2)
    found = [whole.write(make_sample(i)) for i in range(3)]
    assert [shard is not None for shard in found] == [False, True, False]
    first, second = ShardWriter(tmp_path / "parts", "a", "CT_SCAN", 2), None
    for i in range(3):
        first.write(make_sample(i))
    first.abandon()  # the third sample is lost
    second = ShardWriter(tmp_path / "parts", "a", "CT_SCAN", 2, finished=first.finished[:1])
    second.write(make_sample(2))
    assert whole.close() == second.close()
    assert [path.read_bytes() for path in sorted((tmp_path / "whole").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "parts").iterdir())
    ]
